//! `cedar-policy`, with each statement translated to one policy.

use std::str::FromStr;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request, RestrictedExpression,
};

use super::{Prepared, largest};
use crate::cases::{Ask, Case};
use crate::statement::{Condition, Statement, statements};

pub struct Cedar {
    case: &'static Case,
    authorizer: Authorizer,
    entities: Entities,
    identity: PolicySet,
    endpoint: Option<PolicySet>,
    bucket: Option<PolicySet>,
    requests: Vec<Request>,
}

fn name(key: &str) -> String {
    key.replace([':', '-', '/'], "_")
}

fn condition(condition: &Condition) -> String {
    let key = name(&condition.key);
    let test = if condition.is_address {
        format!("context.{key}.isInRange(ip(\"{}\"))", condition.value)
    } else {
        format!("context.{key} == \"{}\"", condition.value)
    };
    if condition.negated {
        format!("!(context has {key} && {test})")
    } else {
        format!("(context has {key} && {test})")
    }
}

fn policy(statement: &Statement) -> Option<String> {
    let effect = if statement.allows { "permit" } else { "forbid" };
    let actions: Vec<String> = statement
        .actions
        .iter()
        .map(|action| format!("Action::\"{action}\""))
        .collect();
    let action = match actions.as_slice() {
        [] => "action".to_owned(),
        actions => format!("action in [{}]", actions.join(",")),
    };
    let mut tests = Vec::new();
    if !statement.principals.is_empty() {
        let names: Vec<String> = statement
            .principals
            .iter()
            .map(|arn| format!("principal == User::\"{arn}\""))
            .collect();
        tests.push(format!("({})", names.join(" || ")));
    }
    if statement.resources != ["*"] {
        if statement
            .resources
            .iter()
            .any(|pattern| pattern.contains('?'))
        {
            return None;
        }
        let patterns: Vec<String> = statement
            .resources
            .iter()
            .map(|pattern| match pattern.contains('*') {
                true => format!("context.arn like \"{pattern}\""),
                false => format!("context.arn == \"{pattern}\""),
            })
            .collect();
        tests.push(format!("({})", patterns.join(" || ")));
    }
    tests.extend(statement.conditions.iter().map(condition));
    let when = match tests.is_empty() {
        true => String::new(),
        false => format!(" when {{ {} }}", tests.join(" && ")),
    };
    Some(format!("{effect}(principal, {action}, resource){when};\n"))
}

fn translate(text: &str) -> Option<String> {
    statements(text).iter().map(policy).collect()
}

fn compile(source: &str) -> PolicySet {
    PolicySet::from_str(source).expect("translations parse")
}

fn request(ask: &Ask) -> Request {
    let uid = |kind: &str, id: &str| {
        EntityUid::from_type_name_and_id(kind.parse().expect("type"), id.parse().expect("id"))
    };
    let mut pairs: Vec<(String, RestrictedExpression)> = ask
        .context
        .iter()
        .map(|(key, value)| {
            let value = match *key {
                "aws:VpcSourceIp" | "aws:SourceIp" => RestrictedExpression::new_ip(value),
                _ => RestrictedExpression::new_string(value.clone()),
            };
            (name(key), value)
        })
        .collect();
    pairs.push((
        "arn".to_owned(),
        RestrictedExpression::new_string(ask.resource.clone()),
    ));
    Request::new(
        uid("User", &ask.principal),
        uid("Action", ask.action),
        uid("Object", &ask.resource),
        Context::from_pairs(pairs).expect("context"),
        None,
    )
    .expect("request")
}

impl Cedar {
    pub fn new(case: &'static Case) -> Option<Cedar> {
        let set = |text: &str| translate(text).map(|source| compile(&source));
        let optional = |text: &Option<String>| match text {
            None => Some(None),
            Some(text) => set(text).map(Some),
        };
        Some(Cedar {
            case,
            authorizer: Authorizer::new(),
            entities: Entities::empty(),
            identity: set(&case.identity)?,
            endpoint: optional(&case.endpoint)?,
            bucket: optional(&case.bucket)?,
            requests: case.requests.iter().map(request).collect(),
        })
    }

    /// Allow, and whether a policy decided (a forbid, when it is not an allow).
    fn ask(&self, set: &PolicySet, request: &Request) -> (bool, bool) {
        let response = self.authorizer.is_authorized(request, set, &self.entities);
        let decided = response.diagnostics().reason().next().is_some();
        (response.decision() == Decision::Allow, decided)
    }

    fn answer(&self, request: &Request) -> bool {
        if let Some(set) = &self.endpoint
            && !self.ask(set, request).0
        {
            return false;
        }
        let bucket = self
            .bucket
            .as_ref()
            .map_or((false, false), |set| self.ask(set, request));
        let identity = self.ask(&self.identity, request);
        let denied = |(allow, decided): (bool, bool)| !allow && decided;
        !denied(bucket) && !denied(identity) && (bucket.0 || identity.0)
    }
}

impl Prepared for Cedar {
    fn decide(&mut self, request: usize) -> bool {
        self.answer(&self.requests[request])
    }

    fn decide_raw(&mut self, at: usize) -> bool {
        self.answer(&request(&self.case.requests[at]))
    }

    fn compile(&self) {
        // The translation is not counted: cedar's own text is what it parses.
        thread_local! {
            static SOURCE: std::cell::RefCell<Option<(usize, String)>> = const { std::cell::RefCell::new(None) };
        }
        let (text, _) = largest(self.case);
        SOURCE.with_borrow_mut(|kept| {
            let key = text.as_ptr() as usize;
            if kept.as_ref().is_none_or(|(at, _)| *at != key) {
                *kept = translate(text).map(|source| (key, source));
            }
            if let Some((_, source)) = kept {
                std::hint::black_box(compile(source));
            }
        });
    }
}
