//! `adit-policy`.

use std::sync::Arc;

use adit_policy::{Context, KeyName, Layers, Policy, PolicyKind, Principal, Request, decide};

use super::{Prepared, largest};
use crate::cases::{Ask, Case};

pub struct Adit {
    case: &'static Case,
    identity: Vec<Arc<Policy>>,
    endpoint: Option<Vec<Arc<Policy>>>,
    bucket: Option<Policy>,
    requests: Vec<Request<'static>>,
    /// Keys as a gateway has them: constants, not names.
    raw: Vec<Vec<(KeyName<'static>, &'static str)>>,
}

impl Adit {
    pub fn new(case: &'static Case) -> Adit {
        let compile = |text: &str, kind| Policy::compile(text, kind).expect("cases compile");
        let request = |ask: &'static Ask| {
            let mut context = Context::new();
            for (name, value) in &ask.context {
                context.set(*name, value.as_str());
            }
            Request {
                principal: Box::leak(Box::new(
                    Principal::parse(&ask.principal).expect("principal"),
                )),
                action: ask.action.into(),
                resource: &ask.resource,
                resource_account: Some(ask.owner),
                context: Box::leak(Box::new(context)),
            }
        };
        let raw = |ask: &'static Ask| {
            ask.context
                .iter()
                .map(|(name, value)| (KeyName::from(*name), value.as_str()))
                .collect()
        };
        Adit {
            case,
            identity: vec![Arc::new(compile(&case.identity, PolicyKind::Identity))],
            endpoint: case
                .endpoint
                .as_ref()
                .map(|text| vec![Arc::new(compile(text, PolicyKind::S3_INTERFACE))]),
            bucket: case
                .bucket
                .as_ref()
                .map(|text| compile(text, PolicyKind::Bucket)),
            requests: case.requests.iter().map(request).collect(),
            raw: case.requests.iter().map(raw).collect(),
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

impl Prepared for Adit {
    fn decide(&mut self, request: usize) -> bool {
        decide(&self.layers(), &self.requests[request], None).is_allowed()
    }

    fn decide_raw(&mut self, request: usize) -> bool {
        let ask = &self.case.requests[request];
        let principal = Principal::parse(&ask.principal).expect("principal");
        let mut context = Context::new();
        for (key, value) in &self.raw[request] {
            context.set(*key, *value);
        }
        let request = Request {
            principal: &principal,
            action: ask.action.into(),
            resource: &ask.resource,
            resource_account: Some(ask.owner),
            context: &context,
        };
        decide(&self.layers(), &request, None).is_allowed()
    }

    fn compile(&self) {
        let (text, is_bucket) = largest(self.case);
        let kind = if is_bucket {
            PolicyKind::Bucket
        } else {
            PolicyKind::S3_INTERFACE
        };
        std::hint::black_box(Policy::compile(text, kind).expect("cases compile"));
    }
}
