//! Temporary credentials at the front door: in headers and in presigned URLs.

use std::collections::BTreeMap;

use adit_gateway::Settings;
use adit_model::{Role, SealingKey, Secret, Tags};
use adit_snapshot::session::{Claims, Issued, SessionOf, issue};
use adit_wire::Service;
use adit_wire::sigv4::{Key, Secret as Signing, Sign, Signer};

use crate::support::*;

const ID: &str = "ASIAABCDEFGHIJKLMNOP";
const ALL: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
const READ: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::reports/*"}}"#;

/// A world with a role that may do everything on S3, at a time.
fn world(now: i64) -> World {
    let world = World::at(now, Settings::default());
    world.intents.edit(|draft| {
        draft.put(SealingKey {
            id: SealingKey::ID.to_owned(),
            secret: Secret::new("sealing"),
        });
        draft.put(Role {
            account: ACCOUNT.parse().unwrap(),
            name: "R".to_owned(),
            path: "/".to_owned(),
            unique_id: "AROATEST".to_owned(),
            description: None,
            trust: r#"{"Version":"2012-10-17","Statement":[]}"#.to_owned(),
            max_session: 3600,
            inline_policies: BTreeMap::from([("p".to_owned(), ALL.to_owned())]),
            attached: Default::default(),
            boundary: None,
            tags: Tags::new(),
            created: NOW,
        });
    });
    world
}

/// A session of the role, from now on for an hour.
fn session(world: &World, policy: Option<&str>) -> Issued {
    let claims = Claims {
        account: ACCOUNT.parse().unwrap(),
        of: SessionOf::Role {
            name: "R".to_owned(),
            id: "AROATEST".to_owned(),
            session: "s".to_owned(),
        },
        issued: NOW,
        expires: NOW + 3_600_000,
        policy: policy.map(str::to_owned),
        policy_arns: Vec::new(),
        tags: Tags::new(),
        transitive: Vec::new(),
        source_identity: None,
    };
    issue(&world.intents.intent.lock().unwrap(), ID, &claims, [9; 12]).unwrap()
}

/// Signs a request with credentials as a client has them.
fn signed(
    mut call: Ask,
    id: &str,
    secret: &str,
    token: Option<&str>,
    presign: bool,
    now: i64,
) -> Ask {
    let secret = Signing::new(secret);
    let signer = Signer {
        key: Key {
            access_key_id: id,
            secret: &secret,
            session_token: token,
        },
        region: "us-east-1",
        service: Service::S3,
        now,
    };
    if presign {
        call.query = call.parts(|parts| signer.presign(parts, 3600));
        return call;
    }
    let body = call.body.clone();
    let added = call.parts(|parts| signer.sign(parts, Sign::Bytes(&body)));
    for (name, value) in added {
        call.headers.push((name.to_owned(), value));
    }
    call
}

#[tokio::test]
async fn a_session_signs_like_a_key() {
    let world = world(NOW);
    let mut api = world.api().await;
    let issued = session(&world, None);
    let (secret, token) = (issued.secret.expose(), issued.token.expose());
    for presign in [false, true] {
        let put = ask("PUT", "/reports/k").body("hello");
        api.send(&signed(put, ID, secret, Some(token), presign, NOW))
            .await
            .is(200);
        let get = || ask("GET", "/reports/k");
        let answer = api
            .send(&signed(get(), ID, secret, Some(token), presign, NOW))
            .await;
        assert_eq!(answer.is(200).text(), "hello");
        // Neither without its token, nor with another's, nor under another id.
        for (id, token, code, status) in [
            (ID, None, "InvalidAccessKeyId", 403),
            (ID, Some("AAAA"), "InvalidToken", 400),
            ("ASIAABCDEFGHIJKLMNOQ", Some(token), "InvalidToken", 400),
            (ROOT, Some(token), "InvalidToken", 400),
        ] {
            let refused = api
                .send(&signed(get(), id, secret, token, presign, NOW))
                .await;
            refused.fails(status, code);
        }
        let wrong = signed(get(), ID, "another secret", Some(token), presign, NOW);
        api.send(&wrong).await.fails(403, "SignatureDoesNotMatch");
    }
    let records = world.records.lines();
    assert!(
        records.iter().any(|line| line.contains("assumed-role/R/s")),
        "{records:?}"
    );
    assert!(
        records.iter().all(|line| !line.contains(token)),
        "a token was written down"
    );
}

#[tokio::test]
async fn a_session_policy_limits_and_a_session_ends() {
    let now = world(NOW);
    let mut api = now.api().await;
    let issued = session(&now, Some(READ));
    let (secret, token) = (issued.secret.expose(), Some(issued.token.expose()));
    api.send(&ask("PUT", "/reports/k").body("hello").root())
        .await
        .is(200);
    let get = |presign, at| signed(ask("GET", "/reports/k"), ID, secret, token, presign, at);
    api.send(&get(false, NOW)).await.is(200);
    let put = signed(
        ask("PUT", "/reports/k").body("x"),
        ID,
        secret,
        token,
        false,
        NOW,
    );
    let refused = api.send(&put).await.fails(403, "AccessDenied");
    assert!(
        refused
            .message()
            .contains("because no session policy allows"),
        "{}",
        refused.message()
    );
    // The same token an hour later.
    let later = NOW + 3_600_000;
    let then = world(later);
    let mut api = then.api().await;
    api.send(&get(false, later))
        .await
        .fails(400, "ExpiredToken");
    api.send(&get(true, later)).await.fails(400, "ExpiredToken");
}
