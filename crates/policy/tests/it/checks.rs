//! What is refused when a policy is stored, and what is questioned.

use adit_policy::{CheckOptions, Finding, PolicyKind, Severity, check};

use crate::scene::policy;

const BUCKET: CheckOptions<'static> = CheckOptions {
    bucket: Some("b"),
    access_point: None,
    account: Some("111122223333"),
    size_limit: None,
    errors_only: false,
};

fn found(statements: &str, kind: PolicyKind) -> Vec<Finding> {
    check(&policy(statements), kind, &BUCKET)
}

fn codes(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.code).collect()
}

/// A statement of a bucket policy with one element replaced.
fn statement(element: &str, value: &str) -> String {
    let mut elements = vec![
        ("Effect", r#""Allow""#),
        ("Principal", r#"{"AWS":"111122223333"}"#),
        ("Action", r#""s3:GetObject""#),
        ("Resource", r#""arn:aws:s3:::b/*""#),
    ];
    elements.retain(|(name, _)| *name != element);
    if !value.is_empty() {
        elements.push((element, value));
    }
    let members: Vec<String> = elements
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

#[test]
fn good_policies_are_quiet() {
    for (text, kind) in [
        (policy(&statement("", "")), PolicyKind::Bucket),
        (
            policy(
                r#"{"Effect":"Allow","Action":["ec2:*VpcEndpoint*","s3:GetObject"],"Resource":"*"}"#,
            ),
            PolicyKind::Identity,
        ),
        (
            policy(r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#),
            PolicyKind::S3_GATEWAY,
        ),
        (
            policy(
                r#"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":["sts:AssumeRole","sts:TagSession"]}"#,
            ),
            PolicyKind::Trust,
        ),
        (
            policy(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#),
            PolicyKind::ServiceControl,
        ),
        (
            policy(
                r#"{"Effect":"Allow","Principal":"*","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b",
                "Condition":{"StringLike":{"s3:prefix":["home/${aws:username}/*"]},"NumericLessThan":{"s3:signatureAge":600000,"s3:TlsVersion":1.2}}}"#,
            ),
            PolicyKind::Bucket,
        ),
    ] {
        let findings = check(&text, kind, &BUCKET);
        assert!(findings.is_empty(), "{findings:#?}");
    }
}

#[test]
fn bucket_policies_are_refused_in_awss_words() {
    for (element, value, message) in [
        ("Action", r#""s3:GetObjct""#, "Policy has invalid action"),
        ("Action", r#""ec2:CreateVpc""#, "Policy has invalid action"),
        (
            "Resource",
            r#""arn:aws:s3:::c/*""#,
            "Policy has invalid resource",
        ),
        (
            "Resource",
            r#""arn:aws:sns:r:1:t""#,
            "Policy has invalid resource",
        ),
        (
            "Resource",
            r#""arn:aws:s3:::b""#,
            "Action does not apply to any resource(s) in statement",
        ),
        (
            "Action",
            r#"["s3:GetObject","s3:ListBucket"]"#,
            "Action does not apply to any resource(s) in statement",
        ),
        (
            "Condition",
            r#"{"StringEquals":{"s3:nokey":"x"}}"#,
            "Policy has an invalid condition key",
        ),
        (
            "Condition",
            r#"{"StringEquals":{"s3:prefix":"x"}}"#,
            "Conditions do not apply to combination of actions and resources in statement",
        ),
        (
            "Condition",
            r#"{"IpAddress":{"aws:SourceIp":"300.1.1.1"}}"#,
            "Invalid IP address in Conditions",
        ),
        (
            "Condition",
            r#"{"Bool":{"aws:SecureTransport":"yes"}}"#,
            "Policy has an invalid condition value",
        ),
        (
            "Condition",
            r#"{"NumericEquals":{"s3:signatureAge":"ten"}}"#,
            "Policy has an invalid condition value",
        ),
        (
            "Condition",
            r#"{"DateLessThan":{"aws:CurrentTime":"soon"}}"#,
            "Policy has an invalid condition value",
        ),
        (
            "Condition",
            r#"{"StringEqualz":{"aws:x":"x"}}"#,
            "Invalid Condition type : StringEqualz",
        ),
        ("Principal", "", "Missing required field Principal"),
    ] {
        let findings = found(&statement(element, value), PolicyKind::Bucket);
        let errors: Vec<_> = findings
            .iter()
            .filter(|f| f.severity == Severity::Error)
            .collect();
        assert_eq!(
            errors.first().map(|f| &*f.message),
            Some(message),
            "{value}: {findings:#?}"
        );
    }
    // Unknown global keys are stored, but questioned.
    let unknown = found(
        &statement(
            "Condition",
            r#"{"StringEquals":{"aws:SourcVpce":"vpce-1"}}"#,
        ),
        PolicyKind::Bucket,
    );
    assert_eq!(codes(&unknown), ["unknown-key"]);
    assert_eq!(unknown[0].help, "did you mean `aws:SourceVpce`?");
    // White space before the document.
    let text = format!(" {}", policy(&statement("", "")));
    assert_eq!(
        check(&text, PolicyKind::Bucket, &BUCKET)[0].code,
        "first-byte"
    );
}

#[test]
fn iam_policies_are_refused_in_iams_words() {
    let identity = |text: &str| check(text, PolicyKind::Identity, &CheckOptions::default());
    for (text, message) in [
        ("{".to_owned(), "This policy contains invalid Json"),
        (r#"{"Statement":[]}"#.to_owned(), "Syntax errors in policy."),
        (
            r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#.to_owned(),
            "Policy document must be version 2012-10-17 or greater.",
        ),
        (
            policy(r#"{"Effect":"Allow","Resource":"*"}"#),
            "Policy statement must contain actions.",
        ),
        (
            policy(r#"{"Effect":"Allow","Action":"s3:*"}"#),
            "Policy statement must contain resources.",
        ),
        (
            policy(r#"{"Effect":"Allow","Action":"GetObject","Resource":"*"}"#),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (
            policy(r#"{"Effect":"Allow","Action":"s3*:Get","Resource":"*"}"#),
            "Vendor s3* is not valid",
        ),
        (
            policy(r#"{"Effect":"Allow","Action":"s3:*","Resource":"bucket"}"#),
            "Resource bucket must be in ARN format or \"*\".",
        ),
        (
            policy(r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Principal":"*"}"#),
            "Policy document should not specify a principal.",
        ),
        (
            policy(r#"{"Sid":"a b","Effect":"Allow","Action":"s3:*","Resource":"*"}"#),
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*",
        ),
        (
            policy(
                r#"{"Sid":"a","Effect":"Allow","Action":"s3:*","Resource":"*"},{"Sid":"a","Effect":"Deny","Action":"s3:*","Resource":"*"}"#,
            ),
            "Statement IDs (SID) in a single policy must be unique.",
        ),
    ] {
        let findings = identity(&text);
        assert_eq!(findings[0].severity, Severity::Error, "{text}");
        assert_eq!(findings[0].message, message, "{text}");
    }
    let trust = |statement: &str| {
        check(
            &policy(statement),
            PolicyKind::Trust,
            &CheckOptions::default(),
        )
    };
    let action = trust(r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}"#);
    assert_eq!(
        action[0].message,
        "AssumeRole policy may only specify STS AssumeRole actions."
    );
}

#[test]
fn sizes_are_limited_by_place() {
    let padded = |count: usize| {
        let text = policy(&statement("", ""));
        format!("{text}{}", " ".repeat(count - text.len()))
    };
    let codes = |text: &str, kind| {
        codes(&check(
            text,
            kind,
            &CheckOptions {
                errors_only: true,
                ..CheckOptions::default()
            },
        ))
    };
    assert!(codes(&padded(20_480), PolicyKind::Bucket).is_empty());
    assert_eq!(codes(&padded(20_481), PolicyKind::Bucket), ["too-large"]);
    assert_eq!(
        codes(&padded(20_481), PolicyKind::S3_GATEWAY),
        ["too-large"]
    );
    // White space is free in IAM policies.
    let small = policy(r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#);
    let wide = format!("{small}{}", " ".repeat(10_000));
    assert!(codes(&wide, PolicyKind::Identity).is_empty());
    let long = small.replace("s3:*", &format!("s3:{}", "*".repeat(6_200)));
    assert_eq!(codes(&long, PolicyKind::Identity), ["too-large"]);
    let options = CheckOptions {
        size_limit: Some(10),
        errors_only: true,
        ..CheckOptions::default()
    };
    assert_eq!(
        check(&small, PolicyKind::Identity, &options)[0].code,
        "too-large"
    );
}

#[test]
fn a_lock_out_names_who_can_still_repair() {
    for (rest, remaining) in [
        (
            r#""Condition":{"StringNotEquals":{"aws:sourceVpce":"vpce-1a2b3c4d"}}"#,
            "callers that come through the VPC endpoint vpce-1a2b3c4d",
        ),
        (
            r#""Condition":{"StringNotEquals":{"aws:sourceVpc":"vpc-111bbb22"}}"#,
            "an endpoint of the VPC vpc-111bbb22",
        ),
        (
            r#""Condition":{"NotIpAddress":{"aws:VpcSourceIp":"172.31.0.0/16"}}"#,
            "the private address 172.31.0.0/16",
        ),
        (
            r#""Condition":{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/admin"}}"#,
            "the principal arn:aws:iam::111122223333:role/admin",
        ),
        (
            r#""Condition":{"Null":{"aws:SourceVpce":"true"}}"#,
            "requests that have aws:SourceVpce",
        ),
    ] {
        for resource in [
            r#"["arn:aws:s3:::b","arn:aws:s3:::b/*"]"#,
            r#""arn:aws:s3:::b*""#,
            r#""*""#,
        ] {
            let text = format!(
                r#"{{"Sid":"x","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":{resource},{rest}}}"#
            );
            let findings = found(&text, PolicyKind::Bucket);
            let finding = findings
                .iter()
                .find(|f| f.code == "lock-out")
                .unwrap_or_else(|| panic!("{text}"));
            assert_eq!(finding.severity, Severity::Warning);
            assert!(finding.help.contains(remaining), "{}", finding.help);
            assert!(
                finding
                    .help
                    .contains("the root user of the owner's account 111122223333"),
                "{}",
                finding.help
            );
            assert_eq!(finding.path, "Statement[0].Action");
        }
    }
    for quiet in [
        // Does not cover the policy of the bucket.
        r#"{"Effect":"Deny","Principal":"*","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::b/*","Condition":{"StringNotEquals":{"aws:sourceVpce":"vpce-1a2b3c4d"}}}"#,
        r#"{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*","Condition":{"StringNotEquals":{"aws:sourceVpce":"vpce-1a2b3c4d"}}}"#,
        // Denies few.
        r#"{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::b"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}"#,
        r#"{"Effect":"Deny","Principal":{"AWS":"444455556666"},"Action":"s3:*","Resource":"arn:aws:s3:::b"}"#,
        r#"{"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"s3:*","Resource":"arn:aws:s3:::b"}"#,
    ] {
        assert!(
            !codes(&found(quiet, PolicyKind::Bucket)).contains(&"lock-out"),
            "{quiet}"
        );
    }
    let everybody = found(
        r#"{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b"}"#,
        PolicyKind::Bucket,
    );
    assert!(everybody[0].message.contains("everybody"), "{everybody:?}");
}

#[test]
fn source_ip_is_absent_behind_endpoints() {
    let conditioned = |effect: &str, condition: &str| {
        statement("Effect", &format!(r#""{effect}","Condition":{condition}"#))
    };
    let range = r#"{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#;
    let findings = found(&conditioned("Allow", range), PolicyKind::S3_INTERFACE);
    let finding = findings
        .iter()
        .find(|f| f.code == "absent-on-endpoint")
        .unwrap();
    assert!(
        finding
            .message
            .contains("absent from requests through a VPC endpoint")
    );
    assert!(finding.message.contains("never true"));
    assert!(finding.help.contains("aws:VpcSourceIp"));
    let not = r#"{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#;
    let findings = found(&conditioned("Deny", not), PolicyKind::S3_GATEWAY);
    assert!(
        findings.iter().any(|f| f.message.contains("always true")),
        "{findings:?}"
    );
    let findings = found(&conditioned("Deny", not), PolicyKind::Bucket);
    assert_eq!(codes(&findings), ["denies-endpoints"]);
    let private = r#"{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","fd00::/8"]}}"#;
    let findings = found(&conditioned("Allow", private), PolicyKind::Bucket);
    assert_eq!(codes(&findings), ["private-source-ip"]);
    let exempt = r#"{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"},"StringNotEquals":{"aws:SourceVpce":"vpce-1a2b3c4d"}}"#;
    assert!(found(&conditioned("Deny", exempt), PolicyKind::Bucket).is_empty());
}

#[test]
fn careful_readers_ask() {
    use PolicyKind::*;
    let gateway = PolicyKind::S3_GATEWAY;
    let interface = PolicyKind::S3_INTERFACE;
    let condition = |json: &str| statement("Condition", json);
    for (text, kind, code) in [
        (statement("Effect", r#""Deny""#), interface, "deny-only"),
        (statement("", ""), gateway, "gateway-account-principal"),
        (
            statement("Principal", r#"{"AWS":"arn:aws:iam::111122223333:role/x"}"#),
            gateway,
            "gateway-principal",
        ),
        (
            statement("Action", r#"["s3:GetObject","ec2:CreateVpc"]"#),
            interface,
            "other-service",
        ),
        (
            statement("Action", r#"["s3:GetObject","s3:GetObjct"]"#),
            interface,
            "unknown-action",
        ),
        (
            statement("Action", r#"["s3:GetObject","s4:GetObject"]"#),
            interface,
            "unknown-service",
        ),
        (
            statement("Resource", r#""arn:aws:s3:::b""#),
            interface,
            "action-resource-mismatch",
        ),
        (
            condition(r#"{"StringLike":{"aws:SourceVpc":"vpc-*"}}"#),
            interface,
            "generated-id",
        ),
        (
            condition(r#"{"StringLike":{"aws:PrincipalTag/x":"a*"}}"#),
            interface,
            "short-pattern",
        ),
        (
            condition(
                r#"{"StringEquals":{"aws:SourceVpce":"arn:aws:ec2:r:1:vpc-endpoint/vpce-1"}}"#,
            ),
            Bucket,
            "not-an-id",
        ),
        (
            condition(r#"{"StringEquals":{"aws:PrincipalOrgID":"o-*"}}"#),
            Bucket,
            "literal-wildcard",
        ),
        (
            condition(
                r#"{"ArnEquals":{"aws:PrincipalArn":"arn:aws:sts::111122223333:assumed-role/r/s"}}"#,
            ),
            Bucket,
            "session-arn",
        ),
        (
            condition(r#"{"ArnEquals":{"aws:PrincipalArn":"role/r"}}"#),
            Bucket,
            "not-an-arn",
        ),
        (
            condition(r#"{"ForAllValues:StringEquals":{"aws:TagKeys":"x"}}"#),
            Bucket,
            "allow-when-absent",
        ),
        (
            condition(r#"{"StringEquals":{"aws:TagKeys":"x"}}"#),
            Bucket,
            "list-key",
        ),
        (
            condition(r#"{"ForAnyValue:StringEquals":{"aws:SourceVpc":"vpc-1a2b3c4d"}}"#),
            Bucket,
            "single-key",
        ),
        (
            condition(r#"{"NumericEquals":{"aws:SourceVpc":"1"}}"#),
            Bucket,
            "type-mismatch",
        ),
        (
            condition(r#"{"StringEquals":{"aws:SourceIp":"1.2.3.4"}}"#),
            Bucket,
            "type-mismatch",
        ),
        (
            condition(r#"{"Bool":{"aws:SecureTransport":["true","false"]}}"#),
            Bucket,
            "both-booleans",
        ),
        (
            condition(
                r#"{"StringEquals":{"aws:SourceVpc":"vpc-1a2b3c4d","AWS:sourcevpc":"vpc-1a2b3c4d"}}"#,
            ),
            Bucket,
            "repeated-key",
        ),
        (
            condition(r#"{"StringEquals":{"aws:SourceVpc":[]}}"#),
            Bucket,
            "empty-list",
        ),
        (
            condition(r#"{"StringNotEqualsIfExists":{"aws:SourceVpc":"vpc-1a2b3c4d"}}"#),
            Bucket,
            "negated-if-exists",
        ),
        (
            condition(r#"{"NumericEquals":{"s3:max-keys":"${aws:x}"}}"#),
            Bucket,
            "misplaced-variable",
        ),
        (
            condition(r#"{"StringEquals":{"nocolon":"x"}}"#),
            Bucket,
            "unknown-key",
        ),
        (
            statement("Effect", r#""Allow","NotPrincipal":{"AWS":"111122223333"}"#)
                .replace(r#""Principal":{"AWS":"111122223333"},"#, ""),
            Bucket,
            "allow-not-principal",
        ),
        (
            statement("Resource", r#""arn:aws:s3:::my-ap-123-s3alias/*""#),
            interface,
            "alias-in-policy",
        ),
        (
            statement("Sid", r#""x""#) + "," + &statement("Sid", r#""x""#),
            Bucket,
            "duplicate-sid",
        ),
    ] {
        let findings = found(&text, kind);
        assert!(
            codes(&findings).contains(&code),
            "{code}: {text}\n{findings:#?}"
        );
    }
    let old = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/${aws:username}"}}"#;
    assert_eq!(codes(&check(old, Bucket, &BUCKET)), ["literal-variable"]);
    let old = old.replace("${aws:username}", "*");
    assert_eq!(codes(&check(&old, Bucket, &BUCKET)), ["no-version"]);
}

#[test]
fn findings_come_in_document_order_and_are_bounded() {
    let many: Vec<String> = (0..2000)
        .map(|_| statement("Action", r#""s3:Nope""#))
        .collect();
    let findings = found(&many.join(",\n"), PolicyKind::Bucket);
    assert!(findings.len() <= 100);
    assert!(
        findings
            .windows(2)
            .all(|pair| (pair[0].line, pair[0].column) <= (pair[1].line, pair[1].column))
    );
    let errors = CheckOptions {
        errors_only: true,
        ..BUCKET
    };
    let findings = check(
        &policy(&statement("Effect", r#""Deny""#)),
        PolicyKind::S3_INTERFACE,
        &errors,
    );
    assert!(findings.is_empty());
}

#[test]
fn access_point_policies_name_the_access_point() {
    let options = CheckOptions {
        access_point: Some("arn:aws:s3:eu-west-1:111122223333:accesspoint/ap"),
        ..CheckOptions::default()
    };
    let check_resource = |action: &str, resource: &str| {
        let text = policy(&format!(
            r#"{{"Effect":"Allow","Principal":{{"AWS":"111122223333"}},"Action":"{action}","Resource":"{resource}"}}"#
        ));
        check(&text, PolicyKind::AccessPoint, &options)
            .first()
            .map(|f| f.message.clone())
    };
    let point = "arn:aws:s3:eu-west-1:111122223333:accesspoint/ap";
    assert_eq!(
        check_resource("s3:GetObject", &format!("{point}/object/*")),
        None
    );
    assert_eq!(check_resource("s3:ListBucket", point), None);
    let wrong = Some("Policy has invalid resource".to_owned());
    assert_eq!(check_resource("s3:GetObject", "arn:aws:s3:::b/*"), wrong);
    assert_eq!(
        check_resource("s3:GetObject", &format!("{point}2/object/*")),
        wrong
    );
    let mismatch = Some("Action does not apply to any resource(s) in statement".to_owned());
    assert_eq!(check_resource("s3:GetObject", point), mismatch);
}
