//! A small stage for decisions: policies by place, then one request at a time.

use std::sync::Arc;

use adit_policy::{
    AccessPoint, AclGrant, BlockPublicAccess, Context, Decision, Layers, Policy, PolicyKind,
    Principal, Request, Trace, decide, message, sentences,
};

pub(crate) const OWNER: &str = "111122223333";
pub(crate) const OTHER: &str = "444455556666";
pub(crate) const ANA: &str = "arn:aws:iam::111122223333:user/ana";
pub(crate) const ROOT: &str = "arn:aws:iam::111122223333:root";
pub(crate) const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/dev/s1";
pub(crate) const STRANGER: &str = "arn:aws:iam::444455556666:user/bob";
pub(crate) const ANONYMOUS: &str = "*";

#[derive(Default)]
pub(crate) struct Scene {
    identity: Vec<Arc<Policy>>,
    boundary: Option<Vec<Arc<Policy>>>,
    session: Option<Vec<Arc<Policy>>>,
    resource: Option<Policy>,
    endpoint: Option<Vec<Arc<Policy>>>,
    point: Option<(String, Option<Policy>, Option<String>)>,
    service_control: Vec<Vec<Arc<Policy>>>,
    resource_control: Vec<Vec<Arc<Policy>>>,
    acl: AclGrant,
    block: BlockPublicAccess,
    object_owner: Option<String>,
}

pub(crate) fn compile(text: &str, kind: PolicyKind) -> Policy {
    Policy::compile(text, kind).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

/// `{"Version":"2012-10-17","Statement":[…]}`
pub(crate) fn policy(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

pub(crate) const ALLOW_ALL: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
pub(crate) const ANYONE_ALL: &str =
    r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#;

impl Scene {
    pub(crate) fn new() -> Self {
        Scene::default()
    }

    pub(crate) fn identity(mut self, statements: &str) -> Self {
        self.identity
            .push(Arc::new(compile(&policy(statements), PolicyKind::Identity)));
        self
    }

    pub(crate) fn boundary(mut self, statements: &str) -> Self {
        let policy = compile(&policy(statements), PolicyKind::Boundary);
        self.boundary = Some(vec![Arc::new(policy)]);
        self
    }

    pub(crate) fn empty_boundary(mut self) -> Self {
        self.boundary = Some(Vec::new());
        self
    }

    pub(crate) fn session(mut self, statements: &str) -> Self {
        let policy = compile(&policy(statements), PolicyKind::Session);
        self.session = Some(vec![Arc::new(policy)]);
        self
    }

    pub(crate) fn bucket(self, statements: &str) -> Self {
        self.resource(&policy(statements), PolicyKind::Bucket)
    }

    pub(crate) fn resource(mut self, text: &str, kind: PolicyKind) -> Self {
        self.resource = Some(compile(text, kind));
        self
    }

    pub(crate) fn interface(self, statements: &str) -> Self {
        self.endpoint(&policy(statements), PolicyKind::S3_INTERFACE)
    }

    pub(crate) fn gateway(self, statements: &str) -> Self {
        self.endpoint(&policy(statements), PolicyKind::S3_GATEWAY)
    }

    pub(crate) fn endpoint(mut self, text: &str, kind: PolicyKind) -> Self {
        self.endpoint = Some(vec![Arc::new(compile(text, kind))]);
        self
    }

    pub(crate) fn access_point(mut self, resource: &str, statements: &str, vpc: &str) -> Self {
        let text = policy(statements);
        let compiled = (!statements.is_empty()).then(|| compile(&text, PolicyKind::AccessPoint));
        let vpc = (!vpc.is_empty()).then(|| vpc.to_owned());
        self.point = Some((resource.to_owned(), compiled, vpc));
        self
    }

    pub(crate) fn scp(mut self, statements: &str) -> Self {
        let policy = compile(&policy(statements), PolicyKind::ServiceControl);
        self.service_control.push(vec![Arc::new(policy)]);
        self
    }

    pub(crate) fn rcp(mut self, statements: &str) -> Self {
        let policy = compile(&policy(statements), PolicyKind::ResourceControl);
        self.resource_control.push(vec![Arc::new(policy)]);
        self
    }

    pub(crate) fn acl(mut self, acl: AclGrant) -> Self {
        self.acl = acl;
        self
    }

    pub(crate) fn block(mut self, ignore_public_acls: bool, restrict_public_buckets: bool) -> Self {
        self.block = BlockPublicAccess {
            ignore_public_acls,
            restrict_public_buckets,
        };
        self
    }

    pub(crate) fn object_owner(mut self, account: &str) -> Self {
        self.object_owner = Some(account.to_owned());
        self
    }

    fn layers(&self) -> Layers<'_> {
        Layers {
            identity: &self.identity,
            boundary: self.boundary.as_deref(),
            session: self.session.as_deref(),
            resource: self.resource.as_ref(),
            endpoint: self.endpoint.as_deref(),
            access_point: self
                .point
                .as_ref()
                .map(|(resource, policy, vpc)| AccessPoint {
                    resource,
                    policy: policy.as_ref(),
                    vpc: vpc.as_deref(),
                }),
            service_control: &self.service_control,
            resource_control: &self.resource_control,
            acl: self.acl,
            block_public: self.block,
            object_owner: self.object_owner.as_deref(),
        }
    }

    /// The outcome as `allow`, `implicit:<layer>` or `explicit:<layer>`, on a bucket of [`OWNER`].
    pub(crate) fn ask(
        &self,
        caller: &str,
        action: &str,
        resource: &str,
        context: &[(&str, &str)],
    ) -> String {
        let principal = Principal::parse(caller).unwrap();
        short(&self.tell(&principal, action, resource, context).0)
    }

    /// Decision, AWS's message and plain sentences; with and without trace the decision is the same.
    pub(crate) fn tell(
        &self,
        principal: &Principal<'_>,
        action: &str,
        resource: &str,
        keys: &[(&str, &str)],
    ) -> (Decision, String, Vec<String>) {
        let mut context = Context::new();
        for (key, value) in keys {
            match value
                .strip_prefix('[')
                .and_then(|list| list.strip_suffix(']'))
            {
                None => context.set(*key, *value),
                Some(list) => {
                    let values: Vec<String> = list.split(',').map(str::to_owned).collect();
                    context.set(*key, values);
                }
            }
        }
        let request = Request {
            principal,
            action: action.into(),
            resource,
            resource_account: Some(OWNER),
            context: &context,
        };
        let layers = self.layers();
        let quick = decide(&layers, &request, None);
        let mut trace = Trace::default();
        let traced = decide(&layers, &request, Some(&mut trace));
        assert_eq!(
            quick,
            traced,
            "the trace changed the decision: {}",
            trace.to_json()
        );
        let message = message(&quick, &layers, &request, false);
        let sentences = sentences(&quick, &request, &trace);
        (quick, message, sentences)
    }
}

pub(crate) fn short(decision: &Decision) -> String {
    match decision {
        Decision::Allow => "allow".to_owned(),
        Decision::ImplicitDeny(denial) => format!("implicit:{}", denial.layer),
        Decision::ExplicitDeny(denial) => format!("explicit:{}", denial.layer),
    }
}

/// What an identity policy with one statement says to [`ANA`]: the outcome of one condition.
pub(crate) fn condition_holds(condition: &str, context: &[(&str, &str)]) -> bool {
    let statement = format!(
        r#"{{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{condition}}}"#
    );
    Scene::new()
        .identity(&statement)
        .ask(ANA, "s3:GetObject", "arn:aws:s3:::b/k", context)
        == "allow"
}
