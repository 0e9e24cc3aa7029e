//! No allocation from raw request values to the decision.

use std::sync::Arc;

use adit_policy::{
    AccessPoint, Context, Decision, Layers, Policy, PolicyKind, Principal, Request, decide, keys,
};

use crate::scene::{compile, policy};

fn layer(statements: &str, kind: PolicyKind) -> Arc<Policy> {
    Arc::new(compile(&policy(statements), kind))
}

/// Statements that make a decision use every part of the engine.
fn everything() -> [Arc<Policy>; 1] {
    let generic = r#"{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::*/home/${aws:username}/*","arn:aws:s3:*:*:accesspoint/*"],
        "Condition":{"StringLike":{"s3:prefix":"${aws:username}/*"},"ForAnyValue:StringEquals":{"aws:TagKeys":["a","b"]},
        "DateLessThan":{"aws:CurrentTime":"2030-01-01"},"NumericLessThan":{"s3:max-keys":"100"},"Bool":{"aws:SecureTransport":"true"},
        "IpAddress":{"aws:VpcSourceIp":["10.0.0.0/8","172.31.0.0/16"]},"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/${aws:username}"},
        "StringEqualsIgnoreCase":{"my:key":"VALUE"},"BinaryEquals":{"my:binary":"d29ybGQ="},"Null":{"aws:SourceIp":"true"}}}"#;
    let filed: Vec<String> = (0..20)
        .map(|n| {
            format!(
                r#"{{"Effect":"Deny","Action":"ec2:*","Resource":"arn:aws:s3:::bucket-{n}/*"}}"#
            )
        })
        .collect();
    let hostile =
        r#"{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::*?a?a?a?a?a?a?a?a?a*z"}"#;
    [layer(
        &format!("{generic},{},{hostile}", filed.join(",")),
        PolicyKind::Identity,
    )]
}

/// What a gateway does for one request, from raw values.
fn one_request(layers: &Layers<'_>, caller: &str) -> Decision {
    let tags = ["a", "c"];
    let Ok(principal) = Principal::parse(caller) else {
        panic!("{caller}");
    };
    let mut context = Context::new();
    context.set(keys::SOURCE_VPCE, "vpce-1a2b3c4d");
    context.set(keys::SOURCE_VPC, "vpc-1");
    context.set(keys::VPC_SOURCE_IP, "172.31.0.9");
    context.set(keys::SECURE_TRANSPORT, true);
    context.set(keys::CURRENT_TIME, adit_policy::Value::Time(1_790_000_000));
    context.set(keys::S3_PREFIX, "ana/x");
    context.set(keys::S3_MAX_KEYS, 5_i64);
    context.set(keys::TAG_KEYS, &tags[..]);
    context.set((keys::PRINCIPAL_TAG, "team"), "blue");
    context.set("my:key", "value");
    context.set("my:binary", "d29ybGQ=");
    context.set("aws:useragent", "aws-cli");
    let request = Request {
        principal: &principal,
        action: "s3:GetObject".into(),
        resource: "arn:aws:s3:::bucket-7/home/ana/a/long/key/with/many/parts/and/aaaaaaaaaaaaaaaaaaaaaa",
        resource_account: Some("111122223333"),
        context: &context,
    };
    decide(layers, &request, None)
}

#[test]
fn a_decision_allocates_nothing() {
    let identity = everything();
    let anyone = r#"{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}"#;
    let endpoint = layer(anyone, PolicyKind::S3_INTERFACE);
    let bucket = layer(
        r#"{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::bucket-7/*","Condition":{"StringNotEquals":{"aws:SourceVpce":"vpce-1a2b3c4d"}}},
           {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/eva"},"Action":"s3:*","Resource":"arn:aws:s3:::bucket-7/*"}"#,
        PolicyKind::Bucket,
    );
    let everything = Layers {
        identity: &identity,
        endpoint: Some(std::slice::from_ref(&endpoint)),
        resource: Some(&bucket),
        boundary: Some(&identity),
        access_point: Some(AccessPoint {
            resource: "arn:aws:s3:eu-west-1:111122223333:accesspoint/ap/object/k",
            policy: None,
            vpc: Some("vpc-1"),
        }),
        ..Layers::default()
    };
    let ana = "arn:aws:iam::111122223333:user/ana";
    for (caller, allowed) in [
        (ana, true),
        ("arn:aws:iam::111122223333:user/eva", false),
        ("*", false),
    ] {
        assert_eq!(
            one_request(&everything, caller).is_allowed(),
            allowed,
            "{caller}"
        );
        let counted = allocation_counter::measure(|| {
            std::hint::black_box(one_request(&everything, caller));
        });
        assert_eq!(counted.count_total, 0, "{caller}");
    }
}
