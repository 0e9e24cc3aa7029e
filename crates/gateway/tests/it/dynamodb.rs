//! DynamoDB endpoints in front of a database that answers what it was sent.

use adit_gateway::{DynamoDb, Settings};
use adit_model::VpcEndpoint;
use adit_upstream::{Credentials, Endpoint, Timeouts, Upstream};
use adit_wire::Service;
use adit_wire::sigv4::{Key, Secret, Sign, Signer};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::support::{ACCOUNT, Answer, Ask, FOREIGN, GATEWAY, NOW, ROOT, SECRET, USER, World, ask};

/// A database: its answer is the request, as JSON.
async fn database() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| async {
                    let header = |name: &str| {
                        let value = request.headers().get(name);
                        value.map(|v| v.to_str().unwrap().to_owned())
                    };
                    let shown = serde_json::json!({
                        "target": header("x-amz-target"),
                        "authorization": header("authorization"),
                        "token": header("x-amz-security-token"),
                    });
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    let shown = serde_json::json!({
                        "head": shown,
                        "body": String::from_utf8_lossy(&body),
                    });
                    hyper::Response::builder()
                        .header("content-type", "application/x-amz-json-1.0")
                        .header("x-amz-crc32", "7")
                        .header("set-cookie", "mine")
                        .body(Full::new(Bytes::from(shown.to_string())))
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    url
}

async fn world(with: bool) -> World {
    let dynamodb = match with {
        false => None,
        true => Some(DynamoDb {
            upstream: Upstream::new(
                Endpoint::parse(&database().await, None).unwrap(),
                "us-east-1",
                Service::DynamoDb,
                Some(Credentials::new("UPSTREAMKEY", "upstream-secret")),
                Timeouts::default(),
            ),
            account: ACCOUNT.parse().unwrap(),
        }),
    };
    let world = World::before(dynamodb, NOW, Settings::default());
    world.intents.edit(|draft| {
        draft
            .edit::<VpcEndpoint>(GATEWAY, |endpoint| {
                endpoint.service = "com.amazonaws.us-east-1.dynamodb".to_owned();
            })
            .unwrap()
    });
    world
}

fn asked(operation: &str, body: &str, key: &str) -> Ask {
    let mut call = ask("POST", "/")
        .host("dynamodb.us-east-1.amazonaws.com")
        .header("x-amz-target", &format!("DynamoDB_20120810.{operation}"))
        .header("content-type", "application/x-amz-json-1.0")
        .body(body);
    let secret = Secret::new(SECRET);
    let signer = Signer {
        key: Key {
            access_key_id: key,
            secret: &secret,
            session_token: None,
        },
        region: "us-east-1",
        service: Service::DynamoDb,
        now: NOW,
    };
    let added = call.parts(|parts| signer.sign(parts, Sign::Bytes(body.as_bytes())));
    for (name, value) in added {
        call = call.header(name, &value);
    }
    call.header("content-length", &body.len().to_string())
}

fn json(answer: &Answer) -> serde_json::Value {
    serde_json::from_slice(&answer.body).unwrap()
}

#[track_caller]
fn is_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let named = json(answer)["__type"].as_str().unwrap().to_owned();
    assert!(named.ends_with(&format!("#{code}")), "{named}");
    assert_eq!(answer.header("x-amzn-requestid").len(), 16);
}

#[tokio::test]
async fn requests_are_decided_and_signed_anew() {
    let world = world(true).await;
    let mut client = world.way(GATEWAY).client().await;
    let body = r#"{"TableName":"music","Key":{"a":{"S":"b"}}}"#;
    let answer = client.send(&asked("GetItem", body, ROOT)).await.is(200);
    let seen = json(&answer);
    assert_eq!(seen["body"], body);
    assert_eq!(seen["head"]["target"], "DynamoDB_20120810.GetItem");
    let authorization = seen["head"]["authorization"].as_str().unwrap();
    assert!(
        authorization.contains("Credential=UPSTREAMKEY/"),
        "{authorization}"
    );
    assert!(authorization.contains("/us-east-1/dynamodb/aws4_request"));
    assert_eq!(answer.header("x-amz-crc32"), "7");
    assert_eq!(answer.header("set-cookie"), "");
    assert_eq!(world.records.last()["operation"], "dynamodb:GetItem");
    assert_eq!(
        world.records.last()["resource"],
        format!("arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/music")
    );
    // The endpoint's policy counts from the next request on, for every table of a request.
    world.intents.endpoint_policy(
        GATEWAY,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"dynamodb:*","Resource":"arn:aws:dynamodb:*:*:table/music"}]}"#,
    );
    client.send(&asked("GetItem", body, ROOT)).await.is(200);
    let two = r#"{"RequestItems":{"music":{"Keys":[]},"books":{"Keys":[]}}}"#;
    is_error(
        &client.send(&asked("BatchGetItem", two, ROOT)).await,
        400,
        "AccessDeniedException",
    );
    assert_eq!(world.records.last()["layer"], "vpc-endpoint");
}

#[tokio::test]
async fn identities_must_be_allowed_too() {
    let world = world(true).await;
    let mut client = world.way(GATEWAY).client().await;
    let body = r#"{"TableName":"music"}"#;
    is_error(
        &client.send(&asked("Scan", body, USER)).await,
        400,
        "AccessDeniedException",
    );
    world.intents.user_policy(
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"dynamodb:Scan","Resource":"*","Condition":{"Null":{"aws:sourceVpce":"false"}}}]}"#,
    );
    client.send(&asked("Scan", body, USER)).await.is(200);
    is_error(
        &client.send(&asked("Query", body, USER)).await,
        400,
        "AccessDeniedException",
    );
    // Tables belong to one account; another's root has no way to them, by name or by ARN.
    is_error(
        &client.send(&asked("Scan", body, FOREIGN)).await,
        400,
        "AccessDeniedException",
    );
    let arn = r#"{"TableName":"arn:aws:dynamodb:us-east-1:999999999999:table/music"}"#;
    is_error(
        &client.send(&asked("Scan", arn, ROOT)).await,
        400,
        "AccessDeniedException",
    );
}

#[tokio::test]
async fn what_cannot_be_decided_is_not_asked() {
    let world = world(true).await;
    let mut client = world.way(GATEWAY).client().await;
    let one = r#"{"TableName":"music"}"#;
    for (operation, body, status, code) in [
        ("GetItem", "{}", 400, "ValidationException"),
        ("DropEverything", one, 400, "UnknownOperationException"),
        (
            "ExecuteStatement",
            r#"{"Statement":"x"}"#,
            501,
            "NotImplementedException",
        ),
    ] {
        is_error(
            &client.send(&asked(operation, body, ROOT)).await,
            status,
            code,
        );
    }
    // A body that is not the one that was signed.
    let mut other = asked("GetItem", one, ROOT);
    other = other.body(r#"{"TableName":"movie"}"#);
    is_error(&client.send(&other).await, 400, "InvalidSignatureException");
    // Another name than the service's.
    let s3 = asked("GetItem", one, ROOT).host("s3.us-east-1.amazonaws.com");
    is_error(&client.send(&s3).await, 400, "InvalidEndpointException");
    // S3 is not served through it.
    let get = ask("GET", "/reports/k").host("dynamodb.us-east-1.amazonaws.com");
    is_error(&client.send(&get).await, 400, "UnknownOperationException");
}

#[tokio::test]
async fn without_a_database_the_answer_says_so() {
    let world = world(false).await;
    let mut client = world.way(GATEWAY).client().await;
    let body = r#"{"TableName":"music"}"#;
    let answer = client.send(&asked("GetItem", body, ROOT)).await;
    is_error(&answer, 501, "NotImplementedException");
    assert!(answer.text().contains("[dynamodb]"), "{}", answer.text());
}
