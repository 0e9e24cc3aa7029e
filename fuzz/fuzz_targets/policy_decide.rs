//! Documents and request values from bytes: a decision must be the same with and without trace, and
//! its trace must be readable JSON.
#![no_main]

use std::sync::Arc;

use adit_policy::{
    Context, Layers, Policy, PolicyKind, Principal, Request, Trace, decide, message, sentences,
};
use libfuzzer_sys::fuzz_target;

// Lines: identity policy, bucket policy, endpoint policy, caller, action, resource, then pairs of
// key and value.
fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut lines = text.split('\n');
    let mut policy = |kind| Policy::compile(lines.next().unwrap_or_default(), kind).ok();
    let identity: Vec<Arc<Policy>> = policy(PolicyKind::Identity)
        .map(Arc::new)
        .into_iter()
        .collect();
    let bucket = policy(PolicyKind::Bucket);
    let endpoint: Vec<Arc<Policy>> = policy(PolicyKind::S3_GATEWAY)
        .map(Arc::new)
        .into_iter()
        .collect();
    let Ok(principal) = Principal::parse(lines.next().unwrap_or_default()) else {
        return;
    };
    let (action, resource) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    let mut context = Context::new();
    while let (Some(key), Some(value)) = (lines.next(), lines.next()) {
        match value.strip_prefix('[') {
            Some(list) => context.set(key, list.split(',').map(str::to_owned).collect::<Vec<_>>()),
            None => context.set(key, value),
        }
    }
    let request = Request {
        principal: &principal,
        action: action.into(),
        resource,
        resource_account: Some("111122223333"),
        context: &context,
    };
    let layers = Layers {
        identity: &identity,
        resource: bucket.as_ref(),
        endpoint: (!endpoint.is_empty()).then_some(&*endpoint),
        ..Layers::default()
    };
    let quick = decide(&layers, &request, None);
    let mut trace = Trace::default();
    assert_eq!(decide(&layers, &request, Some(&mut trace)), quick);
    assert!(!sentences(&quick, &request, &trace).is_empty());
    assert_eq!(
        message(&quick, &layers, &request, true).is_empty(),
        quick.is_allowed()
    );
    assert!(trace.to_json().starts_with("{\"layers\":["));
});
