//! `adit policy decide` and `adit policy check` as functions.

use adit_policy::cli::{CheckRunOptions, DecideOptions, MAX_LINE, run_check, run_decide};

fn decide(input: &str, options: &DecideOptions) -> (Vec<String>, adit_policy::cli::DecideSummary) {
    let mut out = Vec::new();
    let summary = run_decide(input.as_bytes(), &mut out, options).unwrap();
    let out = String::from_utf8(out).unwrap();
    (out.lines().map(str::to_owned).collect(), summary)
}

const ALLOW: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;

fn case(policies: &str, request: &str) -> String {
    format!(
        r#"{{"id":"c",{policies}"request":{{"principal":"arn:aws:iam::111122223333:user/u","action":"s3:GetObject","resource":"arn:aws:s3:::b/k","resourceAccount":"111122223333"{request}}}}}"#
    )
}

fn decision(policies: &str, request: &str) -> String {
    let (lines, _) = decide(&case(policies, request), &DecideOptions::default());
    let line = &lines[0];
    let found = ["allow", "deny", "error"]
        .iter()
        .find(|d| line.contains(&format!("\"decision\":\"{d}\"")));
    assert!(line.starts_with(r#"{"id":"c","#), "{line}");
    assert_ne!(found, Some(&"error"), "{line}");
    found.unwrap().to_string()
}

#[test]
fn cases_of_every_layer() {
    let identity = format!(r#""identityPolicies":[{ALLOW}],"#);
    let as_text = format!(r#""identityPolicies":["{}"],"#, ALLOW.replace('"', "\\\""));
    let with = |more: &str| format!("{identity}{more}");
    let endpoint = ALLOW.replace("\"Effect\"", "\"Principal\":\"*\",\"Effect\"");
    let through = r#","context":{"AWS:sourcevpce":"vpce-1","aws:TagKeys":["a","b"],"aws:SecureTransport":true}"#;
    let on_vpce = endpoint.replace(
        "\"Effect\"",
        r#""Condition":{"StringEquals":{"aws:SourceVpce":"vpce-1"}},"Effect""#,
    );
    for (policies, request, expected) in [
        (String::new(), "", "deny"),
        (identity.clone(), "", "allow"),
        (as_text, "", "allow"),
        (
            with(r#""resourcePolicy":null,"boundary":null,"endpointPolicies":null,"#),
            "",
            "allow",
        ),
        (with(r#""boundary":[],"#), "", "deny"),
        (with(&format!(r#""boundary":[{ALLOW}],"#)), "", "allow"),
        (with(r#""endpointPolicies":[],"#), "", "allow"),
        (
            with(&format!(r#""endpointPolicies":[{endpoint}],"#)),
            "",
            "allow",
        ),
        (
            with(&format!(r#""endpointPolicies":[{on_vpce}],"#)),
            "",
            "deny",
        ),
        (
            with(&format!(r#""endpointPolicies":[{on_vpce}],"#)),
            through,
            "allow",
        ),
        (
            with(&format!(
                r#""sessionPolicy":{},"#,
                ALLOW.replace("s3:*", "s3:Put*")
            )),
            "",
            "deny",
        ),
        (
            with(&format!(r#""scps":[[{ALLOW}],[{ALLOW}]],"#)),
            "",
            "allow",
        ),
        (with(&format!(r#""scps":[[{ALLOW}],[]],"#)), "", "deny"),
        (with(&format!(r#""rcps":[[{endpoint}]],"#)), "", "allow"),
        (format!(r#""resourcePolicy":{endpoint},"#), "", "allow"),
        (
            with(&format!(
                r#""resourcePolicy":{},"#,
                endpoint.replace("Allow", "Deny")
            )),
            "",
            "deny",
        ),
    ] {
        assert_eq!(
            decision(&policies, request),
            expected,
            "{policies} {request}"
        );
    }
}

#[test]
fn access_point_cases_name_either_resource() {
    let point = "arn:aws:s3:eu-west-1:111122223333:accesspoint/ap";
    let on_point = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"{point}/object/*"}}}}"#
    );
    let bucket = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"],"Condition":{"StringEquals":{"s3:DataAccessPointArn":"POINT"}}}}"#.replace("POINT", point);
    let context = format!(r#","context":{{"s3:DataAccessPointArn":"{point}"}}"#);
    let both = format!(r#""accessPointPolicy":{on_point},"resourcePolicy":{bucket},"#);
    assert_eq!(decision(&both, &context), "allow");
    assert_eq!(
        decision(&format!(r#""accessPointPolicy":{on_point},"#), &context),
        "deny"
    );
    let as_point = |policies: &str| {
        let line =
            case(policies, &context).replace("arn:aws:s3:::b/k", &format!("{point}/object/k"));
        decide(&line, &DecideOptions::default()).0.remove(0)
    };
    assert!(as_point(&both).contains("allow"));
    assert!(as_point(&format!(r#""accessPointPolicy":{on_point},"#)).contains("allow"));
    let other = both.replace(":::b/*", ":::b/x*");
    assert!(as_point(&other).contains("deny"));
}

#[test]
fn malformed_lines_are_reported_and_the_rest_decided() {
    let good = case(&format!(r#""identityPolicies":[{ALLOW}],"#), "");
    let long = format!("{{\"id\":\"{}\"}}", "x".repeat(MAX_LINE));
    let input = [
        &*good,
        "{",
        "",
        r#"{"id":7}"#,
        r#"{"id":"p","identityPolicies":[{"Statement":{"Effect":"Maybe"}}],"request":{"action":"a:b","resource":"*"}}"#,
        r#"{"id":"d","id":"d","request":{}}"#,
        r#"{"id":"w","request":{"principal":"nobody","action":"a:b","resource":"*"}}"#,
        r#"{"id":"t","request":{"action":1,"resource":"*"}}"#,
        r#"[1]"#,
        &long,
        &good,
    ]
    .join("\n");
    let mut bytes = input.into_bytes();
    bytes.extend_from_slice(b"\n\xff\xfe\n");
    let mut out = Vec::new();
    let summary = run_decide(&*bytes, &mut out, &DecideOptions::default()).unwrap();
    let out = String::from_utf8(out).unwrap();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!((summary.cases, summary.allowed, summary.errors), (11, 2, 9));
    assert_eq!(summary.exit_status(), 1);
    assert_eq!(
        lines[0],
        r#"{"id":"c","decision":"allow","detail":"allowed"}"#
    );
    for (at, begin, detail) in [
        (
            1,
            r#"{"id":null,"line":2,"decision":"error""#,
            "no JSON at column 2",
        ),
        (
            2,
            r#"{"id":7,"line":4,"decision":"error""#,
            "`request` is missing",
        ),
        (
            3,
            r#"{"id":"p","line":5,"decision":"error""#,
            "Statement.Effect",
        ),
        (
            4,
            r#"{"id":"d","line":6,"decision":"error""#,
            "occurs twice",
        ),
        (
            5,
            r#"{"id":"w","line":7,"decision":"error""#,
            "`nobody` is not a principal",
        ),
        (
            6,
            r#"{"id":"t","line":8,"decision":"error""#,
            "expected a string",
        ),
        (
            7,
            r#"{"id":null,"line":9,"decision":"error""#,
            "expected an object",
        ),
        (
            8,
            r#"{"id":null,"line":10,"decision":"error""#,
            "longer than",
        ),
        (
            10,
            r#"{"id":null,"line":12,"decision":"error""#,
            "not UTF-8",
        ),
    ] {
        assert!(lines[at].starts_with(begin), "{}", lines[at]);
        assert!(lines[at].contains(detail), "{}", lines[at]);
    }
}

#[test]
fn expectations_and_traces() {
    let allowed = case(
        &format!(r#""expected":"allow","identityPolicies":[{ALLOW}],"#),
        "",
    );
    let wrong = case(
        &format!(r#""expected":"deny","identityPolicies":[{ALLOW}],"#),
        "",
    );
    let broken = case(r#""expected":"error","identityPolicies":[{}],"#, "");
    let silent = case("", "");
    let input = [allowed, wrong, broken, silent].join("\n");
    let (lines, summary) = decide(
        &input,
        &DecideOptions {
            trace: true,
            expect: true,
        },
    );
    assert_eq!(
        (summary.mismatches, summary.errors, summary.expected_errors),
        (1, 1, 1)
    );
    assert_eq!(summary.exit_status(), 1);
    assert!(!lines[0].contains("\"expected\":\"allow\""), "{}", lines[0]);
    assert!(
        lines[0].contains(r#""trace":{"layers":[{"layer":"identity","outcome":"allow""#),
        "{}",
        lines[0]
    );
    assert!(lines[1].contains(r#""expected":"deny""#), "{}", lines[1]);
    let (_, summary) = decide(&input, &DecideOptions::default());
    assert_eq!(summary.mismatches, 0);
    assert_eq!(
        summary.to_string(),
        "4 cases: 2 allowed, 1 denied, 1 errors, 0 mismatches"
    );
}

#[test]
fn ten_thousand_cases_in_order() {
    let policies = format!(r#""identityPolicies":[{ALLOW}],"#);
    let lines: Vec<String> = (0..10_000)
        .map(|n| case(&policies, "").replace(r#""id":"c""#, &format!(r#""id":{n}"#)))
        .collect();
    let (answers, summary) = decide(&lines.join("\n"), &DecideOptions::default());
    assert_eq!(summary.allowed, 10_000);
    for (n, answer) in answers.iter().enumerate() {
        assert!(answer.starts_with(&format!(r#"{{"id":{n},"#)), "{answer}");
    }
}

#[test]
fn checks_are_printed_with_their_place() {
    let lock_out = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [{\n    \"Effect\": \"Deny\", \"Principal\": \"*\",\n    \"Action\": \"s3:*\",\n    \"Resource\": [\"arn:aws:s3:::b\", \"arn:aws:s3:::b/*\"],\n    \"Condition\": {\"StringNotEquals\": {\"aws:sourceVpce\": \"vpce-1a2b3c4d\"}}\n  }]\n}\n";
    let documents = [
        ("lock.json", lock_out.as_bytes()),
        ("bad.json", &b"\xff"[..]),
        ("worse.json", b"{"),
    ];
    let mut out = Vec::new();
    let options = CheckRunOptions::default();
    let summary = run_check(documents, &mut out, &options).unwrap();
    let out = String::from_utf8(out).unwrap();
    assert!(
        out.starts_with("lock.json:5:5: warning: this Deny can lock its author out"),
        "{out}"
    );
    assert!(
        out.contains("the root user of the bucket owner's account"),
        "{out}"
    );
    assert!(
        out.contains("bad.json:1:1: error: the document is not UTF-8"),
        "{out}"
    );
    assert!(out.contains("worse.json:1:2: error:"), "{out}");
    assert_eq!((summary.files, summary.errors, summary.warnings), (3, 2, 1));
    assert_eq!(summary.exit_status(&options), 1);
    let strict = CheckRunOptions {
        deny_warnings: true,
        json: true,
        ..options
    };
    let mut out = Vec::new();
    let summary = run_check([("lock.json", lock_out.as_bytes())], &mut out, &strict).unwrap();
    assert_eq!(summary.exit_status(&strict), 1);
    let out = String::from_utf8(out).unwrap();
    assert!(out.starts_with(r#"{"file":"lock.json","kind":"bucket","line":5,"column":5,"severity":"warning","code":"lock-out""#), "{out}");
}
