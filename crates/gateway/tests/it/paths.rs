//! The identity of a request's path, and what policies make of it.

use adit_gateway::{Scheme, Via};
use adit_model::VpcEndpoint;

use crate::support::*;

const BOTH: &str = r#"["arn:aws:s3:::reports","arn:aws:s3:::reports/*"]"#;

fn put() -> Ask {
    ask("PUT", "/reports/k")
        .host("s3.us-east-1.amazonaws.com")
        .body("hello")
        .root()
}

fn get() -> Ask {
    ask("GET", "/reports/k")
        .host("s3.us-east-1.amazonaws.com")
        .root()
}

#[tokio::test]
async fn an_endpoint_policy_filters_and_grants_nothing() {
    let world = World::new();
    let mut way = world.way(GATEWAY).client().await;
    way.send(&put()).await.is(200);
    world.intents.endpoint_policy(
        GATEWAY,
        &statement("Allow", "s3:GetObject", r#""arn:aws:s3:::reports/*""#, ""),
    );
    way.send(&get()).await.is(200);
    let refused = way.send(&put()).await.fails(403, "AccessDenied");
    assert_eq!(
        refused.message(),
        format!(
            "User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: s3:PutObject on resource: \"arn:aws:s3:::reports/k\" because no VPC endpoint policy allows the s3:PutObject action"
        )
    );
    let record = world.records.last();
    assert_eq!(record["decision"], "Deny");
    assert_eq!(record["layer"], "vpc-endpoint");
    assert_eq!(record["via"]["endpoint"], GATEWAY);
    assert_eq!(record["via"]["vpc"], VPC);
    assert_eq!(record["policy"], format!("gateway endpoint {GATEWAY}"));
    assert_eq!(record["requestId"], refused.header("x-amz-request-id"));
    // What the endpoint lets through still needs a grant.
    let mut user = world.way(INTERFACE).client().await;
    let key = ask("GET", "/reports/k")
        .host("s3.us-east-1.amazonaws.com")
        .by(USER);
    let refused = user.send(&key).await.fails(403, "AccessDenied");
    assert!(
        refused
            .message()
            .contains("because no identity-based policy allows"),
        "{}",
        refused.text()
    );
}

#[tokio::test]
async fn only_from_this_endpoint() {
    let world = World::new();
    let condition = format!(r#"{{"StringNotEquals":{{"aws:sourceVpce":"{GATEWAY}"}}}}"#);
    world
        .intents
        .policy("reports", &statement("Deny", "s3:*", BOTH, &condition));
    world.way(GATEWAY).client().await.send(&put()).await.is(200);
    let elsewhere = [
        Via::Endpoint(INTERFACE.parse().unwrap()),
        Via::Internet,
        Via::Api,
    ];
    for via in elsewhere {
        let refused = world
            .listen(via)
            .client()
            .await
            .send(&get())
            .await
            .fails(403, "AccessDenied");
        assert!(
            refused
                .message()
                .ends_with("with an explicit deny in a resource-based policy"),
            "{}",
            refused.text()
        );
        let record = world.records.last();
        assert_eq!(
            (record["layer"].as_str(), record["statement"].as_str()),
            (Some("resource"), Some("TheOne"))
        );
    }
}

#[tokio::test]
async fn only_from_this_vpc_or_address() {
    let world = World::new();
    world.way(GATEWAY).client().await.send(&put()).await.is(200);
    let cases = [
        (
            format!(r#"{{"StringNotEquals":{{"aws:sourceVpc":"{VPC}"}}}}"#),
            true,
            false,
        ),
        (
            r#"{"StringNotEquals":{"aws:sourceVpc":"vpc-0000000000000dddd"}}"#.to_owned(),
            false,
            false,
        ),
        (
            r#"{"NotIpAddress":{"aws:VpcSourceIp":"127.0.0.0/8"}}"#.to_owned(),
            true,
            false,
        ),
        (
            r#"{"NotIpAddress":{"aws:VpcSourceIp":"10.0.0.0/8"}}"#.to_owned(),
            false,
            false,
        ),
        // The public source address does not exist behind an endpoint: a negated test of it denies.
        (
            r#"{"NotIpAddress":{"aws:SourceIp":"127.0.0.0/8"}}"#.to_owned(),
            false,
            true,
        ),
        (
            r#"{"IpAddress":{"aws:SourceIp":"127.0.0.0/8"}}"#.to_owned(),
            true,
            false,
        ),
        (
            format!(r#"{{"StringNotEquals":{{"aws:VpceAccount":"{ACCOUNT}"}}}}"#),
            true,
            false,
        ),
        (
            format!(
                r#"{{"ArnNotEquals":{{"aws:SourceVpcArn":"arn:aws:ec2:us-east-1:{ACCOUNT}:vpc/{VPC}"}}}}"#
            ),
            true,
            false,
        ),
    ];
    let (inside, outside) = (world.way(INTERFACE), world.listen(Via::Internet));
    for (condition, through_endpoint, over_internet) in cases {
        world.intents.policy(
            "reports",
            &statement("Deny", "s3:GetObject", BOTH, &condition),
        );
        let status = |allowed| if allowed { 200 } else { 403 };
        for (port, allowed) in [(&inside, through_endpoint), (&outside, over_internet)] {
            let answer = port.client().await.send(&get()).await;
            assert_eq!(
                answer.status,
                status(allowed),
                "{condition} {}",
                answer.text()
            );
        }
    }
}

#[tokio::test]
async fn headers_claim_nothing_about_the_path() {
    let world = World::new();
    let condition = format!(r#"{{"StringNotEquals":{{"aws:sourceVpce":"{GATEWAY}"}}}}"#);
    world
        .intents
        .policy("reports", &statement("Deny", "s3:*", BOTH, &condition));
    let liar = ask("GET", "/reports/k")
        .host("s3.us-east-1.amazonaws.com")
        .header("x-forwarded-for", "10.0.0.9")
        .header("forwarded", "for=10.0.0.9")
        .header("x-amz-vpce-id", GATEWAY)
        .header("x-amz-source-vpce", GATEWAY)
        .header("x-real-ip", "10.0.0.9")
        .root();
    world
        .listen(Via::Internet)
        .client()
        .await
        .send(&liar)
        .await
        .fails(403, "AccessDenied");
    assert_eq!(world.records.last()["via"]["sourceIp"], "127.0.0.1");
}

#[tokio::test]
async fn a_kept_alive_connection_sees_every_change() {
    let world = World::new();
    let mut way = world.way(GATEWAY).client().await;
    way.send(&put()).await.is(200);
    let closed = statement("Deny", "s3:*", BOTH, "");
    for _ in 0..20 {
        world.intents.policy("reports", &closed);
        way.send(&get()).await.fails(403, "AccessDenied");
        world
            .intents
            .edit(|d| d.edit::<adit_model::Bucket>("reports", |b| b.policy = None));
        way.send(&get()).await.is(200);
        world.intents.endpoint_policy(GATEWAY, &closed);
        way.send(&get()).await.fails(403, "AccessDenied");
        world.intents.endpoint_policy(GATEWAY, OPEN);
        way.send(&get()).await.is(200);
    }
    world
        .intents
        .edit(|d| d.edit::<adit_model::AccessKey>(ROOT, |key| key.active = false));
    way.send(&get()).await.fails(403, "InvalidAccessKeyId");
}

#[tokio::test]
async fn the_connection_of_a_deleted_endpoint_ends() {
    let world = World::new();
    let port = world.way(GATEWAY);
    let mut way = port.client().await;
    way.send(&put()).await.is(200);
    let records = world.records.count();
    world
        .intents
        .edit(|draft| draft.remove::<VpcEndpoint>(GATEWAY));
    assert!(
        way.try_send(&get()).await.is_err(),
        "no answer through an endpoint that is gone"
    );
    assert!(
        port.client().await.try_send(&get()).await.is_err(),
        "nor on a new connection"
    );
    assert_eq!(world.records.count(), records);
}

#[tokio::test]
async fn a_removed_listener_closes_idle_connections() {
    let world = World::new();
    let port = world.way(GATEWAY);
    let mut idle = port.client().await;
    idle.send(&put()).await.is(200);
    port.token.cancel();
    tokio::time::timeout(std::time::Duration::from_secs(5), port.serving.finished())
        .await
        .unwrap();
    assert!(idle.try_send(&get()).await.is_err());
    assert!(tokio::net::TcpStream::connect(port.address).await.is_err());
    // Others go on.
    world
        .way(INTERFACE)
        .client()
        .await
        .send(&get())
        .await
        .is(200);
}

#[tokio::test]
async fn names_of_other_endpoints_and_regions_are_not_served() {
    let world = World::new();
    let mut way = world.way(INTERFACE).client().await;
    way.send(&put()).await.is(200);
    let own = interface_name();
    let at = |host: &str, target: &str| ask("GET", target).host(host).root();
    for host in [
        own.clone(),
        format!("bucket.{own}"),
        own.replace(".s3.", "-us-east-1a.s3."),
    ] {
        way.send(&at(&host, "/reports/k")).await.is(200);
    }
    for host in [
        format!("reports.bucket.{own}"),
        format!("reports.{own}"),
        format!("REPORTS.BUCKET.{own}:443"),
    ] {
        way.send(&at(&host, "/k")).await.is(200);
    }
    for host in [
        own.replace(SUFFIX, "00000000"),
        own.replace(INTERFACE, "vpce-0000000000000ffff"),
        own.replace("us-east-1.", "eu-west-1."),
        "s3.example.com".to_owned(),
        "localhost".to_owned(),
    ] {
        way.send(&at(&host, "/reports/k"))
            .await
            .fails(400, "InvalidHostHeader");
    }
    way.send(&at("s3.eu-west-1.amazonaws.com", "/reports/k"))
        .await
        .fails(400, "IncorrectEndpoint");
    // What PrivateLink leaves out is refused here, and served by a gateway endpoint.
    for host in [
        "s3.amazonaws.com",
        "s3-us-east-1.amazonaws.com",
        "s3-fips.us-east-1.amazonaws.com",
    ] {
        way.send(&at(host, "/reports/k"))
            .await
            .fails(400, "InvalidRequest");
        world
            .way(GATEWAY)
            .client()
            .await
            .send(&at(host, "/reports/k"))
            .await
            .is(200);
    }
    // Websites are left out by PrivateLink, too; elsewhere they are not built.
    for host in [
        "reports.s3-website-us-east-1.amazonaws.com",
        "reports.s3-website.us-east-1.amazonaws.com",
    ] {
        way.send(&at(host, "/k")).await.fails(400, "InvalidRequest");
        let mut gateway = world.way(GATEWAY).client().await;
        gateway
            .send(&at(host, "/k"))
            .await
            .fails(501, "NotImplemented");
    }
    // An endpoint's own names lead nowhere else.
    world
        .listen(Via::Internet)
        .client()
        .await
        .send(&at(&own, "/reports/k"))
        .await
        .fails(400, "InvalidHostHeader");
    world
        .way(GATEWAY)
        .client()
        .await
        .send(&at(&own, "/reports/k"))
        .await
        .fails(400, "InvalidHostHeader");
}

#[tokio::test]
async fn regions() {
    let world = World::new();
    let mut way = world.way(GATEWAY).client().await;
    let abroad = ask("GET", "/abroad/k")
        .host("s3.us-east-1.amazonaws.com")
        .root();
    let moved = way.send(&abroad).await.fails(301, "PermanentRedirect");
    assert_eq!(moved.header("x-amz-bucket-region"), "eu-west-1");
    assert_eq!(
        moved.element("Endpoint"),
        "abroad.s3.eu-west-1.amazonaws.com"
    );
    let now = ask("GET", "/reports/k").host("s3.us-east-1.amazonaws.com");
    let wrong = now.signed_for(ROOT, "eu-west-1", NOW, adit_wire::sigv4::Sign::Bytes(b""));
    let wrong = way
        .send(&wrong)
        .await
        .fails(400, "AuthorizationHeaderMalformed");
    assert_eq!(wrong.element("Region"), "us-east-1");
    // On the API address the bucket says which Region it is.
    let mut api = world.api().await;
    let abroad = ask("PUT", "/abroad/k").body("x");
    let here =
        abroad
            .clone()
            .signed_for(ROOT, "eu-west-1", NOW, adit_wire::sigv4::Sign::Bytes(b"x"));
    api.send(&here).await.is(200);
    let wrong = api
        .send(&abroad.root())
        .await
        .fails(400, "AuthorizationHeaderMalformed");
    assert_eq!(wrong.element("Region"), "eu-west-1");
}

#[tokio::test]
async fn a_client_may_use_the_address_as_host() {
    let world = World::new();
    let port = world.listen_as(Via::Internet, Scheme::Plain, "127.0.0.1:0");
    let host = port.address.to_string();
    port.client()
        .await
        .send(&ask("PUT", "/reports/k").host(&host).body("x").root())
        .await
        .is(200);
    port.client()
        .await
        .send(&ask("GET", "/reports/k").host("127.0.0.2").root())
        .await
        .fails(400, "InvalidHostHeader");
}

#[tokio::test]
async fn without_a_snapshot_nothing_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new();
    let (_told, snapshots) = tokio::sync::watch::channel(None);
    let gateway = adit_gateway::Gateway::new(adit_gateway::Setup {
        snapshots,
        store: adit_objects::Store::open(dir.path(), Default::default()).unwrap(),
        operations: world.intents.clone(),
        control: None,
        recorder: std::sync::Arc::new(()),
        authority: world.authority.clone(),
        metrics: adit_plane::metrics::Metrics::default(),
        origins: adit_gateway::Origins::default(),
        dynamodb: None,
        clock: None,
        threads: None,
        settings: Default::default(),
    })
    .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let serving = gateway
        .serve_listener(listener, Via::Api, Scheme::Plain, Default::default())
        .unwrap();
    let stream = tokio::net::TcpStream::connect(serving.local_addr())
        .await
        .unwrap();
    Client::over(stream)
        .await
        .send(&get())
        .await
        .fails(503, "ServiceUnavailable");
}

#[tokio::test]
async fn the_root_user_can_always_repair_a_bucket_policy() {
    let world = World::new();
    let locked = statement("Deny", "s3:*", BOTH, "");
    world.intents.policy("reports", &locked);
    let mut api = world.api().await;
    api.send(&put()).await.fails(403, "AccessDenied");
    // An endpoint's policy still stops it.
    world.intents.endpoint_policy(
        GATEWAY,
        &statement("Deny", "s3:DeleteBucketPolicy", "\"*\"", ""),
    );
    let delete = ask("DELETE", "/reports?policy")
        .host("s3.us-east-1.amazonaws.com")
        .root();
    world
        .way(GATEWAY)
        .client()
        .await
        .send(&delete)
        .await
        .fails(403, "AccessDenied");
    api.send(&ask("DELETE", "/reports?policy").root())
        .await
        .is(204);
    api.send(&ask("PUT", "/reports/k").body("x").root())
        .await
        .is(200);
}
