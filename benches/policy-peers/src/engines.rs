//! The engines: each prepares a case once and then decides its requests, from prebuilt requests and
//! from raw values. The formula is the same everywhere: the endpoint's policy must allow, nothing may
//! deny, and the identity's or the bucket's policy must allow.

mod adit;
mod cedar;
mod iam_rs;
mod limit;
mod rego;

use crate::cases::Case;

/// A case, ready to be decided by one engine.
pub trait Prepared {
    /// Decides a request whose engine-specific form was built before.
    fn decide(&mut self, request: usize) -> bool;
    /// Builds that form from the raw values and decides.
    fn decide_raw(&mut self, request: usize) -> bool;
    /// Parses and compiles the case's largest policy again.
    fn compile(&self);
}

pub const NAMES: [&str; 6] = ["adit", "limit", "iam-rs", "cedar", "rego-vm", "rego"];

/// `None` if the engine cannot express the case.
pub fn prepare(engine: &str, case: &'static Case) -> Option<Box<dyn Prepared>> {
    Some(match engine {
        "adit" => Box::new(adit::Adit::new(case)),
        "limit" => Box::new(limit::Limit::new(case)),
        "iam-rs" => Box::new(iam_rs::IamRs::new(case)),
        "cedar" => Box::new(cedar::Cedar::new(case)?),
        "rego-vm" => Box::new(rego::Vm::new(case)?),
        "rego" => Box::new(rego::Interpreter::new(case)?),
        other => panic!("no engine `{other}`"),
    })
}

/// The larger of the case's policies.
fn largest(case: &Case) -> (&str, bool) {
    match (&case.endpoint, &case.bucket) {
        (Some(endpoint), Some(bucket)) if bucket.len() > endpoint.len() => (bucket, true),
        (Some(endpoint), _) => (endpoint, false),
        (None, Some(bucket)) => (bucket, true),
        (None, None) => (&case.identity, false),
    }
}
