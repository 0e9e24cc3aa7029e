//! One case of `adit policy decide`: a line of JSON with policies and a request.

use std::sync::Arc;

use crate::context::Context;
use crate::decide::decide;
use crate::decision::{Decision, Layer};
use crate::json::{Kind, NodeId, Tree};
use crate::kind::PolicyKind;
use crate::layers::{AccessPoint, Layers};
use crate::policy::Policy;
use crate::principal::{Principal, PrincipalKind};
use crate::request::Request;
use crate::trace::Trace;

/// What became of a case.
pub(super) struct Answer {
    pub(super) decision: Decision,
    pub(super) detail: String,
    pub(super) trace: Option<Trace>,
}

/// The policies of a case, compiled.
struct Policies {
    identity: Vec<Arc<Policy>>,
    boundary: Option<Vec<Arc<Policy>>>,
    session: Option<Vec<Arc<Policy>>>,
    resource: Option<Arc<Policy>>,
    endpoint: Vec<Arc<Policy>>,
    access_point: Option<Arc<Policy>>,
    service_control: Vec<Vec<Arc<Policy>>>,
    resource_control: Vec<Vec<Arc<Policy>>>,
}

/// Decides a case. The error says what is wrong with it.
pub(super) fn answer(tree: &Tree<'_>, wants_trace: bool) -> Result<Answer, String> {
    let case = Case { tree };
    let root = tree.root();
    if tree.kind(root) != Kind::Object {
        return Err(format!(
            "expected an object, found {}",
            tree.kind(root).noun()
        ));
    }
    if let Some(id) = tree.duplicates.first() {
        return Err(format!(
            "the key `{}` occurs twice in one object",
            tree.path(*id)
        ));
    }
    let request = case
        .member(root, "request")
        .ok_or("the field `request` is missing")?;
    let action = case.required(request, "action")?;
    let resource = case.required(request, "resource")?;
    let context = case.context(request)?;
    let principal = case.principal(request, &context)?;
    let policies = case.policies(root, action)?;
    let request = Request {
        principal: &principal,
        action: action.into(),
        resource,
        resource_account: case.string(request, "resourceAccount")?,
        context: &context,
    };
    let mut trace = wants_trace.then(Trace::default);
    let decision = policies.decide(&request, trace.as_mut());
    Ok(Answer {
        detail: detail(&decision, &policies),
        decision,
        trace,
    })
}

/// The decision in a few words.
fn detail(decision: &Decision, policies: &Policies) -> String {
    match decision {
        Decision::Allow => "allowed".to_owned(),
        Decision::ImplicitDeny(denial) => {
            format!("implicit deny: no {} allows it", noun(denial.layer))
        }
        Decision::ExplicitDeny(denial) => {
            let noun = noun(denial.layer);
            let Some((policy, statement)) = denial.statement else {
                return format!("explicit deny: {noun}");
            };
            let sid = policies
                .of(denial.layer, policy as usize)
                .and_then(|policy| policy.sid(statement as usize))
                .map_or_else(String::new, |sid| format!(" (`{sid}`)"));
            format!("explicit deny: statement {statement}{sid} of {noun} {policy}")
        }
    }
}

fn noun(layer: Layer) -> &'static str {
    match layer {
        Layer::AccessPoint => "access point policy",
        Layer::NetworkOrigin => "network origin of the access point",
        Layer::BlockPublicAccess => "Block Public Access",
        other => other.noun(),
    }
}

impl Policies {
    /// The policy at a position of a layer, over all levels.
    fn of(&self, layer: Layer, position: usize) -> Option<&Policy> {
        match layer {
            Layer::Identity => self.identity.get(position),
            Layer::Boundary => self.boundary.as_ref()?.get(position),
            Layer::Session => self.session.as_ref()?.get(position),
            Layer::VpcEndpoint => self.endpoint.get(position),
            Layer::Resource | Layer::Trust => self.resource.as_ref(),
            Layer::AccessPoint => self.access_point.as_ref(),
            Layer::ServiceControl => self.service_control.iter().flatten().nth(position),
            Layer::ResourceControl => self.resource_control.iter().flatten().nth(position),
            Layer::NetworkOrigin | Layer::BlockPublicAccess => None,
        }
        .map(|policy| &**policy)
    }

    fn decide(&self, request: &Request<'_>, trace: Option<&mut Trace>) -> Decision {
        let mut layers = Layers {
            identity: &self.identity,
            boundary: self.boundary.as_deref(),
            session: self.session.as_deref(),
            resource: self.resource.as_deref(),
            // An endpoint always has a policy, so that an empty list can only mean: no endpoint.
            endpoint: (!self.endpoint.is_empty()).then_some(&*self.endpoint),
            service_control: &self.service_control,
            resource_control: &self.resource_control,
            ..Layers::default()
        };
        let Some(policy) = self.access_point.as_deref() else {
            return decide(&layers, request, trace);
        };
        let (point, bucket) = self.both_resources(request);
        match bucket {
            Some(bucket) => {
                let request = Request {
                    resource: &bucket,
                    ..*request
                };
                let resource = &point;
                layers.access_point = Some(AccessPoint {
                    resource,
                    policy: Some(policy),
                    vpc: None,
                });
                decide(&layers, &request, trace)
            }
            // The pair is the access point's alone.
            None => {
                layers.resource = Some(policy);
                decide(&layers, request, trace)
            }
        }
    }

    /// The request's resource as the access point's and as the bucket's. A case names one of the
    /// two: the access point is found in `s3:DataAccessPointArn`, the bucket in the resources of its
    /// own policy. Without a bucket policy a case about an access point is about that half alone.
    fn both_resources(&self, request: &Request<'_>) -> (String, Option<String>) {
        let resource = request.resource;
        if let Some((_, rest)) = resource.split_once(":accesspoint/") {
            let key = rest.split_once("/object/").map(|(_, key)| key);
            let bucket = self.resource.as_deref().map(|policy| {
                let bucket = policy.only_bucket().unwrap_or(resource);
                key.map_or_else(|| bucket.to_owned(), |key| format!("{bucket}/{key}"))
            });
            return (resource.to_owned(), bucket);
        }
        let point = match request.context.get(crate::keys::S3_DATA_ACCESS_POINT_ARN) {
            Some(crate::context::Value::Owned(texts)) => texts.first().map(|text| &**text),
            Some(crate::context::Value::Text(text)) => Some(*text),
            _ => None,
        };
        let key = resource
            .split_once(":::")
            .and_then(|(_, rest)| rest.split_once('/'));
        let point = match (point, key) {
            (Some(point), Some((_, key))) => format!("{point}/object/{key}"),
            (Some(point), None) => point.to_owned(),
            (None, _) => resource.to_owned(),
        };
        (point, Some(resource.to_owned()))
    }
}

struct Case<'c, 't> {
    tree: &'c Tree<'t>,
}

impl<'c> Case<'c, '_> {
    /// A member that is there and not null.
    fn member(&self, of: NodeId, name: &str) -> Option<NodeId> {
        self.tree
            .member(of, name)
            .filter(|id| self.tree.kind(*id) != Kind::Null)
    }

    fn string(&self, of: NodeId, name: &str) -> Result<Option<&'c str>, String> {
        match self.member(of, name) {
            None => Ok(None),
            Some(id) if self.tree.kind(id) == Kind::String => Ok(Some(self.tree.text(id))),
            Some(id) => Err(self.unexpected(id, "a string")),
        }
    }

    fn required(&self, of: NodeId, name: &str) -> Result<&'c str, String> {
        let text = self.string(of, name)?;
        text.ok_or_else(|| format!("the field `request.{name}` is missing"))
    }

    fn unexpected(&self, id: NodeId, expected: &str) -> String {
        let found = self.tree.kind(id).noun();
        format!(
            "`{}`: expected {expected}, found {found}",
            self.tree.path(id)
        )
    }

    fn context(&self, request: NodeId) -> Result<Context<'c>, String> {
        let mut context = Context::new();
        let Some(node) = self.member(request, "context") else {
            return Ok(context);
        };
        if self.tree.kind(node) != Kind::Object {
            return Err(self.unexpected(node, "an object"));
        }
        for member in self.tree.children(node) {
            let name = self.tree.key(member);
            match self.tree.kind(member) {
                Kind::Null => {}
                Kind::String | Kind::Number | Kind::Bool => {
                    context.set(name, self.tree.text(member));
                }
                Kind::Array => {
                    let mut values = Vec::new();
                    for value in self.tree.children(member) {
                        match self.tree.kind(value) {
                            Kind::String | Kind::Number | Kind::Bool => {
                                values.push(self.tree.text(value).to_owned());
                            }
                            _ => return Err(self.unexpected(value, "a string")),
                        }
                    }
                    context.set(name, values);
                }
                Kind::Object => {
                    return Err(self.unexpected(member, "a string or a list of strings"));
                }
            }
        }
        Ok(context)
    }

    fn principal(&self, request: NodeId, context: &Context<'c>) -> Result<Principal<'c>, String> {
        let Some(text) = self.string(request, "principal")? else {
            return Ok(Principal::anonymous());
        };
        let principal = Principal::parse(text).map_err(|error| error.to_string())?;
        // The path of a session's role is in no session ARN, but may be in the context.
        match (
            principal.kind(),
            context.get(crate::keys::PRINCIPAL_ARN),
            principal.account(),
        ) {
            (
                PrincipalKind::AssumedRole,
                Some(crate::context::Value::Text(role)),
                Some(account),
            ) => Ok(Principal::session(text, *role, account.to_owned())),
            _ => Ok(principal),
        }
    }

    fn policies(&self, root: NodeId, action: &str) -> Result<Policies, String> {
        let service = action.split(':').next().unwrap_or_default();
        let lower = action.to_ascii_lowercase();
        let resource_kind = if lower.starts_with("sts:assumerole") {
            PolicyKind::Trust
        } else if service.eq_ignore_ascii_case("s3") {
            PolicyKind::Bucket
        } else {
            PolicyKind::Resource
        };
        let gateway = match self.string(root, "endpointType")? {
            None | Some("interface") => false,
            Some("gateway") => true,
            Some(other) => {
                return Err(format!(
                    "`endpointType`: `{other}` is neither `gateway` nor `interface`"
                ));
            }
        };
        let endpoint_kind = PolicyKind::VpcEndpoint {
            gateway,
            service: "",
        };
        let one = |name: &str, kind| -> Result<Option<Arc<Policy>>, String> {
            self.member(root, name)
                .map(|id| self.policy(id, kind))
                .transpose()
        };
        let list = |name: &str, kind| -> Result<Option<Vec<Arc<Policy>>>, String> {
            self.member(root, name)
                .map(|id| self.list(id, kind))
                .transpose()
        };
        Ok(Policies {
            identity: list("identityPolicies", PolicyKind::Identity)?.unwrap_or_default(),
            boundary: list("boundary", PolicyKind::Boundary)?,
            session: list("sessionPolicy", PolicyKind::Session)?,
            resource: one("resourcePolicy", resource_kind)?,
            endpoint: list("endpointPolicies", endpoint_kind)?.unwrap_or_default(),
            access_point: one("accessPointPolicy", PolicyKind::AccessPoint)?,
            service_control: self.levels(root, "scps", PolicyKind::ServiceControl)?,
            resource_control: self.levels(root, "rcps", PolicyKind::ResourceControl)?,
        })
    }

    fn levels(
        &self,
        root: NodeId,
        name: &str,
        kind: PolicyKind,
    ) -> Result<Vec<Vec<Arc<Policy>>>, String> {
        let Some(node) = self.member(root, name) else {
            return Ok(Vec::new());
        };
        if self.tree.kind(node) != Kind::Array {
            return Err(self.unexpected(node, "a list of levels, each a list of policies"));
        }
        self.tree
            .children(node)
            .map(|level| self.list(level, kind))
            .collect()
    }

    /// A list of policies, or one.
    fn list(&self, node: NodeId, kind: PolicyKind) -> Result<Vec<Arc<Policy>>, String> {
        match self.tree.kind(node) {
            Kind::Array => self
                .tree
                .children(node)
                .map(|id| self.policy(id, kind))
                .collect(),
            _ => Ok(vec![self.policy(node, kind)?]),
        }
    }

    /// A policy as bare JSON or as a string that holds it.
    fn policy(&self, node: NodeId, kind: PolicyKind) -> Result<Arc<Policy>, String> {
        let text = match self.tree.kind(node) {
            Kind::Object => self.tree.source(node),
            Kind::String => self.tree.text(node),
            _ => return Err(self.unexpected(node, "a policy document")),
        };
        let compiled = Policy::compile(text, kind);
        compiled
            .map(Arc::new)
            .map_err(|errors| format!("`{}`: {errors}", self.tree.path(node)))
    }
}
