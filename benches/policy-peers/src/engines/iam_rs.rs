//! `iam-rs`, the other Rust engine of the JSON language.

use iam_rs::{
    Arn, Context, ContextValue, Decision, IAMPolicy, IAMRequest, PolicyEvaluator, Principal,
    PrincipalId,
};

use super::{Prepared, largest};
use crate::cases::{Ask, Case};

pub struct IamRs {
    case: &'static Case,
    identity: PolicyEvaluator,
    endpoint: Option<PolicyEvaluator>,
    bucket: Option<PolicyEvaluator>,
    requests: Vec<IAMRequest>,
}

fn parse(text: &str) -> IAMPolicy {
    serde_json::from_str(text).expect("cases are policies")
}

fn request(ask: &Ask) -> IAMRequest {
    let mut context = Context::new();
    for (name, value) in &ask.context {
        context.insert((*name).to_owned(), ContextValue::String(value.clone()));
    }
    let principal = Principal::Aws(PrincipalId::String(ask.principal.clone()));
    let arn = Arn::parse(&ask.resource).expect("cases have ARNs");
    IAMRequest::new_with_context(principal, ask.action, arn, context)
}

impl IamRs {
    pub fn new(case: &'static Case) -> IamRs {
        // Its guard against large policies would refuse the largest case.
        let options = iam_rs::EvaluationOptions {
            max_statements: usize::MAX,
            ..Default::default()
        };
        let evaluator = |text: &str| {
            PolicyEvaluator::with_policies(vec![parse(text)]).with_options(options.clone())
        };
        IamRs {
            case,
            identity: evaluator(&case.identity),
            endpoint: case.endpoint.as_deref().map(evaluator),
            bucket: case.bucket.as_deref().map(evaluator),
            requests: case.requests.iter().map(request).collect(),
        }
    }

    fn answer(&self, request: &IAMRequest) -> bool {
        let ask = |evaluator: &PolicyEvaluator| {
            evaluator
                .evaluate(request)
                .map_or(Decision::Deny, |result| result.decision)
        };
        let endpoint = self.endpoint.as_ref().map_or(Decision::Allow, ask);
        if endpoint != Decision::Allow {
            return false;
        }
        let bucket = self.bucket.as_ref().map_or(Decision::NotApplicable, ask);
        let identity = ask(&self.identity);
        bucket != Decision::Deny
            && identity != Decision::Deny
            && (bucket == Decision::Allow || identity == Decision::Allow)
    }
}

impl Prepared for IamRs {
    fn decide(&mut self, request: usize) -> bool {
        self.answer(&self.requests[request])
    }

    fn decide_raw(&mut self, at: usize) -> bool {
        self.answer(&request(&self.case.requests[at]))
    }

    fn compile(&self) {
        std::hint::black_box(parse(largest(self.case).0));
    }
}
