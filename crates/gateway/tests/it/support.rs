//! A small world: accounts, a VPC with endpoints, buckets, and a gateway in front of a temporary store.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use adit_gateway::ca::Authority;
use adit_gateway::{
    Call, Caller, DynamoDb, Gateway, Operations, Record, Recorder, Scheme, Serving, Settings,
    Setup, Via,
};
use adit_model::*;
use adit_snapshot::Snapshot;
use adit_wire::sigv4::{Key, Secret as Signing, Sign, Signer};
use adit_wire::{ErrorReply, Headers, OperationRef, Parts, Service, Value, map};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const STRANGER: &str = "444455556666";
/// 2026-01-02T03:04:05Z
pub(crate) const NOW: i64 = 1_767_323_045_000;
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub(crate) const ROOT: &str = "AKIAROOT000000000000";
pub(crate) const USER: &str = "AKIAUSER000000000000";
pub(crate) const FOREIGN: &str = "AKIAFOREIGN000000000";
pub(crate) const INACTIVE: &str = "AKIAINACTIVE00000000";

pub(crate) const GATEWAY: &str = "vpce-0000000000000aaaa";
pub(crate) const INTERFACE: &str = "vpce-0000000000000bbbb";
pub(crate) const VPC: &str = "vpc-0000000000000cccc";
pub(crate) const SUFFIX: &str = "5e6f7a8b";

pub(crate) fn interface_name() -> String {
    format!("{INTERFACE}-{SUFFIX}.s3.us-east-1.vpce.amazonaws.com")
}

/// The default policy of an endpoint.
pub(crate) const OPEN: &str =
    r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;

/// Records that were handed over.
#[derive(Default)]
pub(crate) struct Records(Mutex<Vec<serde_json::Value>>);

impl Recorder for Records {
    fn record(&self, record: &Record<'_>) {
        self.0
            .lock()
            .unwrap()
            .push(serde_json::from_str(&record.json()).unwrap());
    }
}

impl Records {
    pub(crate) fn last(&self) -> serde_json::Value {
        self.0.lock().unwrap().last().cloned().unwrap_or_default()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap()
            .iter()
            .map(|line| line.to_string())
            .collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// The intent, and who is told of it.
pub(crate) struct Intents {
    pub(crate) intent: Mutex<Arc<Intent>>,
    told: watch::Sender<Option<Arc<Snapshot>>>,
    pub(crate) calls: Mutex<Vec<String>>,
    pub(crate) fail: Mutex<bool>,
}

impl Intents {
    /// Changes the intent; in force when it returns.
    pub(crate) fn edit<T>(&self, change: impl FnOnce(&mut Draft) -> T) -> T {
        let mut intent = self.intent.lock().unwrap();
        let mut draft = Draft::new(&intent);
        let value = change(&mut draft);
        *intent = Arc::new(draft.finish().0);
        self.told
            .send_replace(Some(Arc::new(adit_snapshot::build(&intent))));
        value
    }

    pub(crate) fn policy(&self, bucket: &str, policy: &str) {
        self.edit(|draft| {
            draft
                .edit::<Bucket>(bucket, |b| b.policy = Some(policy.to_owned()))
                .unwrap()
        });
    }

    pub(crate) fn endpoint_policy(&self, id: &str, policy: &str) {
        self.edit(|draft| {
            draft
                .edit::<VpcEndpoint>(id, |e| e.policy = policy.to_owned())
                .unwrap()
        });
    }

    pub(crate) fn user_policy(&self, policy: &str) {
        self.edit(|draft| {
            draft
                .edit::<User>(format!("{ACCOUNT}/ana"), |user| {
                    user.inline_policies = BTreeMap::from([("work".to_owned(), policy.to_owned())]);
                })
                .unwrap()
        });
    }
}

/// As much of the operations as these tests call.
impl Operations for Intents {
    fn call<'a>(
        &'a self,
        op: &'a OperationRef,
        input: &'a Value,
        caller: &'a Caller,
        region: &'a Region,
        _: Millis,
    ) -> Call<'a> {
        self.calls.lock().unwrap().push(op.name().to_owned());
        let name = input.get("Bucket").str().unwrap_or_default();
        let done = match op.name() {
            _ if *self.fail.lock().unwrap() => Err(ErrorReply::new("InternalError", 500, "no")),
            "ListBuckets" => {
                let intent = self.intent.lock().unwrap();
                let mine = intent
                    .buckets
                    .values()
                    .filter(|b| Some(&b.owner) == caller.account());
                let shown = mine.map(|b| map! { "Name" => b.name.as_str(), "CreationDate" => Value::Time { millis: b.created } });
                Ok(map! { "Buckets" => shown.collect::<Value>() })
            }
            "CreateBucket" => {
                let owner = caller.account().unwrap().clone();
                let made = bucket(name, owner.as_str(), region.as_str());
                self.edit(|draft| draft.put(made));
                Ok(map! { "Location" => format!("/{name}") })
            }
            "DeleteBucket" => {
                self.edit(|draft| draft.remove::<Bucket>(name));
                Ok(map! {})
            }
            "PutBucketPolicy" => {
                self.policy(name, input.get("Policy").str().unwrap());
                Ok(map! {})
            }
            "GetBucketPolicy" => {
                let intent = self.intent.lock().unwrap();
                Ok(map! { "Policy" => intent.get::<Bucket>(name).unwrap().policy.clone() })
            }
            "DeleteBucketPolicy" => {
                self.edit(|draft| draft.edit::<Bucket>(name, |b| b.policy = None));
                Ok(map! {})
            }
            "PutBucketVersioning" => {
                let status = input
                    .get("VersioningConfiguration")
                    .get("Status")
                    .str()
                    .map(str::to_owned);
                self.edit(|draft| draft.edit::<Bucket>(name, |b| b.versioning = status));
                Ok(map! {})
            }
            "GetBucketLocation" => Ok(map! { "LocationConstraint" => None::<String> }),
            other => Err(ErrorReply::new("NotImplemented", 501, other)),
        };
        Box::pin(async move { done })
    }
}

static INCARNATIONS: AtomicU64 = AtomicU64::new(0);

pub(crate) fn bucket(name: &str, owner: &str, region: &str) -> Bucket {
    Bucket {
        name: name.parse().unwrap(),
        incarnation: format!("{name}-{}", INCARNATIONS.fetch_add(1, Ordering::Relaxed)),
        origin: None,
        owner: owner.parse().unwrap(),
        region: region.parse().unwrap(),
        policy: None,
        versioning: None,
        ownership: "BucketOwnerEnforced".to_owned(),
        public_access_block: None,
        tags: Tags::new(),
        documents: BTreeMap::new(),
        created: NOW,
    }
}

fn region(name: &str) -> RegionInfo {
    RegionInfo {
        name: name.parse().unwrap(),
        zones: vec![format!("{name}a").parse().unwrap()],
        public_addresses: "203.0.113.0/24".parse().unwrap(),
    }
}

fn account(id: &str) -> Account {
    Account {
        id: id.parse().unwrap(),
        canonical_id: format!("{:064}", id.parse::<u64>().unwrap()),
        name: "test".to_owned(),
        created: NOW,
    }
}

fn key(id: &str, account: &str, owner: KeyOwner, active: bool) -> AccessKey {
    AccessKey {
        id: id.to_owned(),
        secret: Secret::new(SECRET),
        account: account.parse().unwrap(),
        owner,
        active,
        created: NOW,
    }
}

fn endpoint(id: &str, kind: EndpointKind) -> VpcEndpoint {
    VpcEndpoint {
        id: id.parse().unwrap(),
        vpc: VPC.parse().unwrap(),
        owner: ACCOUNT.parse().unwrap(),
        service: "com.amazonaws.us-east-1.s3".to_owned(),
        kind,
        policy: OPEN.to_owned(),
        number: 1,
        changed: Generation(1),
        created: NOW,
        client_token: None,
        address_type: AddressType::Ipv4,
        dns_record: None,
        service_region: None,
        connection: None,
        tags: Tags::new(),
    }
}

fn populate(draft: &mut Draft) {
    draft.put(Installation {
        id: "test".to_owned(),
        default_region: "us-east-1".parse().unwrap(),
        quotas: BTreeMap::new(),
    });
    draft.put(region("us-east-1"));
    draft.put(region("eu-west-1"));
    draft.put(account(ACCOUNT));
    draft.put(account(STRANGER));
    draft.put(key(ROOT, ACCOUNT, KeyOwner::Root, true));
    draft.put(key(USER, ACCOUNT, KeyOwner::User("ana".to_owned()), true));
    draft.put(key(FOREIGN, STRANGER, KeyOwner::Root, true));
    draft.put(key(INACTIVE, ACCOUNT, KeyOwner::Root, false));
    draft.put(User {
        account: ACCOUNT.parse().unwrap(),
        name: "ana".to_owned(),
        path: "/".to_owned(),
        unique_id: "AIDATEST".to_owned(),
        inline_policies: BTreeMap::new(),
        attached: Default::default(),
        boundary: None,
        groups: Default::default(),
        tags: Tags::new(),
        created: NOW,
    });
    draft.put(Vpc {
        id: VPC.parse().unwrap(),
        owner: ACCOUNT.parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
        cidrs: vec![VpcCidr {
            association: VpcCidrAssociationId::from_digits(1),
            cidr: "127.0.0.0/16".parse().unwrap(),
        }],
        ipv6: Vec::new(),
        dns_support: true,
        dns_hostnames: true,
        is_default: false,
        tenancy: "default".to_owned(),
        dhcp_options: DhcpOptionsId::from_digits(1),
        tags: Tags::new(),
    });
    // Loopback is where S3's public addresses are in this world.
    draft.put(PrefixList::of_service(
        PrefixListId::from_digits(1),
        "com.amazonaws.us-east-1.s3".to_owned(),
        "us-east-1".parse().unwrap(),
        vec!["127.0.0.0/8".parse().unwrap()],
    ));
    draft.put(endpoint(
        GATEWAY,
        EndpointKind::Gateway {
            route_tables: Vec::new(),
        },
    ));
    draft.put(endpoint(
        INTERFACE,
        EndpointKind::Interface {
            interfaces: Vec::new(),
            subnets: Vec::new(),
            groups: Vec::new(),
            dns_suffix: SUFFIX.to_owned(),
            private_dns: false,
            inbound_only: false,
        },
    ));
    draft.put(bucket("reports", ACCOUNT, "us-east-1"));
    draft.put(bucket("other", ACCOUNT, "us-east-1"));
    draft.put(bucket("abroad", ACCOUNT, "eu-west-1"));
}

pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) intents: Arc<Intents>,
    pub(crate) records: Arc<Records>,
    pub(crate) authority: Arc<Authority>,
    _dir: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> World {
        World::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> World {
        World::at(NOW, settings)
    }

    /// At another time.
    pub(crate) fn at(now: i64, settings: Settings) -> World {
        World::before(None, now, settings)
    }

    /// In front of a database.
    pub(crate) fn before(dynamodb: Option<DynamoDb>, now: i64, settings: Settings) -> World {
        World::fronting(Default::default(), dynamodb, now, settings)
    }

    /// In front of upstreams.
    pub(crate) fn fronting(
        origins: adit_gateway::Origins,
        dynamodb: Option<DynamoDb>,
        now: i64,
        settings: Settings,
    ) -> World {
        World::recorded(None, origins, dynamodb, now, settings)
    }

    /// With another recorder than one that keeps all records.
    pub(crate) fn recorded(
        recorder: Option<Arc<dyn Recorder>>,
        origins: adit_gateway::Origins,
        dynamodb: Option<DynamoDb>,
        now: i64,
        settings: Settings,
    ) -> World {
        let dir = tempfile::tempdir().unwrap();
        let authority = Arc::new(Authority::open_or_create(&dir.path().join("ca")).unwrap());
        let store =
            adit_objects::Store::open(&dir.path().join("objects"), Default::default()).unwrap();
        let (told, snapshots) = watch::channel(None);
        let intents = Arc::new(Intents {
            intent: Mutex::new(Arc::new(Intent::default())),
            told,
            calls: Mutex::default(),
            fail: Mutex::default(),
        });
        intents.edit(populate);
        let records = Arc::new(Records::default());
        let recorder: Arc<dyn Recorder> = match recorder {
            Some(recorder) => recorder,
            None => records.clone(),
        };
        let gateway = Gateway::new(Setup {
            snapshots,
            store,
            operations: intents.clone(),
            control: None,
            recorder,
            authority: authority.clone(),
            metrics: adit_plane::metrics::Metrics::default(),
            origins,
            dynamodb,
            clock: Some(Arc::new(move || now)),
            threads: None,
            settings,
        })
        .unwrap();
        World {
            gateway,
            intents,
            records,
            authority,
            _dir: dir,
        }
    }

    /// Listens on loopback as one way into the world.
    pub(crate) fn listen(&self, via: Via) -> Port {
        self.listen_as(via, Scheme::Both, "127.0.0.1:0")
    }

    pub(crate) fn listen_as(&self, via: Via, scheme: Scheme, address: &str) -> Port {
        let listener = TcpListener::bind(address).unwrap();
        let token = CancellationToken::new();
        let serving = self
            .gateway
            .serve_listener(listener, via, scheme, token.clone())
            .unwrap();
        Port {
            address: serving.local_addr(),
            serving,
            token,
        }
    }

    pub(crate) async fn api(&self) -> Client {
        self.listen(Via::Api).client().await
    }

    pub(crate) fn way(&self, endpoint: &str) -> Port {
        self.listen(Via::Endpoint(endpoint.parse().unwrap()))
    }
}

pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    pub(crate) serving: Serving,
    pub(crate) token: CancellationToken,
}

impl Port {
    /// A kept-alive connection.
    pub(crate) async fn client(&self) -> Client {
        let client = Client::over(TcpStream::connect(self.address).await.unwrap()).await;
        Client {
            again: Some(self.address),
            ..client
        }
    }
}

pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    /// Where to connect again, as clients do, when an answer said that the connection ends.
    again: Option<SocketAddr>,
    ended: bool,
}

impl Client {
    pub(crate) async fn over<S>(stream: S) -> Client
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        Client {
            sender,
            again: None,
            ended: false,
        }
    }

    /// Sends a request on this connection.
    pub(crate) async fn try_send(&mut self, call: &Ask) -> Result<Answer, hyper::Error> {
        if let (true, Some(address)) = (self.ended, self.again) {
            self.sender = Client::over(TcpStream::connect(address).await.unwrap())
                .await
                .sender;
        }
        self.sender.ready().await?;
        let response = self.sender.send_request(call.request()).await?;
        let (parts, body) = response.into_parts();
        self.ended = parts
            .headers
            .get("connection")
            .is_some_and(|value| value == "close");
        let body = body.collect().await?.to_bytes();
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        })
    }

    pub(crate) async fn send(&mut self, call: &Ask) -> Answer {
        self.try_send(call).await.unwrap()
    }
}

/// A request under construction.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn ask(method: &'static str, target: &str) -> Ask {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Ask {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers: vec![("host".to_owned(), "localhost".to_owned())],
        body: Vec::new(),
    }
}

impl Ask {
    pub(crate) fn host(mut self, host: &str) -> Ask {
        self.headers[0].1 = host.to_owned();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Ask {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Ask {
        self.body = body.into();
        self
    }

    /// With the digest of the body, for documents that need one.
    pub(crate) fn digested(self) -> Ask {
        use base64::Engine as _;
        let digest = adit_objects::Md5::of(&self.body);
        let text = base64::engine::general_purpose::STANDARD.encode(digest);
        self.header("content-md5", &text)
    }

    pub(crate) fn parts<T>(&self, use_parts: impl FnOnce(&Parts<'_>) -> T) -> T {
        let fields: Vec<(&str, &[u8])> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        use_parts(&Parts {
            method: self.method,
            path: &self.path,
            query: &self.query,
            headers: Headers(&fields),
            body: &self.body,
        })
    }

    pub(crate) fn signed_for(mut self, key: &str, region: &str, now: i64, say: Sign<'_>) -> Ask {
        let secret = Signing::new(SECRET);
        let key = Key {
            access_key_id: key,
            secret: &secret,
            session_token: None,
        };
        let signer = Signer {
            key,
            region,
            service: Service::S3,
            now,
        };
        let added = self.parts(|parts| signer.sign(parts, say));
        for (name, value) in added {
            self.headers.push((name.to_owned(), value));
        }
        self
    }

    /// Signed by a key, body hash and all.
    pub(crate) fn by(self, key: &str) -> Ask {
        let body = self.body.clone();
        self.signed_for(key, "us-east-1", NOW, Sign::Bytes(&body))
    }

    pub(crate) fn root(self) -> Ask {
        self.by(ROOT)
    }

    /// As a presigned URL.
    pub(crate) fn presigned(mut self, key: &str, expires: u32) -> Ask {
        let secret = Signing::new(SECRET);
        let key = Key {
            access_key_id: key,
            secret: &secret,
            session_token: None,
        };
        let signer = Signer {
            key,
            region: "us-east-1",
            service: Service::S3,
            now: NOW,
        };
        self.query = self.parts(|parts| signer.presign(parts, expires));
        self
    }

    pub(crate) fn target(&self) -> String {
        match self.query.as_str() {
            "" => self.path.clone(),
            query => format!("{}?{query}", self.path),
        }
    }

    pub(crate) fn request(&self) -> ::http::Request<Full<Bytes>> {
        let mut request = ::http::Request::builder()
            .method(self.method)
            .uri(self.target());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request
            .body(Full::new(Bytes::from(self.body.clone())))
            .unwrap()
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ::http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The error code, empty for a success.
    pub(crate) fn code(&self) -> String {
        self.element("Code")
    }

    pub(crate) fn message(&self) -> String {
        self.element("Message").replace("&quot;", "\"")
    }

    pub(crate) fn element(&self, name: &str) -> String {
        let text = self.text();
        let rest = text.split_once(&format!("<{name}>")).map(|(_, rest)| rest);
        rest.and_then(|rest| rest.split_once(&format!("</{name}>")))
            .map_or(String::new(), |(value, _)| value.to_owned())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{:?} {}", self.headers, self.text());
        self
    }

    #[track_caller]
    pub(crate) fn fails(self, status: u16, code: &str) -> Answer {
        assert_eq!(
            (self.status, self.code().as_str()),
            (status, code),
            "{}",
            self.text()
        );
        self
    }
}

/// A bucket policy of one statement.
pub(crate) fn statement(effect: &str, action: &str, resource: &str, condition: &str) -> String {
    let condition = match condition {
        "" => String::new(),
        condition => format!(r#","Condition":{condition}"#),
    };
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"TheOne","Effect":"{effect}","Principal":"*","Action":"{action}","Resource":{resource}{condition}}}]}}"#
    )
}
