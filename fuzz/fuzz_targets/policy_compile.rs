//! Any bytes as a policy document of any kind: checked and compiled. Whatever compiles must keep its
//! text, compile again, and have no finding that contradicts it.
#![no_main]

use adit_policy::{CheckOptions, Policy, PolicyKind, check};
use libfuzzer_sys::fuzz_target;

const KINDS: [PolicyKind; 8] = [
    PolicyKind::Identity,
    PolicyKind::Bucket,
    PolicyKind::AccessPoint,
    PolicyKind::S3_GATEWAY,
    PolicyKind::S3_INTERFACE,
    PolicyKind::ServiceControl,
    PolicyKind::ResourceControl,
    PolicyKind::Trust,
];

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    let kind = KINDS[usize::from(*first) % KINDS.len()];
    let options = CheckOptions {
        bucket: Some("b"),
        account: Some("111122223333"),
        ..CheckOptions::default()
    };
    let findings = check(text, kind, &options);
    for finding in &findings {
        assert!(finding.line >= 1 && finding.column >= 1, "{finding}");
    }
    match Policy::compile(text, kind) {
        Ok(policy) => {
            assert_eq!(policy.text(), text);
            assert!(policy.statements() > 0);
            assert!(Policy::compile(policy.text(), kind).is_ok());
        }
        Err(errors) => {
            assert!(!errors.findings().is_empty());
            assert!(!findings.is_empty(), "{errors}");
        }
    }
});
