//! What is written down about a request while it passes through the phases.

use std::sync::Arc;
use std::time::Instant;

use adit_model::EndpointKind;
use adit_policy::{Decision, Effect, Layer, Outcome, Trace};
use adit_snapshot::decide::request::{self, RequestFacts};
use adit_snapshot::{BucketView, KeyView};
use adit_wire::time::iso8601;

use crate::access_log::Batched;
use crate::address::Way;
use crate::connection::{Connection, Via};
use crate::counts::Counted;
use crate::gateway::Inner;
use crate::ids::RequestId;
use crate::record::{Path, Record};

/// Notes on one request.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) generation: u64,
    /// When the head was read.
    pub(crate) begun: Option<Instant>,
    pub(crate) vpc: Option<String>,
    /// The account of the endpoint, and the Region that the way led to.
    pub(crate) endpoint_owner: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) user_agent: Option<String>,
    /// The bucket, if one is named and exists.
    pub(crate) bucket: Option<Arc<BucketView>>,
    /// None before the phase that finds out.
    pub(crate) caller: Option<Option<Arc<KeyView>>>,
    pub(crate) operation: Option<String>,
    pub(crate) decided: Option<Decided>,
    /// For the bucket's access log, where it has one.
    pub(crate) log: Option<Box<Notes>>,
}

/// What only an access log tells.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Canonical id of the bucket's owner.
    pub(crate) owner: String,
    pub(crate) requester: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) host: String,
    pub(crate) access_point: Option<String>,
    pub(crate) signature: Option<&'static str>,
    pub(crate) auth: Option<&'static str>,
    /// Whether the request would have been refused without a grant of an ACL.
    pub(crate) by_acl: bool,
    /// What became of each key of a request that deletes many.
    pub(crate) batch: Vec<Batched>,
}

/// One decision.
#[derive(Debug)]
pub(crate) struct Decided {
    action: String,
    resource: String,
    allowed: bool,
    layer: Option<&'static str>,
    policy: Option<String>,
    statement: Option<String>,
    message: Option<String>,
}

impl Account {
    pub(crate) fn way(&mut self, way: &Way) {
        self.vpc = way
            .endpoint
            .as_ref()
            .map(|view| view.endpoint.vpc.to_string());
        self.endpoint_owner = way
            .endpoint
            .as_ref()
            .map(|view| view.endpoint.owner.to_string());
        self.region = way.region.as_ref().map(ToString::to_string);
    }

    /// Notes a decision: the first that allows, until one denies.
    pub(crate) fn decided(&mut self, facts: &RequestFacts<'_>, decision: &Decision, explain: bool) {
        let allowed = decision.is_allowed();
        if allowed && self.decided.is_some() {
            return;
        }
        let mut decided = Decided {
            action: facts.action.name().to_owned(),
            resource: facts.resource.to_owned(),
            allowed,
            layer: decision.denial().map(|denial| denial.layer.as_str()),
            policy: None,
            statement: None,
            message: None,
        };
        if !allowed || explain {
            explain_into(&mut decided, facts, decision);
        }
        self.decided = Some(decided);
    }

    /// Hands the record over.
    pub(crate) fn close(
        &self,
        gateway: &Inner,
        connection: &Connection,
        now: i64,
        id: &RequestId,
        status: u16,
        error: Option<&str>,
    ) {
        let time = iso8601(now, true);
        let (kind, endpoint) = match &connection.via {
            Via::Endpoint(id) => ("endpoint", Some(id.as_str())),
            Via::Internet => ("internet", None),
            Via::Api => ("api", None),
        };
        let decided = self.decided.as_ref();
        gateway.counts.request(&Counted {
            via: endpoint.unwrap_or(kind),
            bucket: self.bucket.as_ref().map(|view| view.bucket.name.as_str()),
            operation: self.operation.as_deref(),
            status,
            denied: decided.is_some_and(|decided| !decided.allowed) && status == 403,
            took: self.begun.map_or_else(Default::default, |at| at.elapsed()),
        });
        gateway.recorder.record(&Record {
            time: &time,
            request_id: id.as_str(),
            generation: self.generation,
            via: Path {
                kind,
                endpoint,
                vpc: self.vpc.as_deref(),
                account: self.endpoint_owner.as_deref(),
                source_ip: connection.peer.ip(),
            },
            principal: self
                .caller
                .as_ref()
                .map(|key| key.as_ref().map_or("anonymous", |key| key.arn.as_str())),
            account: self
                .caller
                .as_ref()
                .and_then(Option::as_ref)
                .map(|key| key.key.account.as_str()),
            region: self.region.as_deref(),
            user_agent: self.user_agent.as_deref(),
            owner: self.bucket.as_ref().map(|view| view.bucket.owner.as_str()),
            operation: self.operation.as_deref(),
            action: decided.map(|d| d.action.as_str()),
            resource: decided.map(|d| d.resource.as_str()),
            decision: match decided {
                None => "None",
                Some(decided) if decided.allowed => "Allow",
                Some(_) => "Deny",
            },
            layer: decided.and_then(|d| d.layer),
            policy: decided.and_then(|d| d.policy.as_deref()),
            statement: decided.and_then(|d| d.statement.as_deref()),
            message: decided.and_then(|d| d.message.as_deref()),
            status,
            error,
        });
    }
}

/// Asks the same question again, with a trace, and notes which statement decided.
fn explain_into(decided: &mut Decided, facts: &RequestFacts<'_>, decision: &Decision) {
    let mut trace = Trace::default();
    let again = request::request(facts, Some(&mut trace));
    debug_assert_eq!(again, *decision, "a trace changes no decision");
    let sentences = adit_policy::sentences(decision, &facts.request(), &trace);
    decided.message = (!sentences.is_empty()).then(|| sentences.join(" "));
    let layer = match decision.denial() {
        Some(denial) => trace
            .layers
            .iter()
            .find(|layer| layer.layer == denial.layer),
        // Of the layers that grant, the one nearer to the data.
        None => [Layer::Resource, Layer::Identity, Layer::VpcEndpoint]
            .iter()
            .find_map(|wanted| {
                trace
                    .layers
                    .iter()
                    .find(|layer| layer.layer == *wanted && layer.outcome == Outcome::Allow)
            }),
    };
    let Some(layer) = layer else { return };
    decided.layer = Some(layer.layer.as_str());
    let effect = if decided.allowed {
        Effect::Allow
    } else {
        Effect::Deny
    };
    let statement = layer
        .statements
        .iter()
        .find(|s| s.mismatch.is_none() && s.effect == effect);
    decided.policy = policy_name(facts, layer.layer, statement.map_or(0, |s| s.policy));
    decided.statement = statement.map(|statement| match &statement.sid {
        Some(sid) => sid.clone(),
        None => format!("Statement[{}]", statement.statement),
    });
}

/// Whose policy it was.
fn policy_name(facts: &RequestFacts<'_>, layer: Layer, index: usize) -> Option<String> {
    match layer {
        Layer::VpcEndpoint => facts.endpoint.map(|view| {
            let kind = match view.endpoint.kind {
                EndpointKind::Gateway { .. } => "gateway endpoint",
                EndpointKind::Interface { .. } => "interface endpoint",
            };
            format!("{kind} {}", view.endpoint.id)
        }),
        Layer::Resource => facts
            .bucket
            .map(|view| format!("bucket {}", view.bucket.name)),
        Layer::Identity => facts.key?.view.identity.names.get(index).cloned(),
        Layer::Boundary => {
            let view = &facts.key?.view;
            let user = view.user.as_ref().and_then(|user| user.boundary.as_ref());
            let role = view.role.as_ref().and_then(|role| role.boundary.as_ref());
            let arn = user.or(role)?;
            Some(format!("permissions boundary {arn}"))
        }
        Layer::Session => Some(format!("session policy {index} of {}", facts.key?.arn)),
        _ => None,
    }
}
