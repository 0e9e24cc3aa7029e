//! The engine against the reference evaluator on generated cases, and properties that must hold
//! whatever the policies say.
//!
//! `ADIT_POLICY_CASES_PER_RUN` sets the number of cases for a longer run, `ADIT_POLICY_SEED` where
//! they begin.

use std::sync::Arc;

use adit_policy::{
    Context, Decision, Layers, Policy, PolicyKind, Principal, Request, Trace, decide,
};

use crate::generate::{self, Random};
use crate::reference::{self, Outcome, Policies, Question};

const QUESTIONS_PER_SET: usize = 24;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// The compiled form of generated policies.
struct Compiled {
    identity: Vec<Arc<Policy>>,
    boundary: Option<Vec<Arc<Policy>>>,
    session: Option<Vec<Arc<Policy>>>,
    resource: Option<Policy>,
    endpoint: Option<Vec<Arc<Policy>>>,
    service_control: Vec<Vec<Arc<Policy>>>,
    resource_control: Vec<Vec<Arc<Policy>>>,
}

fn compile(text: &str, kind: PolicyKind) -> Policy {
    Policy::compile(text, kind).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

impl Compiled {
    fn of(policies: &Policies) -> Compiled {
        let list = |texts: &[String], kind| -> Vec<Arc<Policy>> {
            texts
                .iter()
                .map(|text| Arc::new(compile(text, kind)))
                .collect()
        };
        let endpoint = if policies.gateway {
            PolicyKind::S3_GATEWAY
        } else {
            PolicyKind::S3_INTERFACE
        };
        Compiled {
            identity: list(&policies.identity, PolicyKind::Identity),
            boundary: policies
                .boundary
                .as_ref()
                .map(|texts| list(texts, PolicyKind::Boundary)),
            session: policies
                .session
                .as_ref()
                .map(|texts| list(texts, PolicyKind::Session)),
            resource: policies
                .resource
                .as_ref()
                .map(|text| compile(text, PolicyKind::Bucket)),
            endpoint: policies
                .endpoint
                .as_ref()
                .map(|text| vec![Arc::new(compile(text, endpoint))]),
            service_control: policies
                .service_control
                .iter()
                .map(|level| list(level, PolicyKind::ServiceControl))
                .collect(),
            resource_control: policies
                .resource_control
                .iter()
                .map(|level| list(level, PolicyKind::ResourceControl))
                .collect(),
        }
    }

    fn decide(&self, question: &Question, trace: Option<&mut Trace>) -> Decision {
        let principal = Principal::parse(&question.principal).unwrap();
        let mut context = Context::new();
        for (key, values) in &question.context {
            match values.as_slice() {
                [one] => context.set(key.as_str(), one.as_str()),
                many => context.set(key.as_str(), many.to_vec()),
            }
        }
        let request = Request {
            principal: &principal,
            action: question.action.as_str().into(),
            resource: &question.resource,
            resource_account: Some(&question.owner),
            context: &context,
        };
        let layers = Layers {
            identity: &self.identity,
            boundary: self.boundary.as_deref(),
            session: self.session.as_deref(),
            resource: self.resource.as_ref(),
            endpoint: self.endpoint.as_deref(),
            service_control: &self.service_control,
            resource_control: &self.resource_control,
            ..Layers::default()
        };
        decide(&layers, &request, trace)
    }
}

fn outcome(decision: &Decision) -> Outcome {
    match decision {
        Decision::Allow => Outcome::Allow,
        Decision::ImplicitDeny(_) => Outcome::Implicit,
        Decision::ExplicitDeny(_) => Outcome::Explicit,
    }
}

#[test]
fn engine_and_reference_agree() {
    let cases = setting("ADIT_POLICY_CASES_PER_RUN", 120_000);
    let mut random = Random(setting("ADIT_POLICY_SEED", 1));
    let mut counts = [0_u64; 3];
    for _ in 0..cases / QUESTIONS_PER_SET as u64 {
        let policies = generate::policies(&mut random);
        let compiled = Compiled::of(&policies);
        for at in 0..QUESTIONS_PER_SET {
            let question = generate::question(&mut random);
            let expected = reference::decide(&policies, &question);
            let decision = compiled.decide(&question, None);
            counts[outcome(&decision) as usize] += 1;
            assert_eq!(outcome(&decision), expected, "{question:#?}\n{policies:#?}");
            if at % 4 == 0 {
                let mut trace = Trace::default();
                let traced = compiled.decide(&question, Some(&mut trace));
                assert_eq!(traced, decision, "{question:#?}\n{policies:#?}");
            }
        }
    }
    // The generator must not be one-sided, or it tests nothing.
    let least = cases / 20;
    assert!(counts.iter().all(|count| *count >= least), "{counts:?}");
}

/// Policy sets and questions for the properties.
fn each_case(seed: u64, sets: usize, mut test: impl FnMut(&mut Random, &Policies, &Question)) {
    let mut random = Random(seed);
    for _ in 0..sets {
        let policies = generate::policies(&mut random);
        for _ in 0..4 {
            let question = generate::question(&mut random);
            test(&mut random, &policies, &question);
        }
    }
}

/// Adds a statement to the end of a document.
fn with_statement(text: &str, statement: &str) -> String {
    let body = text.strip_suffix("]}").unwrap();
    format!("{body},{statement}]}}")
}

#[test]
fn another_deny_never_allows() {
    each_case(2, 400, |random, policies, question| {
        let before = Compiled::of(policies).decide(question, None);
        let mut more = policies.clone();
        for texts in [
            Some(&mut more.identity),
            more.boundary.as_mut(),
            more.session.as_mut(),
        ] {
            for text in texts.into_iter().flatten() {
                *text = with_statement(text, &generate::statement(random, "Deny", false));
            }
        }
        for text in [&mut more.resource, &mut more.endpoint]
            .into_iter()
            .flatten()
        {
            *text = with_statement(text, &generate::statement(random, "Deny", true));
        }
        let after = Compiled::of(&more).decide(question, None);
        assert!(
            before.is_allowed() || !after.is_allowed(),
            "{question:#?}\n{more:#?}"
        );
    });
}

#[test]
fn another_allow_never_denies() {
    each_case(3, 400, |random, policies, question| {
        let before = Compiled::of(policies).decide(question, None);
        let mut more = policies.clone();
        for texts in [
            Some(&mut more.identity),
            more.boundary.as_mut(),
            more.session.as_mut(),
        ] {
            for text in texts.into_iter().flatten() {
                *text = with_statement(text, &generate::statement(random, "Allow", false));
            }
        }
        for text in [&mut more.resource, &mut more.endpoint]
            .into_iter()
            .flatten()
        {
            *text = with_statement(text, &generate::statement(random, "Allow", true));
        }
        let after = Compiled::of(&more).decide(question, None);
        assert!(
            !before.is_allowed() || after.is_allowed(),
            "{question:#?}\n{more:#?}"
        );
    });
}

/// Renames every `Sid`.
fn renamed(text: &str) -> String {
    let mut document: serde_json::Value = serde_json::from_str(text).unwrap();
    for (at, statement) in document["Statement"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .enumerate()
    {
        statement["Sid"] = format!("Renamed{at}").into();
    }
    document.to_string()
}

/// Reads and writes a document, with other white space and order of members.
fn reprinted(text: &str) -> String {
    let document: serde_json::Value = serde_json::from_str(text).unwrap();
    serde_json::to_string_pretty(&document).unwrap()
}

#[test]
fn names_and_layout_change_nothing() {
    each_case(4, 300, |_, policies, question| {
        let before = Compiled::of(policies).decide(question, None);
        for change in [renamed, reprinted] {
            let mut other = policies.clone();
            let lists = [
                Some(&mut other.identity),
                other.boundary.as_mut(),
                other.session.as_mut(),
            ];
            for text in lists.into_iter().flatten().flatten() {
                *text = change(text);
            }
            for text in [&mut other.resource, &mut other.endpoint]
                .into_iter()
                .flatten()
            {
                *text = change(text);
            }
            let after = Compiled::of(&other).decide(question, None);
            assert_eq!(before, after, "{question:#?}\n{policies:#?}");
        }
    });
}

#[test]
fn the_order_of_statements_changes_nothing_but_the_place() {
    each_case(5, 300, |_, policies, question| {
        let before = Compiled::of(policies).decide(question, None);
        let mut other = policies.clone();
        for text in other.identity.iter_mut().chain(&mut other.resource) {
            let mut document: serde_json::Value = serde_json::from_str(text).unwrap();
            document["Statement"].as_array_mut().unwrap().reverse();
            *text = document.to_string();
        }
        let after = Compiled::of(&other).decide(question, None);
        assert_eq!(
            outcome(&before),
            outcome(&after),
            "{question:#?}\n{policies:#?}"
        );
    });
}

#[test]
fn a_trace_accounts_for_every_statement() {
    each_case(6, 200, |_, policies, question| {
        let compiled = Compiled::of(policies);
        let mut trace = Trace::default();
        let decision = compiled.decide(question, Some(&mut trace));
        for layer in &trace.layers {
            let matched = |effect| {
                layer
                    .statements
                    .iter()
                    .any(|s| s.effect == effect && s.mismatch.is_none())
            };
            let expected = if matched(adit_policy::Effect::Deny) {
                adit_policy::Outcome::Deny
            } else if matched(adit_policy::Effect::Allow) {
                adit_policy::Outcome::Allow
            } else {
                adit_policy::Outcome::NoMatch
            };
            if layer.note.is_empty() {
                assert_eq!(layer.outcome, expected, "{question:#?}\n{policies:#?}");
            }
        }
        if let Some(denial) = decision.denial() {
            let layer = trace
                .layers
                .iter()
                .find(|layer| layer.layer == denial.layer);
            let is_absent = matches!(denial.layer, adit_policy::Layer::Resource);
            assert!(layer.is_some() || is_absent, "{question:#?}\n{policies:#?}");
        }
        let serde: serde_json::Value = serde_json::from_str(&trace.to_json()).unwrap();
        assert_eq!(
            serde["layers"].as_array().unwrap().len(),
            trace.layers.len()
        );
    });
}
