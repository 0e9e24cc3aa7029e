//! Object Lock at the front door: who is told, who may change, what policies see.

use adit_model::Bucket;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::*;

/// Gives Object Lock to the bucket `reports`, with a default retention or without.
fn lock(world: &World, rule: &str) {
    world.intents.edit(|draft| {
        draft
            .edit::<Bucket>("reports", |bucket| {
                bucket.versioning = Some("Enabled".into());
                let text = format!(r#"{{"ObjectLockEnabled":"Enabled"{rule}}}"#);
                bucket.documents.insert("object-lock".into(), text);
            })
            .unwrap()
    });
}

/// A body that its MD5 vouches for.
fn vouched(call: Ask, body: &str) -> Ask {
    use md5::Digest as _;
    let digest = STANDARD.encode(md5::Md5::digest(body.as_bytes()));
    call.header("content-md5", &digest).body(body)
}

fn retention(mode: &str, until: &str) -> String {
    format!("<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>")
}

/// So many days after the time of these tests, and a little less.
fn in_days(days: i64) -> String {
    adit_wire::time::iso8601(NOW + days * 24 * 3600 * 1000 - 1000, true)
}

const FAR: i64 = 36_000;

#[tokio::test]
async fn locks_are_set_shown_and_kept() {
    let world = World::new();
    lock(&world, "");
    let mut api = world.api().await;
    let until = in_days(FAR);
    let put = ask("PUT", "/reports/k")
        .header("x-amz-object-lock-mode", "GOVERNANCE")
        .header("x-amz-object-lock-retain-until-date", &until)
        .header("x-amz-object-lock-legal-hold", "ON");
    // Nothing vouches for the body.
    let bare = api.send(&put.clone().body("x").root()).await;
    bare.fails(400, "InvalidRequest");
    let made = api.send(&vouched(put, "x").root()).await.is(200);
    let version = made.header("x-amz-version-id").to_owned();

    for method in ["GET", "HEAD"] {
        let shown = api.send(&ask(method, "/reports/k").root()).await.is(200);
        assert_eq!(shown.header("x-amz-object-lock-mode"), "GOVERNANCE");
        assert_eq!(shown.header("x-amz-object-lock-retain-until-date"), until);
        assert_eq!(shown.header("x-amz-object-lock-legal-hold"), "ON");
    }
    // Who may read it is not told of locks without the rights to ask for them.
    let may = |actions: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":[{actions}],"Resource":"*"}}}}"#
        )
    };
    for (actions, mode, hold) in [
        (r#""s3:GetObject""#, "", ""),
        (
            r#""s3:GetObject","s3:GetObjectRetention""#,
            "GOVERNANCE",
            "",
        ),
        (r#""s3:GetObject","s3:GetObjectLegalHold""#, "", "ON"),
    ] {
        world.intents.user_policy(&may(actions));
        let shown = api.send(&ask("GET", "/reports/k").by(USER)).await.is(200);
        assert_eq!(shown.header("x-amz-object-lock-mode"), mode);
        assert_eq!(shown.header("x-amz-object-lock-legal-hold"), hold);
    }

    let target = format!("/reports/k?versionId={version}");
    let remove = || ask("DELETE", &target).header("x-amz-bypass-governance-retention", "true");
    let held = api.send(&remove().root()).await.fails(403, "AccessDenied");
    assert_eq!(
        held.message(),
        "Access Denied because object protected by object lock."
    );
    let off = "<LegalHold><Status>OFF</Status></LegalHold>";
    let hold = |body| vouched(ask("PUT", "/reports/k?legal-hold"), body);
    api.send(&hold(off).root()).await.is(200);
    let shown = ask("GET", "/reports/k?legal-hold").root();
    assert_eq!(api.send(&shown).await.is(200).element("Status"), "OFF");
    let plain = api.send(&ask("DELETE", &target).root()).await;
    plain.fails(403, "AccessDenied");
    // The header alone does not do it.
    world.intents.user_policy(&may(r#""s3:Delete*""#));
    let denied = api
        .send(&remove().by(USER))
        .await
        .fails(403, "AccessDenied");
    assert!(denied.message().contains("s3:BypassGovernanceRetention"));
    world
        .intents
        .user_policy(&may(r#""s3:Delete*","s3:BypassGovernanceRetention""#));
    api.send(&remove().by(USER)).await.is(204);
}

#[tokio::test]
async fn documents_and_headers_that_are_none() {
    let world = World::new();
    lock(&world, "");
    let mut api = world.api().await;
    api.send(&ask("PUT", "/reports/k").body("x").root())
        .await
        .is(200);
    let until = in_days(FAR);
    let none = ask("GET", "/reports/k?retention").root();
    let none = api.send(&none).await;
    none.fails(404, "NoSuchObjectLockConfiguration");
    for (kind, body, code) in [
        ("retention", String::new(), "MalformedXML"),
        ("retention", retention("governance", &until), "MalformedXML"),
        ("retention", retention("GOVERNANCE", "soon"), "MalformedXML"),
        (
            "retention",
            "<Retention><Mode>GOVERNANCE</Mode></Retention>".into(),
            "MalformedXML",
        ),
        (
            "retention",
            format!("<Retention><RetainUntilDate>{until}</RetainUntilDate></Retention>"),
            "MalformedXML",
        ),
        (
            "retention",
            retention("COMPLIANCE", "2001-01-01T00:00:00Z"),
            "InvalidArgument",
        ),
        (
            "legal-hold",
            "<LegalHold><Status>on</Status></LegalHold>".into(),
            "MalformedXML",
        ),
        ("legal-hold", "<LegalHold/>".into(), "MalformedXML"),
    ] {
        let call = vouched(ask("PUT", &format!("/reports/k?{kind}")), &body);
        let refused = api.send(&call.root()).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (400, code),
            "{body}"
        );
    }
    let bare = ask("PUT", "/reports/k?retention").body(retention("GOVERNANCE", &until));
    api.send(&bare.root()).await.fails(400, "InvalidRequest");
    for fields in [
        &[("x-amz-object-lock-mode", "GOVERNANCE")][..],
        &[("x-amz-object-lock-retain-until-date", until.as_str())],
        &[
            ("x-amz-object-lock-mode", "SOFT"),
            ("x-amz-object-lock-retain-until-date", &until),
        ],
        &[
            ("x-amz-object-lock-mode", "GOVERNANCE"),
            ("x-amz-object-lock-retain-until-date", "soon"),
        ],
        &[("x-amz-object-lock-legal-hold", "MAYBE")],
    ] {
        let mut put = vouched(ask("PUT", "/reports/k"), "y");
        for (name, value) in fields {
            put = put.header(name, value);
        }
        api.send(&put.root()).await.fails(400, "InvalidArgument");
    }
    // A bucket without Object Lock.
    let put = vouched(ask("PUT", "/other/k"), "y").header("x-amz-object-lock-legal-hold", "ON");
    world
        .intents
        .edit(|draft| draft.put(bucket("other", ACCOUNT, "us-east-1")));
    api.send(&put.root()).await.fails(400, "InvalidRequest");
}

#[tokio::test]
async fn policies_see_the_lock_that_is_given() {
    let world = World::new();
    let mut api = world.api().await;
    let limit = |key: &str, operator: &str, value: &str| {
        statement(
            "Deny",
            "s3:PutObject*",
            r#""arn:aws:s3:::reports/*""#,
            &format!(r#"{{"{operator}":{{"s3:object-lock-{key}":"{value}"}}}}"#),
        )
    };
    let put = |mode: &str, days: i64| {
        vouched(ask("PUT", "/reports/k"), "x")
            .header("x-amz-object-lock-mode", mode)
            .header("x-amz-object-lock-retain-until-date", &in_days(days))
            .root()
    };
    let plain = || vouched(ask("PUT", "/reports/k"), "x").root();
    let day = |days: i64| {
        let body = retention("GOVERNANCE", &in_days(days));
        vouched(ask("PUT", "/reports/k?retention"), &body).root()
    };
    let rule = r#","Rule":{"DefaultRetention":{"Mode":"GOVERNANCE","Days":36000}}"#;
    let most = limit("remaining-retention-days", "NumericGreaterThan", "36000");
    let mode = limit("mode", "StringNotEquals", "COMPLIANCE");
    let date = limit("retain-until-date", "DateGreaterThan", &in_days(FAR + 1));
    let hold = limit("legal-hold", "StringEquals", "ON");
    let on = "<LegalHold><Status>ON</Status></LegalHold>";
    let on = vouched(ask("PUT", "/reports/k?legal-hold"), on).root();
    let off = "<LegalHold><Status>OFF</Status></LegalHold>";
    let off = vouched(ask("PUT", "/reports/k?legal-hold"), off).root();
    for (policy, rule, call, status) in [
        (&most, "", put("GOVERNANCE", FAR), 200),
        (&most, "", put("GOVERNANCE", FAR + 1), 403),
        (&most, "", day(FAR), 200),
        (&most, "", day(FAR + 1), 403),
        (&most, "", plain(), 200),
        // A bucket's default is told as if the writer had said it.
        (&most, rule, plain(), 200),
        (&most, &rule.replace("36000", "36001"), plain(), 403),
        (&mode, "", put("COMPLIANCE", FAR), 200),
        (&mode, "", put("GOVERNANCE", FAR), 403),
        (&mode, rule, plain(), 403),
        (
            &mode,
            &rule.replace("GOVERNANCE", "COMPLIANCE"),
            plain(),
            200,
        ),
        (&mode, "", day(FAR + 2), 403),
        (&date, "", put("GOVERNANCE", FAR + 1), 200),
        (&date, "", put("GOVERNANCE", FAR + 2), 403),
        (&date, rule, plain(), 200),
        (&hold, "", on, 403),
        (&hold, "", off, 200),
    ] {
        world.intents.edit(|draft| {
            let none = |bucket: &mut Bucket| bucket.policy = None;
            draft.edit::<Bucket>("reports", none).unwrap()
        });
        lock(&world, "");
        let fresh = ask("PUT", "/reports/k").body("x").root();
        api.send(&fresh).await.is(200);
        lock(&world, rule);
        world.intents.policy("reports", policy);
        let answer = api.send(&call).await;
        assert_eq!(answer.status, status, "{policy} {rule} {}", answer.text());
    }
}
