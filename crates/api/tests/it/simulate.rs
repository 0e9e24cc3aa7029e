//! Simulations say what decisions would say.

use adit_wire::{Service, Value, list, map};

use crate::world::*;

const POLICY: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"},
    {"Effect": "Allow", "Action": "ec2:*", "Resource": "*",
     "Condition": {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}},
    {"Effect": "Deny", "Action": "ec2:Delete*", "Resource": "*"}
  ]
}"#;

fn simulate(world: &World, name: &str, input: Value) -> Vec<Value> {
    let answer = world.ok(Service::Iam, name, input);
    answer.get("EvaluationResults").list().to_vec()
}

#[test]
fn a_custom_policy_is_asked_pair_by_pair() {
    let world = World::new();
    let ask = |actions: Value, resources: Value, entries: Value| {
        let input = map! {
            "PolicyInputList" => list![POLICY],
            "ActionNames" => actions,
            "ResourceArns" => resources,
            "ContextEntries" => entries,
        };
        simulate(&world, "SimulateCustomPolicy", input)
    };
    let results = ask(
        list!["s3:GetObject", "s3:PutObject"],
        list!["arn:aws:s3:::b/k", "arn:aws:s3:::c/k"],
        list![],
    );
    let said: Vec<(String, String, String)> = results
        .iter()
        .map(|r| {
            (
                text(r, "EvalActionName"),
                text(r, "EvalResourceName"),
                text(r, "EvalDecision"),
            )
        })
        .collect();
    let row = |a: &str, b: &str, c: &str| (a.to_string(), b.to_string(), c.to_string());
    assert_eq!(
        said,
        [
            row("s3:GetObject", "arn:aws:s3:::b/k", "allowed"),
            row("s3:GetObject", "arn:aws:s3:::c/k", "implicitDeny"),
            row("s3:PutObject", "arn:aws:s3:::b/k", "implicitDeny"),
            row("s3:PutObject", "arn:aws:s3:::c/k", "implicitDeny"),
        ]
    );
    let statement = &results[0].get("MatchedStatements").list()[0];
    assert_eq!(text(statement, "SourcePolicyId"), "PolicyInputList.1");
    assert_eq!(statement.get("StartPosition").get("Line").int(), Some(4));
    assert_eq!(statement.get("StartPosition").get("Column").int(), Some(5));
    let denied = ask(list!["ec2:DeleteVpc"], list![], list![]);
    assert_eq!(text(&denied[0], "EvalDecision"), "explicitDeny");
    let missing = ask(list!["ec2:CreateVpc"], list![], list![]);
    assert_eq!(text(&missing[0], "EvalDecision"), "implicitDeny");
    let names: Vec<_> = missing[0].get("MissingContextValues").strings().collect();
    assert_eq!(names, ["aws:RequestedRegion"]);
    let entry = map! {
        "ContextKeyName" => "aws:requestedregion",
        "ContextKeyValues" => list!["us-east-1"],
        "ContextKeyType" => "string",
    };
    let allowed = ask(list!["ec2:CreateVpc"], list![], list![entry]);
    assert_eq!(text(&allowed[0], "EvalDecision"), "allowed");
}

#[test]
fn a_principal_is_asked_with_its_groups_and_boundary() {
    let world = World::new();
    let iam = |name: &str, input: Value| world.ok(Service::Iam, name, input);
    iam("CreateUser", map! { "UserName" => "ana" });
    iam("CreateGroup", map! { "GroupName" => "g" });
    iam(
        "AddUserToGroup",
        map! { "GroupName" => "g", "UserName" => "ana" },
    );
    let put = map! { "GroupName" => "g", "PolicyName" => "p", "PolicyDocument" => POLICY };
    iam("PutGroupPolicy", put);
    let limit = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
    let limited = map! { "UserName" => "ana", "PermissionsBoundary" => limit };
    iam("PutUserPermissionsBoundary", limited);
    let arn = format!("arn:aws:iam::{ACCOUNT}:user/ana");
    let input = map! {
        "PolicySourceArn" => arn.as_str(),
        "ActionNames" => list!["s3:GetObject", "ec2:CreateVpc"],
        "ResourceArns" => list!["arn:aws:s3:::b/k"],
        "ContextEntries" => list![map! {
            "ContextKeyName" => "aws:RequestedRegion",
            "ContextKeyValues" => list!["us-east-1"],
            "ContextKeyType" => "string",
        }],
    };
    let results = simulate(&world, "SimulatePrincipalPolicy", input);
    let said = |n: usize| {
        let detail = results[n].get("PermissionsBoundaryDecisionDetail");
        let by_boundary = detail.get("AllowedByPermissionsBoundary").bool();
        (text(&results[n], "EvalDecision"), by_boundary)
    };
    assert_eq!(said(0), ("allowed".to_string(), Some(true)));
    assert_eq!(said(1), ("implicitDeny".to_string(), Some(false)));
    let source = &results[0].get("MatchedStatements").list()[0];
    assert_eq!(text(source, "SourcePolicyId"), "group_g_p");
    assert_eq!(text(source, "SourcePolicyType"), "group");
    let keys = iam(
        "GetContextKeysForPrincipalPolicy",
        map! { "PolicySourceArn" => arn },
    );
    let names: Vec<_> = keys.get("ContextKeyNames").strings().collect();
    assert_eq!(names, ["aws:RequestedRegion"]);
    for (wrong, code) in [
        ("arn:aws:iam::123456789012:user/none", "NoSuchEntity"),
        ("arn:aws:iam::210987654321:user/ana", "InvalidInput"),
        ("ana-is-not-an-arn-at-all", "InvalidInput"),
    ] {
        let input = map! { "PolicySourceArn" => wrong, "ActionNames" => list!["s3:GetObject"] };
        let error = world.refused(Service::Iam, "SimulatePrincipalPolicy", input);
        assert_eq!(error.code, code, "{wrong}");
    }
    let input = map! { "PolicyInputList" => list!["{"], "ActionNames" => list!["s3:GetObject"] };
    assert_eq!(
        world
            .refused(Service::Iam, "SimulateCustomPolicy", input)
            .code,
        "InvalidInput"
    );
    let input = map! { "PolicyInputList" => list![POLICY], "ActionNames" => list!["GetObject"] };
    assert_eq!(
        world
            .refused(Service::Iam, "SimulateCustomPolicy", input)
            .code,
        "InvalidInput"
    );
}

#[test]
fn a_resource_policy_can_grant_in_a_simulation() {
    let world = World::new();
    let mine = format!("arn:aws:iam::{ACCOUNT}:user/ana");
    let resource = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{mine}"}},"Action":"s3:PutObject","Resource":"arn:aws:s3:::b/*"}}}}"#
    );
    let input = map! {
        "PolicyInputList" => list![POLICY],
        "ResourcePolicy" => resource,
        "CallerArn" => mine,
        "ActionNames" => list!["s3:PutObject"],
        "ResourceArns" => list!["arn:aws:s3:::b/k"],
    };
    let results = simulate(&world, "SimulateCustomPolicy", input);
    assert_eq!(text(&results[0], "EvalDecision"), "allowed");
    let source = &results[0].get("MatchedStatements").list()[0];
    assert_eq!(text(source, "SourcePolicyType"), "resource");
}
