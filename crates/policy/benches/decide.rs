//! How long a decision takes, from a prebuilt request and from raw values, and how long compiling
//! takes. The comparison with other engines is in `benches/policy-peers` at the repository's root.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench may stop by panicking"
)]

mod cases;

use std::hint::black_box;
use std::sync::Arc;

use adit_policy::{Context, KeyName, Layers, Policy, PolicyKind, Principal, Request, decide, keys};
use cases::{Ask, Case};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

struct Built {
    identity: Vec<Arc<Policy>>,
    endpoint: Option<Vec<Arc<Policy>>>,
    bucket: Option<Policy>,
}

impl Built {
    fn of(case: &Case) -> Built {
        let compile = |text: &str, kind| Policy::compile(text, kind).unwrap();
        Built {
            identity: vec![Arc::new(compile(&case.identity, PolicyKind::Identity))],
            endpoint: case
                .endpoint
                .as_deref()
                .map(|text| vec![Arc::new(compile(text, PolicyKind::S3_INTERFACE))]),
            bucket: case
                .bucket
                .as_deref()
                .map(|text| compile(text, PolicyKind::Bucket)),
        }
    }

    fn layers(&self) -> Layers<'_> {
        Layers {
            identity: &self.identity,
            endpoint: self.endpoint.as_deref(),
            resource: self.bucket.as_ref(),
            ..Layers::default()
        }
    }
}

/// Fills a context by known keys, as a gateway does.
fn context(ask: &Ask) -> Context<'_> {
    let mut context = Context::new();
    for (name, value) in &ask.context {
        context.set(*name, value.as_str());
    }
    context
}

fn decisions(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide");
    for case in cases::all() {
        let built = Built::of(&case);
        let layers = built.layers();
        let principals: Vec<Principal<'_>> = case
            .requests
            .iter()
            .map(|ask| Principal::parse(&ask.principal).unwrap())
            .collect();
        let contexts: Vec<Context<'_>> = case.requests.iter().map(context).collect();
        let requests: Vec<Request<'_>> = case
            .requests
            .iter()
            .zip(principals.iter().zip(&contexts))
            .map(|(ask, (principal, context))| Request {
                principal,
                action: ask.action.into(),
                resource: &ask.resource,
                resource_account: Some(ask.owner),
                context,
            })
            .collect();
        for (ask, request) in case.requests.iter().zip(&requests) {
            assert_eq!(
                decide(&layers, request, None).is_allowed(),
                ask.allowed,
                "{}",
                case.name
            );
        }
        group.throughput(Throughput::Elements(requests.len() as u64));
        group.bench_function(case.name, |b| {
            b.iter(|| {
                for request in &requests {
                    black_box(decide(black_box(&layers), black_box(request), None));
                }
            });
        });
    }
    group.finish();
}

/// The keys of the cases as constants: a gateway does not look names up.
fn interned(ask: &Ask) -> Vec<(KeyName<'_>, &str)> {
    ask.context
        .iter()
        .map(|(name, value)| (KeyName::from(*name), value.as_str()))
        .collect()
}

fn from_raw_values(c: &mut Criterion) {
    let case = cases::seed();
    let built = Built::of(&case);
    let raw: Vec<_> = case
        .requests
        .iter()
        .map(|ask| (ask, interned(ask)))
        .collect();
    let mut group = c.benchmark_group("from-raw-values");
    group.throughput(Throughput::Elements(raw.len() as u64));
    group.bench_function("seed", |b| {
        b.iter(|| {
            for (ask, pairs) in &raw {
                let principal = Principal::parse(&ask.principal).unwrap();
                let mut context = Context::new();
                for (key, value) in pairs {
                    context.set(*key, *value);
                }
                let request = Request {
                    principal: &principal,
                    action: ask.action.into(),
                    resource: &ask.resource,
                    resource_account: Some(ask.owner),
                    context: &context,
                };
                black_box(decide(&built.layers(), &request, None));
            }
        });
    });
    group.bench_function("context-only", |b| {
        b.iter(|| {
            let mut context = Context::new();
            context.set(keys::SOURCE_VPCE, black_box("vpce-1a2b3c4d"));
            black_box(context.len())
        });
    });
    group.finish();
}

fn compiling(c: &mut Criterion) {
    let mut group = c.benchmark_group("compile");
    for (case, kind) in [
        (cases::bucket_20k(), PolicyKind::Bucket),
        (cases::synthetic(100), PolicyKind::S3_INTERFACE),
    ] {
        let text = case.bucket.or(case.endpoint).unwrap();
        let policy = Policy::compile(&text, kind).unwrap();
        println!(
            "{}: {} characters, {} bytes compiled",
            case.name,
            text.len(),
            policy.memory_size()
        );
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(case.name, |b| {
            b.iter(|| black_box(Policy::compile(black_box(&text), kind)));
        });
    }
    group.finish();
}

criterion_group!(benches, decisions, from_raw_values, compiling);
criterion_main!(benches);
