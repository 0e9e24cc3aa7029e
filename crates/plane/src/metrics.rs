//! Numbers for whoever watches an installation, in Prometheus' text form.
//!
//! A [`Family`] is one metric with its labels; a series is one combination of label values. Label values
//! come from requests and resources, so each family keeps a bounded number of series: what comes after
//! that is counted in one series whose labels are all `other`, and no number is lost.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// Series of one family at most.
pub const MOST_SERIES: usize = 10_000;

/// What is said for every label of a series beyond the bound.
const OTHER: &str = "other";

/// Upper bounds of the buckets of a duration, in seconds.
const BOUNDS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0,
];

/// What a family counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// All families of a process. Cheap to clone; clones are the same registry.
#[derive(Clone, Default)]
pub struct Metrics {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    families: BTreeMap<&'static str, Shown>,
}

enum Shown {
    Family(Family),
    Durations(Durations),
    Sampled(Sampled),
}

/// Numbers that are looked up when somebody asks, such as the kernel's own counters.
struct Sampled {
    kind: Kind,
    help: &'static str,
    labels: &'static [&'static str],
    sample: Box<dyn Fn() -> Vec<Sample> + Send + Sync>,
}

/// One number of a sampled family: the values of its labels, in their order, and the number.
pub type Sample = (Vec<String>, u64);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The family of a name, made at the first call. Names are Prometheus names; counters end in
    /// `_total`.
    pub fn family(
        &self,
        name: &'static str,
        kind: Kind,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Family {
        let mut inner = self.inner();
        if let Some(Shown::Family(family)) = inner.families.get(name) {
            return family.clone();
        }
        let family = Family {
            shared: Arc::new(Shared {
                kind,
                help,
                labels,
                series: RwLock::default(),
            }),
        };
        inner.families.insert(name, Shown::Family(family.clone()));
        family
    }

    /// A family of durations with one label.
    pub fn durations(
        &self,
        name: &'static str,
        help: &'static str,
        label: &'static str,
    ) -> Durations {
        let mut inner = self.inner();
        if let Some(Shown::Durations(durations)) = inner.families.get(name) {
            return durations.clone();
        }
        let durations = Durations {
            help,
            label,
            series: Arc::default(),
        };
        inner
            .families
            .insert(name, Shown::Durations(durations.clone()));
        durations
    }

    /// A family whose numbers `sample` looks up whenever somebody asks. It runs on the thread that
    /// answers: it must be quick. At most [`MOST_SERIES`] of what it returns are shown.
    pub fn sampled(
        &self,
        name: &'static str,
        kind: Kind,
        help: &'static str,
        labels: &'static [&'static str],
        sample: impl Fn() -> Vec<Sample> + Send + Sync + 'static,
    ) {
        let sample = Box::new(sample);
        self.inner().families.insert(
            name,
            Shown::Sampled(Sampled {
                kind,
                help,
                labels,
                sample,
            }),
        );
    }

    /// Every number, in the text format of Prometheus (version 0.0.4).
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (name, shown) in &self.inner().families {
            match shown {
                Shown::Family(family) => family.write(&mut out, name),
                Shown::Durations(durations) => durations.write(&mut out, name),
                Shown::Sampled(sampled) => {
                    head(&mut out, name, sampled.kind.name(), sampled.help);
                    let mut found = (sampled.sample)();
                    found.truncate(MOST_SERIES);
                    found.sort();
                    for (values, number) in found {
                        line(&mut out, name, sampled.labels, values.iter(), number);
                    }
                }
            }
        }
        out
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        }
    }
}

/// One metric and all its series.
#[derive(Debug, Clone)]
pub struct Family {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    kind: Kind,
    help: &'static str,
    labels: &'static [&'static str],
    /// By the label values, each ended by a byte that no text has.
    series: RwLock<HashMap<String, Number>>,
}

/// One number of a family.
#[derive(Debug, Clone, Default)]
pub struct Number(Arc<AtomicU64>);

impl Number {
    /// Adds.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Says what it is now.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// What it is now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Ends a label value in a key; a value that has it is counted without it.
const END: char = '\u{1f}';

impl Family {
    /// The number of these label values, in the order of the labels.
    pub fn of(&self, values: &[&str]) -> Number {
        let shared = &self.shared;
        let mut key = String::with_capacity(64);
        for value in values {
            match value.contains(END) {
                true => key.extend(value.chars().filter(|c| *c != END)),
                false => key.push_str(value),
            }
            key.push(END);
        }
        {
            let series = shared.series.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(number) = series.get(&key) {
                return number.clone();
            }
        }
        let mut series = shared
            .series
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if series.len() >= MOST_SERIES && !series.contains_key(&key) {
            key = format!("{OTHER}{END}").repeat(shared.labels.len());
        }
        series.entry(key).or_default().clone()
    }

    fn write(&self, out: &mut String, name: &str) {
        let shared = &self.shared;
        head(out, name, shared.kind.name(), shared.help);
        let series = shared.series.read().unwrap_or_else(PoisonError::into_inner);
        let mut sorted: Vec<_> = series.iter().collect();
        sorted.sort_by_key(|(key, _)| *key);
        for (key, number) in sorted {
            line(out, name, shared.labels, key.split(END), number.get());
        }
    }
}

/// Durations by one label.
#[derive(Debug, Clone)]
pub struct Durations {
    help: &'static str,
    label: &'static str,
    series: Arc<RwLock<BTreeMap<String, Arc<Histogram>>>>,
}

#[derive(Debug, Default)]
struct Histogram {
    counts: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Durations {
    /// Takes one.
    pub fn observe(&self, value: &str, took: Duration) {
        let histogram = self.histogram(value);
        let seconds = took.as_secs_f64();
        let at = BOUNDS.iter().position(|bound| seconds <= *bound);
        if let Some(count) = histogram.counts.get(at.unwrap_or(BOUNDS.len())) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        histogram.micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn histogram(&self, value: &str) -> Arc<Histogram> {
        {
            let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(histogram) = series.get(value) {
                return histogram.clone();
            }
        }
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        let value = match series.len() >= MOST_SERIES / BOUNDS.len() {
            true => OTHER,
            false => value,
        };
        series.entry(value.to_owned()).or_default().clone()
    }

    fn write(&self, out: &mut String, name: &str) {
        head(out, name, "histogram", self.help);
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        for (value, histogram) in series.iter() {
            let value = escaped(value);
            let label = self.label;
            let mut sum = 0;
            for (at, count) in histogram.counts.iter().enumerate() {
                sum += count.load(Ordering::Relaxed);
                let bound = BOUNDS
                    .get(at)
                    .map_or_else(|| "+Inf".to_owned(), f64::to_string);
                let _ = writeln!(
                    out,
                    "{name}_bucket{{{label}=\"{value}\",le=\"{bound}\"}} {sum}"
                );
            }
            let micros = histogram.micros.load(Ordering::Relaxed);
            let seconds = Duration::from_micros(micros).as_secs_f64();
            let _ = writeln!(out, "{name}_sum{{{label}=\"{value}\"}} {seconds}");
            let _ = writeln!(out, "{name}_count{{{label}=\"{value}\"}} {sum}");
        }
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(
    out: &mut String,
    name: &str,
    labels: &[&str],
    values: impl Iterator<Item = impl AsRef<str>>,
    number: u64,
) {
    out.push_str(name);
    for (at, (label, value)) in labels.iter().zip(values).enumerate() {
        let before = if at == 0 { '{' } else { ',' };
        let _ = write!(out, "{before}{label}=\"{}\"", escaped(value.as_ref()));
    }
    if !labels.is_empty() {
        out.push('}');
    }
    let _ = writeln!(out, " {number}");
}

/// A label value as the format wants it.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_prometheus_own() {
        let metrics = Metrics::default();
        let family = metrics.family("a_total", Kind::Counter, "How many.", &["x", "y"]);
        family.of(&["1", "q\"\\\n"]).add(2);
        family.of(&["1", "q\"\\\n"]).add(1);
        metrics.family("b", Kind::Gauge, "Now.", &[]).of(&[]).set(7);
        metrics.sampled("c", Kind::Gauge, "Seen.", &["z"], || {
            vec![(vec!["2".to_owned()], 5)]
        });
        let text = metrics.text();
        assert_eq!(
            text,
            "# HELP a_total How many.\n# TYPE a_total counter\n\
             a_total{x=\"1\",y=\"q\\\"\\\\\\n\"} 3\n\
             # HELP b Now.\n# TYPE b gauge\nb 7\n\
             # HELP c Seen.\n# TYPE c gauge\nc{z=\"2\"} 5\n"
        );
    }

    #[test]
    fn series_are_bounded_and_no_number_is_lost() {
        let metrics = Metrics::default();
        let family = metrics.family("a_total", Kind::Counter, "How many.", &["x"]);
        for n in 0..MOST_SERIES + 100 {
            family.of(&[&n.to_string()]).add(1);
        }
        let text = metrics.text();
        let lines: Vec<_> = text.lines().filter(|l| !l.starts_with('#')).collect();
        assert_eq!(lines.len(), MOST_SERIES + 1);
        assert!(lines.contains(&"a_total{x=\"other\"} 100"));
    }

    #[test]
    fn durations_fall_into_every_bucket_above_them() {
        let metrics = Metrics::default();
        let took = metrics.durations("t_seconds", "How long.", "operation");
        took.observe("Get", Duration::from_micros(700));
        took.observe("Get", Duration::from_secs(60));
        let text = metrics.text();
        for line in [
            "t_seconds_bucket{operation=\"Get\",le=\"0.0005\"} 0",
            "t_seconds_bucket{operation=\"Get\",le=\"0.001\"} 1",
            "t_seconds_bucket{operation=\"Get\",le=\"30\"} 1",
            "t_seconds_bucket{operation=\"Get\",le=\"+Inf\"} 2",
            "t_seconds_sum{operation=\"Get\"} 60.0007",
            "t_seconds_count{operation=\"Get\"} 2",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }
}
