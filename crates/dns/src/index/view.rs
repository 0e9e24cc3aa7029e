//! Which zone or rule is responsible for a name, and the answer from it.

use std::sync::Arc;

use crate::decide::{Question, Upstreams};
use crate::index::page::{Entry, Set};
use crate::index::zone::{Found, Zone};
use crate::name::{Name, NameRef, Suffixes, hash};
use crate::wire::{Owner, Rcode, RecordType, Reply, Section};

/// The most CNAME or alias steps for one question; more is taken for a loop.
const MAX_STEPS: usize = 16;

/// What a Resolver rule does with the names of its domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// FORWARD: ask these servers.
    Forward(Arc<Upstreams>),
    /// SYSTEM: resolve locally in spite of a FORWARD rule for a wider domain.
    System,
}

/// Zones and rules by domain. Immutable once built, shared by `Arc`.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    /// Sorted by hash.
    cuts: Vec<(u64, Cut)>,
    /// Bit `d`: some domain here has `d` labels.
    depths: u128,
}

#[derive(Debug, Clone)]
struct Cut {
    domain: Name,
    zone: Option<Arc<Zone>>,
    rule: Option<Rule>,
}

/// Layers put over each other for one question.
///
/// The most specific domain among the private layers decides: a rule before a zone of the same
/// name, an earlier layer before a later one. Names no private zone or rule covers, or that a
/// SYSTEM rule keeps here, are looked up among the public layers: a FORWARD rule for `.` thus
/// covers public names but no private zone, as with Route 53 Resolver.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// What only this view sees: hosted zones, private DNS names, rules, and what the resolver
    /// defines by itself.
    pub private: &'a [&'a Layer],
    /// What everybody sees.
    pub public: &'a [&'a Layer],
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// The reply is complete, positive or negative.
    Answered,
    /// A FORWARD rule covers the name, or the end of the chain in [`Reply::continue_at`].
    Forward(Arc<Upstreams>),
    /// No zone and no rule covers the name, or the end of the chain in [`Reply::continue_at`].
    Outside,
}

enum Responsible<'a> {
    Zone(&'a Zone),
    Forward(&'a Arc<Upstreams>),
    Nobody,
}

impl Layer {
    /// A layer without zones and rules.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a zone, or puts it in place of the one of the same name.
    pub fn put_zone(&mut self, zone: Arc<Zone>) {
        let domain = zone.apex().clone();
        self.cut(domain).zone = Some(zone);
    }

    /// Adds a rule, or puts it in place of the one for the same domain.
    pub fn put_rule(&mut self, domain: Name, rule: Rule) {
        self.cut(domain).rule = Some(rule);
    }

    /// The zone with that apex.
    #[must_use]
    pub fn zone(&self, apex: &Name) -> Option<&Arc<Zone>> {
        self.find(hash(apex.as_ref()), apex.wire())?.zone.as_ref()
    }

    /// The zone with that apex, to be changed: one that is shared is copied on the first change.
    pub fn zone_mut(&mut self, apex: &Name) -> Option<&mut Zone> {
        let hash = hash(apex.as_ref());
        let at = self
            .cuts
            .iter()
            .position(|(h, cut)| *h == hash && cut.domain == *apex)?;
        self.cuts.get_mut(at)?.1.zone.as_mut().map(Arc::make_mut)
    }

    /// Takes a zone out.
    pub fn remove_zone(&mut self, apex: &Name) -> Option<Arc<Zone>> {
        let hash = hash(apex.as_ref());
        let at = self
            .cuts
            .iter()
            .position(|(h, cut)| *h == hash && cut.domain == *apex)?;
        let zone = self.cuts.get_mut(at)?.1.zone.take();
        // The bits of `depths` may stay: they only save lookups.
        self.cuts
            .retain(|(_, cut)| cut.zone.is_some() || cut.rule.is_some());
        zone
    }

    /// Takes a rule out.
    pub fn remove_rule(&mut self, domain: &Name) -> Option<Rule> {
        let hash = hash(domain.as_ref());
        let at = self
            .cuts
            .iter()
            .position(|(h, cut)| *h == hash && cut.domain == *domain)?;
        let rule = self.cuts.get_mut(at)?.1.rule.take();
        self.cuts
            .retain(|(_, cut)| cut.zone.is_some() || cut.rule.is_some());
        rule
    }

    fn cut(&mut self, domain: Name) -> &mut Cut {
        let hash = hash(domain.as_ref());
        self.depths |= 1 << domain.as_ref().label_count();
        let at = self
            .cuts
            .iter()
            .position(|(h, cut)| *h == hash && cut.domain == domain);
        let at = at.unwrap_or_else(|| {
            let at = self.cuts.partition_point(|(h, _)| *h < hash);
            self.cuts.insert(
                at,
                (
                    hash,
                    Cut {
                        domain,
                        zone: None,
                        rule: None,
                    },
                ),
            );
            at
        });
        &mut self.cuts[at].1
    }

    fn find(&self, hash: u64, domain: &[u8]) -> Option<&Cut> {
        let start = self.cuts.partition_point(|(h, _)| *h < hash);
        let same = self
            .cuts
            .get(start..)?
            .iter()
            .take_while(|(h, _)| *h == hash);
        same.map(|(_, cut)| cut)
            .find(|cut| cut.domain.wire() == domain)
    }
}

impl<'a> View<'a> {
    /// Answers a question from the zones of this view, following CNAME records and aliases
    /// inside it. Flags other than the response code are left to the caller.
    pub fn resolve(&self, question: &Question<'_>, reply: &mut Reply<'_>) -> Resolved {
        let suffixes = Suffixes::of(question.name);
        let mut step = self.step(
            question.name,
            &suffixes,
            Owner::Question,
            question.rtype,
            reply,
        );
        for _ in 0..MAX_STEPS {
            match step {
                Step::Done(resolved) => return resolved,
                Step::Chain(target) => {
                    let suffixes = Suffixes::of(target);
                    step = self.step(target, &suffixes, Owner::Target, question.rtype, reply);
                    if let Step::Done(Resolved::Forward(_) | Resolved::Outside) = step {
                        reply.set_continue_at(target);
                    }
                }
            }
        }
        reply.clear();
        reply.set_rcode(Rcode::SERVFAIL);
        Resolved::Answered
    }

    fn step(
        &self,
        name: NameRef<'_>,
        suffixes: &Suffixes,
        owner: Owner<'_>,
        rtype: RecordType,
        reply: &mut Reply<'_>,
    ) -> Step<'a> {
        let zone = match self.responsible(name, suffixes) {
            Responsible::Zone(zone) => zone,
            Responsible::Forward(upstreams) => {
                return Step::Done(Resolved::Forward(Arc::clone(upstreams)));
            }
            Responsible::Nobody => return Step::Done(Resolved::Outside),
        };
        let entry = match zone.find(name, suffixes) {
            Found::Node(entry) => entry,
            Found::NoName => {
                reply.set_rcode(Rcode::NXDOMAIN);
                return negative(zone, reply);
            }
        };
        match pick(entry, rtype) {
            Some(set) if set.rtype == RecordType::CNAME && rtype != RecordType::CNAME => {
                let Some(target) = set.records().next() else {
                    return negative(zone, reply);
                };
                reply.answer(owner, RecordType::CNAME, set.ttl, target);
                if rtype == RecordType::ANY {
                    return Step::Done(Resolved::Answered);
                }
                Step::Chain(NameRef::trusted(target))
            }
            Some(set) => match set.alias() {
                None => {
                    write_set(owner, set, reply);
                    Step::Done(Resolved::Answered)
                }
                Some(target) => match self.follow(zone, NameRef::trusted(target), set.rtype) {
                    Some(set) => {
                        write_set(owner, set, reply);
                        Step::Done(Resolved::Answered)
                    }
                    None => negative(zone, reply),
                },
            },
            None => negative(zone, reply),
        }
    }

    /// The records an alias stands for; `None` if it leads nowhere, or round in a circle.
    fn follow(
        &self,
        mut zone: &'a Zone,
        target: NameRef<'a>,
        rtype: RecordType,
    ) -> Option<Set<'a>> {
        let mut target = target;
        for _ in 0..MAX_STEPS {
            let suffixes = Suffixes::of(target);
            if !target.is_within(zone.apex().as_ref()) {
                zone = match zone_among(self.public, target, &suffixes) {
                    Some(zone) => zone,
                    None => zone_among(self.private, target, &suffixes)?,
                };
            }
            let Found::Node(entry) = zone.find(target, &suffixes) else {
                return None;
            };
            let set = entry.sets().find(|set| set.rtype == rtype)?;
            match set.alias() {
                None => return Some(set),
                Some(next) => target = NameRef::trusted(next),
            }
        }
        None
    }

    fn responsible(&self, name: NameRef<'_>, suffixes: &Suffixes) -> Responsible<'a> {
        let depths = self
            .private
            .iter()
            .fold(0, |depths, layer| depths | layer.depths);
        let mut system = false;
        for depth in (0..=suffixes.depth())
            .rev()
            .filter(|depth| depths >> depth & 1 == 1)
        {
            let hash = suffixes.hash(depth);
            let domain = name.wire().get(suffixes.start(depth)..).unwrap_or(&[0]);
            let mut zone = None;
            let mut rule = None;
            for cut in self
                .private
                .iter()
                .filter_map(|layer| layer.find(hash, domain))
            {
                zone = zone.or(cut.zone.as_deref());
                rule = rule.or(cut.rule.as_ref());
            }
            match rule {
                Some(Rule::Forward(upstreams)) if !system => {
                    return Responsible::Forward(upstreams);
                }
                Some(Rule::System) => system = true,
                Some(Rule::Forward(_)) | None => {}
            }
            if let Some(zone) = zone {
                return Responsible::Zone(zone);
            }
        }
        zone_among(self.public, name, suffixes).map_or(Responsible::Nobody, Responsible::Zone)
    }
}

/// Where one name of a chain leads.
enum Step<'a> {
    Done(Resolved),
    Chain(NameRef<'a>),
}

/// The most specific zone of some layers for a name, rules left aside.
fn zone_among<'a>(
    layers: &'a [&'a Layer],
    name: NameRef<'_>,
    suffixes: &Suffixes,
) -> Option<&'a Zone> {
    let depths = layers.iter().fold(0, |depths, layer| depths | layer.depths);
    (0..=suffixes.depth())
        .rev()
        .filter(|depth| depths >> depth & 1 == 1)
        .find_map(|depth| {
            let domain = name.wire().get(suffixes.start(depth)..)?;
            let mut cuts = layers
                .iter()
                .filter_map(|l| l.find(suffixes.hash(depth), domain));
            cuts.find_map(|cut| cut.zone.as_deref())
        })
}

/// The set that answers a type: that type's own, else a CNAME. ANY gets the first set there is,
/// the smallest answer RFC 8482 section 4.1 allows.
fn pick(entry: Entry<'_>, rtype: RecordType) -> Option<Set<'_>> {
    let mut cname = None;
    for set in entry.sets() {
        if set.rtype == rtype || rtype == RecordType::ANY {
            return Some(set);
        }
        if set.rtype == RecordType::CNAME {
            cname = Some(set);
        }
    }
    cname
}

fn negative<'a>(zone: &Zone, reply: &mut Reply<'_>) -> Step<'a> {
    let (apex, ttl, soa) = zone.negative();
    reply.record(
        Section::Authority,
        Owner::Name(apex),
        RecordType::SOA,
        ttl,
        soa,
    );
    Step::Done(Resolved::Answered)
}

/// Writes all records of a set; addresses start with another one in each reply.
fn write_set(owner: Owner<'_>, set: Set<'_>, reply: &mut Reply<'_>) {
    let turn = match set.rtype {
        RecordType::A | RecordType::AAAA if set.count > 1 => {
            reply.rotation() % usize::from(set.count)
        }
        _ => 0,
    };
    let records = set.records();
    for data in records.clone().skip(turn).chain(records.take(turn)) {
        if !reply.answer(owner, set.rtype, set.ttl, data) {
            break;
        }
    }
}

#[cfg(test)]
mod tests;
