//! From layers and request to a decision.

use std::sync::Arc;

use crate::actions;
use crate::decision::{Decision, Denial, Layer};
use crate::evaluate::Grant;
use crate::facts::Facts;
use crate::keys;
use crate::layers::{AclGrant, Layers};
use crate::policy::{Policy, Said};
use crate::principal::PrincipalKind;
use crate::request::Request;
use crate::trace::{LayerTrace, Outcome, Trace};

/// Decides one (action, resource) pair.
///
/// Cannot fail: what cannot be decided is denied. Allocates nothing unless a trace is asked for
/// (or a variable's value is longer than a kilobyte); with a trace the decision is the same.
///
/// ```
/// use adit_policy::{Context, Layers, Policy, PolicyKind, Principal, Request, decide};
/// use std::sync::Arc;
/// let text = r#"{"Statement":{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::b/*"}}"#;
/// let identity = [Arc::new(Policy::compile(text, PolicyKind::Identity).unwrap())];
/// let principal = Principal::parse("arn:aws:iam::111122223333:user/ana").unwrap();
/// let request = Request {
///     principal: &principal,
///     action: "s3:GetObject".into(),
///     resource: "arn:aws:s3:::b/key",
///     resource_account: Some("111122223333"),
///     context: &Context::new(),
/// };
/// let layers = Layers { identity: &identity, ..Layers::default() };
/// assert!(decide(&layers, &request, None).is_allowed());
/// ```
pub fn decide(layers: &Layers<'_>, request: &Request<'_>, trace: Option<&mut Trace>) -> Decision {
    match trace {
        None => both_halves(layers, request, &mut Quick),
        Some(trace) => {
            trace.layers.clear();
            both_halves(
                layers,
                request,
                &mut Explained {
                    trace,
                    through_access_point: false,
                },
            )
        }
    }
}

/// How the policies of a layer are asked.
trait Asker {
    /// Whether the remaining layers are asked after the decision is known.
    const ASKS_ALL: bool;

    fn begin_half(&mut self, through_access_point: bool);

    fn ask<'p>(
        &mut self,
        layer: Layer,
        level: Option<usize>,
        policies: impl Iterator<Item = &'p Policy>,
        facts: &Facts<'_>,
    ) -> Answer;

    fn note(&mut self, layer: Layer, outcome: Outcome, note: &'static str);
}

/// What the policies of a layer (or level) said together.
#[derive(Clone, Copy, Debug, Default)]
struct Answer {
    /// Policy and statement of the first Deny.
    deny: Option<(u32, u32)>,
    grant: Grant,
}

impl Answer {
    fn add(&mut self, position: u32, said: Said) {
        if self.deny.is_none() {
            self.deny = said.deny.map(|statement| (position, statement));
        }
        self.grant = self.grant.max(said.grant);
    }
}

/// By way of the indexes, without reasons.
struct Quick;

impl Asker for Quick {
    const ASKS_ALL: bool = false;

    fn begin_half(&mut self, _: bool) {}

    fn ask<'p>(
        &mut self,
        _: Layer,
        _: Option<usize>,
        policies: impl Iterator<Item = &'p Policy>,
        facts: &Facts<'_>,
    ) -> Answer {
        let mut answer = Answer::default();
        for (policy, position) in policies.zip(0..) {
            answer.add(position, policy.ask(facts));
        }
        answer
    }

    fn note(&mut self, _: Layer, _: Outcome, _: &'static str) {}
}

/// Statement by statement, with reasons.
struct Explained<'t> {
    trace: &'t mut Trace,
    through_access_point: bool,
}

impl Asker for Explained<'_> {
    const ASKS_ALL: bool = true;

    fn begin_half(&mut self, through_access_point: bool) {
        self.through_access_point = through_access_point;
    }

    fn ask<'p>(
        &mut self,
        layer: Layer,
        level: Option<usize>,
        policies: impl Iterator<Item = &'p Policy>,
        facts: &Facts<'_>,
    ) -> Answer {
        let mut answer = Answer::default();
        let mut statements = Vec::new();
        for (at, policy) in policies.enumerate() {
            let said = policy.explain(at, facts, &mut statements);
            answer.add(u32::try_from(at).unwrap_or(u32::MAX), said);
        }
        let outcome = match answer {
            Answer { deny: Some(_), .. } => Outcome::Deny,
            Answer {
                grant: Grant::None, ..
            } => Outcome::NoMatch,
            Answer { .. } => Outcome::Allow,
        };
        let note = match answer.grant {
            Grant::Account if answer.deny.is_none() && layer == Layer::Resource => {
                "names the caller's account: this delegates to the account's own policies"
            }
            _ => "",
        };
        let through_access_point = self.through_access_point;
        let note = note.to_owned();
        let entry = LayerTrace {
            layer,
            through_access_point,
            level,
            outcome,
            note,
            statements,
        };
        self.trace.layers.push(entry);
        answer
    }

    fn note(&mut self, layer: Layer, outcome: Outcome, note: &'static str) {
        let through_access_point = self.through_access_point;
        self.trace.layers.push(LayerTrace {
            layer,
            through_access_point,
            level: None,
            outcome,
            note: note.to_owned(),
            statements: Vec::new(),
        });
    }
}

/// A request through an access point is decided on the access point and on the bucket.
fn both_halves(layers: &Layers<'_>, request: &Request<'_>, asker: &mut impl Asker) -> Decision {
    let Some(point) = &layers.access_point else {
        let facts = Facts::new(request, request.resource);
        return half(layers, &Half::bucket(layers, request), &facts, asker);
    };
    asker.begin_half(true);
    let facts = Facts::new(request, point.resource);
    let on_point = Half {
        layer: Layer::AccessPoint,
        policy: point.policy,
        owner: point
            .resource
            .split(':')
            .nth(4)
            .filter(|account| !account.is_empty()),
        acl: AclGrant::None,
        object_owner: None,
        through_access_point: true,
    };
    let first = network_origin(point.vpc, &facts, asker)
        .or_else(|| anonymous_on_access_point(request, asker));
    if let Some(denied) = first
        && !is_exhaustive(asker)
    {
        return denied;
    }
    let first = match (first, half(layers, &on_point, &facts, asker)) {
        (Some(denied), _) => denied,
        (None, decision) => decision,
    };
    if !first.is_allowed() && !is_exhaustive(asker) {
        return first;
    }
    asker.begin_half(false);
    let facts = Facts::new(request, request.resource);
    let second = half(layers, &Half::bucket(layers, request), &facts, asker);
    if first.is_allowed() { second } else { first }
}

fn is_exhaustive<A: Asker>(_: &A) -> bool {
    A::ASKS_ALL
}

/// An access point with network origin VPC serves only requests from that VPC; AWS reports others
/// as an explicit deny.
fn network_origin(
    vpc: Option<&str>,
    facts: &Facts<'_>,
    asker: &mut impl Asker,
) -> Option<Decision> {
    let vpc = vpc?;
    let source = facts
        .values(Some(keys::SOURCE_VPC), "")
        .and_then(|values| values.single());
    let from_there = source.is_some_and(|source| source.with_text(|text| text == vpc));
    if from_there {
        return None;
    }
    let note = "the access point's network origin is a VPC that the request does not come from";
    asker.note(Layer::NetworkOrigin, Outcome::Deny, note);
    Some(Decision::ExplicitDeny(Denial {
        layer: Layer::NetworkOrigin,
        through_access_point: true,
        statement: None,
    }))
}

fn anonymous_on_access_point(request: &Request<'_>, asker: &mut impl Asker) -> Option<Decision> {
    if request.principal.kind() != PrincipalKind::Anonymous {
        return None;
    }
    asker.note(
        Layer::AccessPoint,
        Outcome::NoMatch,
        "access points serve no anonymous callers",
    );
    Some(Decision::ImplicitDeny(Denial {
        layer: Layer::AccessPoint,
        through_access_point: true,
        statement: None,
    }))
}

/// What differs between the two halves of a request.
struct Half<'a> {
    /// `Resource`, `Trust` or `AccessPoint`.
    layer: Layer,
    policy: Option<&'a Policy>,
    /// Account of the bucket's or access point's owner.
    owner: Option<&'a str>,
    acl: AclGrant,
    object_owner: Option<&'a str>,
    through_access_point: bool,
}

impl<'a> Half<'a> {
    fn bucket(layers: &Layers<'a>, request: &Request<'a>) -> Half<'a> {
        let is_trust = layers
            .resource
            .is_some_and(|p| p.kind() == crate::PolicyKind::Trust);
        Half {
            layer: if is_trust {
                Layer::Trust
            } else {
                Layer::Resource
            },
            policy: layers.resource,
            owner: request.owner(),
            acl: layers.acl,
            object_owner: layers.object_owner,
            through_access_point: false,
        }
    }

    fn implicit(&self, layer: Layer) -> Decision {
        Decision::ImplicitDeny(Denial {
            layer,
            through_access_point: self.through_access_point,
            statement: None,
        })
    }

    fn explicit(&self, layer: Layer, statement: Option<(u32, u32)>) -> Decision {
        Decision::ExplicitDeny(Denial {
            layer,
            through_access_point: self.through_access_point,
            statement,
        })
    }
}

/// How strongly each layer grants, once it is clear that none denies; `None`: the layer does not
/// apply.
struct Grants {
    endpoint: Option<Grant>,
    resource: Grant,
    identity: Grant,
    boundary: Option<Grant>,
    session: Option<Grant>,
    service_control: bool,
    resource_control: bool,
}

/// Asks the layers in the order in which AWS's messages seem to prefer explicit denials, then combines
/// their grants. With [`Asker::ASKS_ALL`] a denial does not keep the later layers from being asked.
fn half<A: Asker>(
    layers: &Layers<'_>,
    half: &Half<'_>,
    facts: &Facts<'_>,
    asker: &mut A,
) -> Decision {
    let request = facts.request;
    let may_repair = is_repair(half, request);
    let mut denied: Option<Decision> = None;
    macro_rules! deny {
        ($layer:expr, $statement:expr) => {
            let decision = half.explicit($layer, $statement);
            if !A::ASKS_ALL {
                return decision;
            }
            denied = denied.or(Some(decision));
        };
    }
    macro_rules! ask {
        ($layer:expr, $policies:expr) => {{
            let answer = asker.ask($layer, None, $policies, facts);
            if answer.deny.is_some() {
                deny!($layer, answer.deny);
            }
            answer.grant
        }};
    }
    let endpoint = layers
        .endpoint
        .map(each)
        .map(|list| asker.ask(Layer::VpcEndpoint, None, list, facts));
    if let Some(Answer {
        deny: place @ Some(_),
        ..
    }) = endpoint
    {
        deny!(Layer::VpcEndpoint, place);
    }
    let endpoint = endpoint.map(|answer| answer.grant);
    let mut resource = Grant::None;
    if let Some(policy) = half.policy {
        let answer = asker.ask(half.layer, None, std::iter::once(policy), facts);
        if answer.deny.is_some() && !may_repair {
            deny!(half.layer, answer.deny);
        }
        resource = answer.grant;
    }
    if blocked_as_public(layers, half, request) {
        let note =
            "RestrictPublicBuckets: the policy is public, and the caller is of another account";
        asker.note(Layer::BlockPublicAccess, Outcome::Deny, note);
        deny!(Layer::BlockPublicAccess, None);
    }
    let identity = ask!(Layer::Identity, each(layers.identity));
    let mut boundary = None;
    if let Some(list) = layers.boundary {
        boundary = Some(ask!(Layer::Boundary, each(list)));
    }
    let mut session = None;
    if let Some(list) = layers.session {
        session = Some(ask!(Layer::Session, each(list)));
    }
    // Organisations limit the principals of their accounts; services and anonymous callers have none.
    let scps = match request.principal.account() {
        Some(_) => layers.service_control,
        None => &[],
    };
    let service_control = levels(Layer::ServiceControl, scps, facts, asker);
    if service_control.deny.is_some() {
        deny!(Layer::ServiceControl, service_control.deny);
    }
    let resource_control = levels(
        Layer::ResourceControl,
        layers.resource_control,
        facts,
        asker,
    );
    if resource_control.deny.is_some() {
        deny!(Layer::ResourceControl, resource_control.deny);
    }
    if let Some(decision) = denied {
        return decision;
    }
    let grants = Grants {
        endpoint,
        resource,
        identity,
        boundary,
        session,
        service_control: service_control.all_allow,
        resource_control: resource_control.all_allow,
    };
    if let Some(layer) = filtered(&grants) {
        return half.implicit(layer);
    }
    if may_repair {
        asker.note(
            half.layer,
            Outcome::Allow,
            "the root user of the owner's account may always read, replace and delete the policy",
        );
        return Decision::Allow;
    }
    granted(layers, half, request, &grants)
}

/// The filter that lets nothing through, if there is one.
fn filtered(grants: &Grants) -> Option<Layer> {
    if grants.endpoint == Some(Grant::None) {
        Some(Layer::VpcEndpoint)
    } else if !grants.service_control {
        Some(Layer::ServiceControl)
    } else if !grants.resource_control {
        Some(Layer::ResourceControl)
    } else {
        None
    }
}

/// The answers of the levels of an organisation.
struct Levels {
    deny: Option<(u32, u32)>,
    all_allow: bool,
}

fn levels(
    layer: Layer,
    lists: &[Vec<Arc<Policy>>],
    facts: &Facts<'_>,
    asker: &mut impl Asker,
) -> Levels {
    let mut levels = Levels {
        deny: None,
        all_allow: true,
    };
    let mut before = 0;
    for (level, list) in lists.iter().enumerate() {
        let answer = asker.ask(layer, Some(level), each(list), facts);
        let place = answer
            .deny
            .map(|(policy, statement)| (policy + before, statement));
        levels.deny = levels.deny.or(place);
        levels.all_allow &= answer.grant != Grant::None;
        before += u32::try_from(list.len()).unwrap_or(u32::MAX);
    }
    levels
}

fn each(list: &[Arc<Policy>]) -> impl Iterator<Item = &Policy> {
    list.iter().map(|policy| &**policy)
}

/// Whether the caller is the owner's root user about to repair the bucket's policy: no Deny in that
/// policy stops it.
fn is_repair(half: &Half<'_>, request: &Request<'_>) -> bool {
    let principal = request.principal;
    principal.kind() == PrincipalKind::Root
        && half.layer == Layer::Resource
        && half.owner == principal.account()
        && actions::is_owner_only(request.action.name())
}

/// Whether `RestrictPublicBuckets` keeps the caller out.
fn blocked_as_public(layers: &Layers<'_>, half: &Half<'_>, request: &Request<'_>) -> bool {
    let principal = request.principal;
    layers.block_public.restrict_public_buckets
        && half.policy.is_some_and(Policy::is_public)
        // A policy that only serves one VPC is never public.
        && !(half.layer == Layer::AccessPoint
            && layers.access_point.is_some_and(|point| point.vpc.is_some()))
        && principal.kind() != PrincipalKind::Service
        && (principal.account().is_none() || principal.account() != half.owner)
}

/// Whether somebody grants what nobody forbids.
fn granted(
    layers: &Layers<'_>,
    half: &Half<'_>,
    request: &Request<'_>,
    grants: &Grants,
) -> Decision {
    let principal = request.principal;
    let foreign_object = half
        .object_owner
        .is_some_and(|owner| Some(owner) != half.owner);
    // What belongs to somebody else is theirs to give: the bucket's owner is a stranger to it.
    let owner = if foreign_object {
        half.object_owner
    } else {
        half.owner
    };
    let by_policy = if foreign_object {
        Grant::None
    } else {
        grants.resource
    };
    let by_acl = match half.acl {
        AclGrant::None => Grant::None,
        AclGrant::Account => Grant::Account,
        AclGrant::Public if layers.block_public.ignore_public_acls => Grant::None,
        AclGrant::Public => Grant::Caller,
    };
    let resource = by_policy.max(by_acl);
    let is_root = principal.kind() == PrincipalKind::Root;
    let allows = |grant: Option<Grant>| grant != Some(Grant::None);
    // The filters on the identity side, in order; root has no boundary.
    let limit = if !is_root && !allows(grants.boundary) {
        Some(Layer::Boundary)
    } else if !allows(grants.session) {
        Some(Layer::Session)
    } else {
        None
    };
    let by_identity = is_root || grants.identity != Grant::None;
    let identity_side = if by_identity {
        limit
    } else {
        Some(Layer::Identity)
    };

    let Some(account) = principal.account() else {
        return match resource {
            Grant::None => half.implicit(half.layer),
            _ => Decision::Allow,
        };
    };
    if owner != Some(account) {
        return match (identity_side, resource) {
            (Some(layer), _) => half.implicit(layer),
            (None, Grant::None) => half.implicit(half.layer),
            (None, _) => Decision::Allow,
        };
    }
    if half.layer == Layer::Trust && resource == Grant::None {
        return half.implicit(Layer::Trust);
    }
    match (resource, identity_side, limit) {
        (Grant::Caller, _, _) | (_, None, _) | (Grant::Role, _, None) => Decision::Allow,
        (Grant::Role, _, Some(layer)) => half.implicit(layer),
        (_, Some(layer), _) => half.implicit(layer),
    }
}
