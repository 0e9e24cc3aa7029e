//! The policy language, row by row: grammar, principals, resources, variables, operators.

use adit_policy::{Policy, PolicyKind};

use crate::scene::*;

const GET: &str = "s3:GetObject";

/// The first finding's message and path.
fn refusal(text: &str, kind: PolicyKind) -> (String, String) {
    let errors = Policy::compile(text, kind).unwrap_err();
    (
        errors.message().to_owned(),
        errors.findings()[0].path.clone(),
    )
}

#[test]
fn documents_without_meaning_are_refused() {
    let bucket = PolicyKind::Bucket;
    let statement = |members: &str| format!(r#"{{"Statement":{{{members}}}}}"#);
    let full = r#""Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b""#;
    assert!(Policy::compile(&statement(full), bucket).is_ok());
    for (text, message, path) in [
        (
            "x".to_owned(),
            "Policies must be valid JSON and the first byte must be '{'",
            "",
        ),
        ("{".to_owned(), "This policy contains invalid Json", ""),
        (
            "[]".to_owned(),
            "Policies must be valid JSON and the first byte must be '{'",
            "",
        ),
        ("{}".to_owned(), "Missing required field Statement", ""),
        (
            r#"{"Statement":[]}"#.to_owned(),
            "Could not parse the policy: Statement is empty!",
            "Statement",
        ),
        (
            r#"{"statement":[]}"#.to_owned(),
            "Unknown field statement",
            "statement",
        ),
        (
            r#"{"Version":"2012-10-18","Statement":[]}"#.to_owned(),
            "The policy must contain a valid version string",
            "Version",
        ),
        (
            statement(&full.replace("Allow", "allow")),
            "Invalid effect: allow",
            "Statement.Effect",
        ),
        (
            statement(&full.replace(r#""Effect":"Allow","#, "")),
            "Missing required field Effect",
            "Statement",
        ),
        (
            statement(&full.replace(r#""Principal":"*","#, "")),
            "Missing required field Principal",
            "Statement",
        ),
        (
            statement(&full.replace(r#""Action":"s3:*","#, "")),
            "Missing required field Action",
            "Statement",
        ),
        (
            statement(&full.replace(r#","Resource":"arn:aws:s3:::b""#, "")),
            "Missing required field Resource",
            "Statement",
        ),
        (
            statement(&full.replace("s3:*", "s3")),
            "Policy has invalid action",
            "Statement.Action",
        ),
        (
            statement(&full.replace("s3:*", "s3:Get,s3:Put")),
            "Policy has invalid action",
            "Statement.Action",
        ),
        (
            statement(&full.replace("arn:aws:s3:::b", "b/*")),
            "Policy has invalid resource",
            "Statement.Resource",
        ),
        (
            statement(&full.replace("arn:aws:s3:::b", "arn:aws:s3:b")),
            "Policy has invalid resource",
            "Statement.Resource",
        ),
        (
            statement(&full.replace(r#""*""#, r#""bob""#)),
            "Invalid principal in policy",
            "Statement.Principal",
        ),
        (
            statement(&full.replace(r#""*""#, r#"{"AWS":["arn:aws:iam::111122223333:user/*"]}"#)),
            "Invalid principal in policy",
            "Statement.Principal.AWS[0]",
        ),
        (
            statement(&format!("{full},{full}")),
            "This policy contains invalid Json",
            "Statement.Effect",
        ),
        (
            statement(&format!(r#"{full},"NotAction":"s3:*""#)),
            "The policy is not in the valid JSON format.",
            "Statement.NotAction",
        ),
        (
            statement(&format!(
                r#"{full},"Condition":{{"StringEqual":{{"aws:x":"1"}}}}"#
            )),
            "Invalid Condition type : StringEqual",
            "Statement.Condition.StringEqual",
        ),
        (
            statement(&format!(
                r#"{full},"Condition":{{"StringEquals":{{"aws:x":{{}}}}}}"#
            )),
            "The policy is not in the valid JSON format.",
            "Statement.Condition.StringEquals.aws:x",
        ),
        (
            statement(&format!(
                r#"{full},"Condition":{{"StringEquals":{{"aws:x":null}}}}"#
            )),
            "The policy is not in the valid JSON format.",
            "Statement.Condition.StringEquals.aws:x",
        ),
        (
            statement(&format!(r#"{full},"Sid":1"#)),
            "The policy is not in the valid JSON format.",
            "Statement.Sid",
        ),
        (
            statement(&full.replace(r#""Action":"s3:*""#, r#""NotAction":[]"#)),
            "The policy is not in the valid JSON format.",
            "Statement.NotAction",
        ),
    ] {
        assert_eq!(
            refusal(&text, bucket),
            (message.to_owned(), path.to_owned()),
            "{text}"
        );
    }
}

#[test]
fn each_place_has_its_grammar() {
    let with = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}}"#;
    let without = r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
    let trust = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}"#;
    use PolicyKind::*;
    for kind in [Identity, Boundary, Session, ServiceControl] {
        assert!(Policy::compile(without, kind).is_ok());
        assert_eq!(
            refusal(with, kind).0,
            "Policy document should not specify a principal."
        );
    }
    for kind in [
        Bucket,
        AccessPoint,
        PolicyKind::S3_GATEWAY,
        ResourceControl,
        Resource,
    ] {
        assert!(Policy::compile(with, kind).is_ok(), "{kind:?}");
        assert!(Policy::compile(without, kind).is_err(), "{kind:?}");
    }
    assert!(Policy::compile(trust, Trust).is_ok());
    assert_eq!(refusal(with, Trust).0, "Has prohibited field Resource");
    assert_eq!(
        refusal("{\n \"Statement\": ?}", PolicyKind::S3_INTERFACE).0,
        "The Policy Document is not valid. Syntax error at position (2,15)"
    );
}

#[test]
fn findings_say_line_and_column() {
    let text = "{\n  \"Statement\": [\n    {\"Effect\": \"Allow\",\n     \"Action\": [\"s3:Get*\", \"x\"],\n     \"Resource\": \"*\"}\n  ]\n}";
    let errors = Policy::compile(text, PolicyKind::Identity).unwrap_err();
    let finding = &errors.findings()[0];
    assert_eq!((finding.line, finding.column), (4, 28));
    assert_eq!(finding.path, "Statement[0].Action[1]");
    assert_eq!(finding.code, "invalid-action");
}

#[test]
fn hostile_documents_are_errors_not_hangs() {
    for text in [
        "[".repeat(2_000_000),
        format!("{{\"Statement\":{}", "[".repeat(100_000)),
        format!("{{\"Statement\":\"{}\"}}", "x".repeat(5_000_000)),
        format!("{{{}\"Statement\":[]}}", "\"a\":1,".repeat(100_000)),
        "\"".repeat(1_000_000),
        "{\"Statement\":[".to_owned() + &"{},".repeat(100_000) + "{}]}",
    ] {
        assert!(Policy::compile(&text, PolicyKind::Bucket).is_err());
    }
}

#[test]
fn principals_match_their_callers() {
    let both = "arn:aws:sts::111122223333:assumed-role/dev/s1";
    let role = "arn:aws:iam::111122223333:role/dev";
    for (principal, caller, matches) in [
        (r#""*""#, ANONYMOUS, true),
        (r#""*""#, STRANGER, true),
        (r#"{"AWS":"*"}"#, ANONYMOUS, true),
        (r#"{"AWS":"111122223333"}"#, ANA, true),
        (r#"{"AWS":"111122223333"}"#, SESSION, true),
        (r#"{"AWS":"arn:aws:iam::111122223333:root"}"#, ANA, true),
        (r#"{"AWS":"111122223333"}"#, STRANGER, false),
        (r#"{"AWS":"111122223333"}"#, ANONYMOUS, false),
        (r#"{"AWS":"arn:aws:iam::111122223333:user/ana"}"#, ANA, true),
        (r#"{"AWS":"arn:aws:iam::111122223333:user/an"}"#, ANA, false),
        (
            r#"{"AWS":"arn:aws:iam::111122223333:user/Ana"}"#,
            ANA,
            false,
        ),
        (
            r#"{"AWS":"arn:aws:iam::111122223333:role/dev"}"#,
            both,
            true,
        ),
        (
            r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/dev/s1"}"#,
            both,
            true,
        ),
        (
            r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/dev/s2"}"#,
            both,
            false,
        ),
        (
            r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/dev/s1"}"#,
            role,
            false,
        ),
        (
            r#"{"AWS":"arn:aws:sts::111122223333:federated-user/f"}"#,
            "arn:aws:sts::111122223333:federated-user/f",
            true,
        ),
        (
            r#"{"Service":"vpce.amazonaws.com"}"#,
            "vpce.amazonaws.com",
            true,
        ),
        (
            r#"{"Service":"vpce.amazonaws.com"}"#,
            "ec2.amazonaws.com",
            false,
        ),
        (r#"{"Service":"vpce.amazonaws.com"}"#, ANA, false),
        (
            r#"{"AWS":["444455556666"],"Service":"vpce.amazonaws.com"}"#,
            STRANGER,
            true,
        ),
        (r#"{"Federated":"accounts.google.com"}"#, ANA, false),
    ] {
        let statement = |element: &str| {
            format!(r#"{{"Effect":"Deny","{element}":{principal},"Action":"*","Resource":"*"}}"#)
        };
        let denies = |element| {
            let scene = Scene::new().bucket(&statement(element));
            scene.ask(caller, GET, "arn:aws:s3:::b/k", &[]) == "explicit:resource"
        };
        assert_eq!(denies("Principal"), matches, "{principal} {caller}");
        assert_eq!(denies("NotPrincipal"), !matches, "not {principal} {caller}");
    }
}

#[test]
fn actions_are_case_insensitive_patterns() {
    for (pattern, action, matches) in [
        ("s3:GetObject", "s3:GetObject", true),
        ("S3:getobject", "s3:GetObject", true),
        ("s3:Get*", "s3:GetObjectVersion", true),
        ("s3:Get?bject", "s3:GetObject", true),
        ("s3:*Object", "s3:GetObject", true),
        ("s3:*Object", "s3:GetObjectAcl", false),
        ("*", "s3:GetObject", true),
        ("*:*", "ec2:CreateVpc", true),
        ("ec2:*VpcEndpoint*", "ec2:CreateVpcEndpoint", true),
        ("ec2:*VpcEndpoint*", "ec2:CreateVpc", false),
        ("SNS:Publish", "sns:Publish", true),
        ("s3:*", "s3:NotInTheCatalogue", true),
        ("s3:*", "s3-object-lambda:GetObject", false),
    ] {
        let ask = |element: &str| {
            let statement =
                format!(r#"{{"Effect":"Allow","{element}":"{pattern}","Resource":"*"}}"#);
            Scene::new()
                .identity(&statement)
                .ask(ANA, action, "arn:aws:s3:::b/k", &[])
                == "allow"
        };
        assert_eq!(ask("Action"), matches, "{pattern} {action}");
        assert_eq!(ask("NotAction"), !matches, "not {pattern} {action}");
    }
}

#[test]
fn resources_match_part_by_part() {
    for (pattern, resource, matches) in [
        ("*", "arn:aws:s3:::b/k", true),
        ("*", "*", true),
        ("arn:aws:s3:::*", "*", false),
        ("arn:aws:s3:::*", "arn:aws:s3:::b", true),
        ("arn:aws:s3:::*", "arn:aws:s3:::b/a/b", true),
        (
            "arn:aws:s3:::*",
            "arn:aws:s3:us-east-1:111122223333:accesspoint/a",
            false,
        ),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b", false),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/", true),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/x/y:z", true),
        ("arn:aws:s3:::b*", "arn:aws:s3:::b", true),
        ("arn:aws:s3:::b*", "arn:aws:s3:::bucket/x", true),
        ("arn:aws:s3:::B", "arn:aws:s3:::b", false),
        ("arn:aws:s3:::b/?", "arn:aws:s3:::b/é", true),
        ("arn:aws:s3:::b/?", "arn:aws:s3:::b/ab", false),
        (
            "arn:aws:s3:::packages.*.amazonaws.com/*",
            "arn:aws:s3:::packages.eu-west-1.amazonaws.com/x",
            true,
        ),
        (
            "arn:aws:s3:::packages.*.amazonaws.com/*",
            "arn:aws:s3:::packages.x/y.amazonaws.com/z",
            true,
        ),
        (
            "arn:aws:s3:::my_secure_bucket/*",
            "arn:aws:s3:::my_secure_bucket/k",
            true,
        ),
        (
            "arn:aws:ec2:*:111122223333:vpc/*",
            "arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1",
            true,
        ),
        (
            "arn:aws:ec2:*:111122223333:vpc/*",
            "arn:aws:ec2:eu-west-1:444455556666:vpc/vpc-1",
            false,
        ),
        (
            "arn:aws:ec2:*:vpc/*",
            "arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1",
            false,
        ),
        ("arn:*:s3:::b", "arn:aws-cn:s3:::b", true),
        (
            "arn:aws:s3:*:*:accesspoint/a/object/*",
            "arn:aws:s3:us-east-1:111122223333:accesspoint/a/object/k",
            true,
        ),
    ] {
        if pattern.matches(':').count() < 5 && pattern != "*" {
            continue;
        }
        let ask = |element: &str| {
            let statement = format!(r#"{{"Effect":"Allow","Action":"*","{element}":"{pattern}"}}"#);
            Scene::new()
                .identity(&statement)
                .ask(ANA, GET, resource, &[])
                == "allow"
        };
        assert_eq!(ask("Resource"), matches, "{pattern} {resource}");
        assert_eq!(ask("NotResource"), !matches, "not {pattern} {resource}");
    }
}

#[test]
fn listing_all_buckets_is_granted_on_every_bucket() {
    let scene = |resource: &str| {
        let statement = format!(r#"{{"Effect":"Allow","Action":"s3:*","Resource":"{resource}"}}"#);
        Scene::new().identity(&statement)
    };
    let ask = |scene: &Scene, action| scene.ask(ANA, action, "*", &[]);
    assert_eq!(ask(&scene("*"), "s3:ListAllMyBuckets"), "allow");
    assert_eq!(
        ask(&scene("arn:aws:s3:::*"), "s3:ListAllMyBuckets"),
        "allow"
    );
    assert_eq!(
        ask(&scene("arn:aws:s3:::b"), "s3:ListAllMyBuckets"),
        "implicit:identity"
    );
    assert_eq!(
        ask(&scene("arn:aws:s3:::*"), "s3:ListJobs"),
        "implicit:identity"
    );
}

#[test]
fn variables_are_replaced_literally() {
    let tag = [("aws:PrincipalTag/team", "blue")];
    for (resource, key, context, allowed) in [
        ("${aws:username}/*", "ana/x", &[][..], true),
        ("${aws:username}/*", "bob/x", &[], false),
        ("${AWS:UserName}/*", "ana/x", &[], true),
        ("${aws:PrincipalTag/team}/*", "blue/x", &tag, true),
        ("${aws:PrincipalTag/Team}/*", "blue/x", &tag, true),
        ("${aws:PrincipalTag/team}/*", "blue/x", &[], false),
        ("${aws:PrincipalTag/team, 'none'}/*", "none/x", &[], true),
        ("${aws:PrincipalTag/team,'none'}/*", "blue/x", &tag, true),
        ("${aws:PrincipalTag/team, ''}x", "x", &[], true),
        // What comes out of a value is no pattern.
        (
            "${aws:PrincipalTag/team}",
            "blue",
            &[("aws:PrincipalTag/team", "*")],
            false,
        ),
        (
            "${aws:PrincipalTag/team}",
            "*",
            &[("aws:PrincipalTag/team", "*")],
            true,
        ),
        (
            "a?${aws:PrincipalTag/team}*",
            "ab??cd",
            &[("aws:PrincipalTag/team", "??")],
            true,
        ),
        (
            "a?${aws:PrincipalTag/team}*",
            "abxxcd",
            &[("aws:PrincipalTag/team", "??")],
            false,
        ),
        ("${*}/x", "*/x", &[], true),
        ("${*}/x", "a/x", &[], false),
        ("${?}${$}", "?$", &[], true),
        ("${?}", "a", &[], false),
        // Lists and unknown names have no one value.
        ("${aws:TagKeys}", "a", &[("aws:TagKeys", "[a,b]")], false),
        ("${aws:TagKeys}", "a", &[("aws:TagKeys", "[a]")], true),
        ("${made:up}", "x", &[], false),
        // What is no variable is text.
        ("${aws:username", "${aws:username", &[], true),
        ("${}", "${}", &[], true),
        (
            "${aws:username}-${aws:PrincipalAccount}",
            "ana-111122223333",
            &[],
            true,
        ),
    ] {
        let statement =
            format!(r#"{{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/{resource}"}}"#);
        let scene = Scene::new().identity(&statement);
        let outcome = scene.ask(ANA, GET, &format!("arn:aws:s3:::b/{key}"), context);
        assert_eq!(outcome == "allow", allowed, "{resource} {key}");
    }
}

#[test]
fn variables_need_the_newer_version() {
    for (version, key, allowed) in [
        ("2012-10-17", "ana", true),
        ("2008-10-17", "ana", false),
        ("2008-10-17", "${aws:username}", true),
    ] {
        let text = format!(
            r#"{{"Version":"{version}","Statement":{{"Effect":"Allow","Principal":"*","Action":"s3:*",
                "Resource":"arn:aws:s3:::b/${{aws:username}}"}}}}"#
        );
        let scene = Scene::new().resource(&text, PolicyKind::Bucket);
        let outcome = scene.ask(ANA, GET, &format!("arn:aws:s3:::b/{key}"), &[]);
        assert_eq!(outcome == "allow", allowed, "{version} {key}");
    }
}

#[test]
fn an_exception_that_cannot_be_told_grants_nothing() {
    let statement = |effect: &str| {
        format!(
            r#"{{"Effect":"{effect}","Action":"*","NotResource":"arn:aws:s3:::b/${{aws:PrincipalTag/x}}/*"}}"#
        )
    };
    let scene = Scene::new().identity(&statement("Allow"));
    assert_eq!(
        scene.ask(ANA, GET, "arn:aws:s3:::b/k", &[]),
        "implicit:identity"
    );
    let scene = Scene::new()
        .identity(ALLOW_ALL)
        .identity(&statement("Deny"));
    assert_eq!(
        scene.ask(ANA, GET, "arn:aws:s3:::b/k", &[]),
        "explicit:identity"
    );
}

#[test]
fn operators_present_and_absent() {
    // (operator, policy value, a matching request value, another, absent)
    let rows = [
        ("StringEquals", r#""a""#, "a", "A", false),
        ("StringNotEquals", r#""a""#, "A", "a", true),
        ("StringEqualsIgnoreCase", r#""É""#, "é", "e", false),
        ("StringNotEqualsIgnoreCase", r#""a""#, "b", "A", true),
        ("StringLike", r#""a*c?""#, "abbcd", "abbc", false),
        ("StringNotLike", r#""a*""#, "b", "ab", true),
        ("NumericEquals", r#""1.20""#, "1.2", "1", false),
        ("NumericEquals", "600000", "600000", "6", false),
        ("NumericNotEquals", r#""1""#, "2", "1.0", true),
        ("NumericLessThan", r#""10""#, "9", "10", false),
        ("NumericLessThanEquals", r#""10""#, "10", "10.1", false),
        ("NumericGreaterThan", "1.1", "1.2", "1.1", false),
        ("NumericGreaterThanEquals", r#""-1""#, "-1", "-2", false),
        (
            "DateEquals",
            r#""2026-01-01T00:00:00Z""#,
            "1767225600",
            "1767225601",
            false,
        ),
        (
            "DateNotEquals",
            r#""2026-01-01""#,
            "2026-01-02",
            "2026-01-01T00:00:00Z",
            true,
        ),
        (
            "DateLessThan",
            r#""2026-01-01""#,
            "2025-12-31T23:59:59Z",
            "2026-01-01",
            false,
        ),
        (
            "DateLessThanEquals",
            r#""2026-01-01""#,
            "2026-01-01",
            "2026-01-02",
            false,
        ),
        (
            "DateGreaterThan",
            r#""2026-01-01""#,
            "2026-01-01T00:00:01Z",
            "2026-01-01",
            false,
        ),
        (
            "DateGreaterThanEquals",
            r#""2026-01-01""#,
            "2026-01-01",
            "2025-12-31",
            false,
        ),
        ("Bool", r#""true""#, "TRUE", "false", false),
        ("Bool", "false", "false", "x", false),
        (
            "BinaryEquals",
            r#""d29ybGQ=""#,
            "d29ybGQ=",
            "d29ybGQ",
            false,
        ),
        (
            "IpAddress",
            r#""203.0.113.0/24""#,
            "203.0.113.7",
            "203.0.114.7",
            false,
        ),
        (
            "IpAddress",
            r#""2001:db8::/32""#,
            "2001:db8::7",
            "1.2.3.4",
            false,
        ),
        (
            "NotIpAddress",
            r#""10.0.0.0/8""#,
            "2001:db8::7",
            "10.1.2.3",
            true,
        ),
        (
            "ArnEquals",
            r#""arn:aws:iam::*:role/x*""#,
            "arn:aws:iam::1:role/xy",
            "arn:aws:iam::1:role",
            false,
        ),
        (
            "ArnLike",
            r#""arn:aws:s3:::b/*""#,
            "arn:aws:s3:::b/k:l",
            "arn:aws:s3:x:y:b/k",
            false,
        ),
        (
            "ArnNotEquals",
            r#""arn:aws:s3:::b""#,
            "arn:aws:s3:::c",
            "arn:aws:s3:::b",
            true,
        ),
        (
            "ArnNotLike",
            r#""arn:aws:s3:::*""#,
            "not an arn",
            "arn:aws:s3:::b",
            true,
        ),
    ];
    for (operator, value, hit, miss, absent) in rows {
        let condition = |name: &str| format!(r#"{{"{name}":{{"my:Key":{value}}}}}"#);
        let holds =
            |name: &str, context: &[(&str, &str)]| condition_holds(&condition(name), context);
        let if_exists = format!("{operator}IfExists");
        for name in [operator, &if_exists] {
            assert!(holds(name, &[("MY:key", hit)]), "{name} {value} {hit}");
            assert!(!holds(name, &[("my:key", miss)]), "{name} {value} {miss}");
        }
        assert_eq!(holds(operator, &[]), absent, "{operator} absent");
        assert!(holds(&if_exists, &[]), "{operator} if exists, absent");
        // An empty text is a value.
        assert!(
            !holds(operator, &[("my:key", "")]) || absent,
            "{operator} empty"
        );
    }
}

#[test]
fn several_values_keys_and_operators() {
    let any = r#"{"StringEquals":{"my:k":["a","b"]}}"#;
    assert!(condition_holds(any, &[("my:k", "b")]));
    let none = r#"{"StringNotEquals":{"my:k":["a","b"]}}"#;
    assert!(!condition_holds(none, &[("my:k", "b")]));
    assert!(condition_holds(none, &[("my:k", "c")]));
    let keys = r#"{"StringEquals":{"my:k":"a","my:l":"b"}}"#;
    assert!(!condition_holds(keys, &[("my:k", "a")]));
    assert!(condition_holds(keys, &[("my:k", "a"), ("my:l", "b")]));
    // AWS's own IPv6 sample: both must mismatch for the statement to apply.
    let both = r#"{"StringNotEquals":{"aws:SourceVpc":"vpc-1"},"NotIpAddress":{"aws:VpcSourceIp":"2001:db8::/32"}}"#;
    assert!(!condition_holds(
        both,
        &[("aws:SourceVpc", "vpc-1"), ("aws:VpcSourceIp", "10.0.0.1")]
    ));
    assert!(!condition_holds(
        both,
        &[
            ("aws:SourceVpc", "vpc-2"),
            ("aws:VpcSourceIp", "2001:db8::1")
        ]
    ));
    assert!(condition_holds(
        both,
        &[("aws:SourceVpc", "vpc-2"), ("aws:VpcSourceIp", "10.0.0.1")]
    ));
}

#[test]
fn null_asks_for_presence() {
    let null = |value: &str| format!(r#"{{"Null":{{"my:k":{value}}}}}"#);
    assert!(condition_holds(&null("true"), &[]));
    assert!(!condition_holds(&null("true"), &[("my:k", "")]));
    assert!(condition_holds(&null(r#""false""#), &[("my:k", "")]));
    assert!(!condition_holds(&null(r#""false""#), &[]));
}

#[test]
fn lists_and_set_operators() {
    // (operator, one value, a list with a hit and a miss, a list of hits, absent)
    for (operator, hit, mixed, hits, absent) in [
        ("ForAllValues:StringEquals", true, false, true, true),
        ("ForAnyValue:StringEquals", true, true, true, false),
        ("StringEquals", true, false, false, false),
        ("ForAllValues:StringNotEquals", false, false, false, true),
        ("ForAnyValue:StringNotEquals", false, true, false, false),
        ("StringNotEquals", false, true, true, true),
        ("ForAnyValue:StringLikeIfExists", true, true, true, true),
        ("ForAllValues:StringEqualsIfExists", true, false, true, true),
    ] {
        let condition = format!(r#"{{"{operator}":{{"my:k":["a","b"]}}}}"#);
        assert_eq!(
            condition_holds(&condition, &[("my:k", "a")]),
            hit,
            "{operator} one"
        );
        assert_eq!(
            condition_holds(&condition, &[("my:k", "[a]")]),
            hit,
            "{operator} list of one"
        );
        assert_eq!(
            condition_holds(&condition, &[("my:k", "[a,x]")]),
            mixed,
            "{operator} mixed"
        );
        assert_eq!(
            condition_holds(&condition, &[("my:k", "[a,b]")]),
            hits,
            "{operator} hits"
        );
        assert_eq!(
            condition_holds(&condition, &[]),
            absent,
            "{operator} absent"
        );
    }
}

#[test]
fn variables_in_conditions() {
    let holds = |condition: &str, context: &[(&str, &str)]| condition_holds(condition, context);
    let prefix = r#"{"StringLike":{"s3:prefix":["${aws:username}/*"]}}"#;
    assert!(holds(prefix, &[("s3:prefix", "ana/x")]));
    assert!(!holds(prefix, &[("s3:prefix", "bob/x")]));
    let unresolved = r#"{"StringEquals":{"s3:prefix":"${aws:PrincipalTag/x}"}}"#;
    assert!(!holds(unresolved, &[("s3:prefix", "")]));
    let negated = r#"{"StringNotEquals":{"s3:prefix":"${aws:PrincipalTag/x}"}}"#;
    assert!(holds(negated, &[("s3:prefix", "a")]));
    let folded = r#"{"StringEqualsIgnoreCase":{"s3:prefix":"${aws:username}"}}"#;
    assert!(holds(folded, &[("s3:prefix", "ANA")]));
    let arn = r#"{"ArnEquals":{"my:arn":"${aws:PrincipalArn}"}}"#;
    assert!(holds(arn, &[("my:arn", ANA)]));
    assert!(!holds(arn, &[("my:arn", STRANGER)]));
    // Numbers, dates, addresses and Null take none.
    assert!(!holds(
        r#"{"NumericEquals":{"my:n":"${my:n}"}}"#,
        &[("my:n", "1")]
    ));
    assert!(!holds(
        r#"{"IpAddress":{"my:n":"${my:n}"}}"#,
        &[("my:n", "1.1.1.1")]
    ));
}

#[test]
fn escapes_in_json_are_decoded_before_anything_else() {
    let statement =
        r#"{"Effect":"Allow","Action":"s3:\u0047etObject","Resource":"arn:aws:s3:::b\/k\u00e9"}"#;
    let scene = Scene::new().identity(statement);
    assert_eq!(scene.ask(ANA, GET, "arn:aws:s3:::b/ké", &[]), "allow");
    let text = policy(statement);
    assert_eq!(compile(&text, PolicyKind::Identity).text(), text);
}
