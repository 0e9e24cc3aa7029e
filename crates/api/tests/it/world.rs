//! A small installation to call operations of.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use adit_api::bootstrap::{self, Bootstrap, RegionStart};
use adit_api::{Api, Caller, Ctx, Ids, Planes, Settled};
use adit_model::{Draft, Generation, Intent, Millis, Secret, VpcId};
use adit_snapshot::{KeyView, PlaneFault, Sessions, Snapshot, Status, StatusBoard, build};
use adit_store::{Author, Store};
use adit_wire::{ErrorReply, OperationRef, Service, Value, list, map, protocol};

/// The first account.
pub(crate) const ACCOUNT: &str = "123456789012";
/// Its root key.
pub(crate) const ROOT: &str = "AKIAROOTROOTROOTROOT";
/// The S3 service of the default Region.
pub(crate) const S3: &str = "com.amazonaws.us-east-1.s3";
/// A policy that allows everything to everybody.
pub(crate) const ALLOW_ALL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;

/// An installation in a temporary directory.
pub(crate) struct World {
    api: Api,
    pub(crate) store: Arc<Store>,
    pub(crate) planes: Arc<FakePlanes>,
    runtime: tokio::runtime::Runtime,
    /// Whose key calls are made with.
    pub(crate) key: Mutex<String>,
    /// The session token that goes with the key.
    token: Mutex<Option<String>>,
    region: Mutex<String>,
    now: Mutex<Millis>,
    _directory: tempfile::TempDir,
}

/// Planes that reach every generation at once, unless they are stuck.
pub(crate) struct FakePlanes {
    store: Arc<Store>,
    stuck: AtomicBool,
    board: Mutex<StatusBoard>,
}

impl FakePlanes {
    /// From now on nothing is reached.
    pub(crate) fn stick(&self) {
        self.stuck.store(true, Ordering::SeqCst);
    }

    /// Whatever there is, is reached.
    pub(crate) fn catch_up(&self) {
        self.stuck.store(false, Ordering::SeqCst);
        self.report(self.store.intent().generation, Vec::new());
    }

    /// A plane cannot realise something of a VPC.
    pub(crate) fn fail(&self, vpc: &str, what: &str) {
        let fault = PlaneFault {
            vpc: Some(vpc.parse::<VpcId>().unwrap()),
            what: what.to_string(),
        };
        self.report(self.store.intent().generation, vec![fault]);
    }

    fn report(&self, reached: Generation, faults: Vec<PlaneFault>) {
        self.board
            .lock()
            .unwrap()
            .report("net", Status { reached, faults });
    }
}

impl Planes for FakePlanes {
    fn board(&self) -> Arc<StatusBoard> {
        Arc::new(self.board.lock().unwrap().clone())
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::new(build(&self.store.intent()))
    }

    fn settled(&self, generation: Generation) -> Settled<'_> {
        Box::pin(async move {
            if !self.stuck.load(Ordering::SeqCst) {
                self.report(generation, Vec::new());
            }
        })
    }
}

/// What a first start is told.
pub(crate) fn first(default_vpc: bool) -> Bootstrap {
    let region = |name: &str, zones: &str, prefixes: &[&str], public: &str| RegionStart {
        name: name.parse().unwrap(),
        zones: zones
            .chars()
            .map(|letter| format!("{name}{letter}").parse().unwrap())
            .collect(),
        dynamodb_prefixes: Vec::new(),
        s3_prefixes: prefixes
            .iter()
            .map(|prefix| prefix.parse().unwrap())
            .collect(),
        public_addresses: public.parse().unwrap(),
    };
    Bootstrap {
        account: ACCOUNT.parse().unwrap(),
        access_key_id: ROOT.to_string(),
        secret_access_key: Secret::new("root secret"),
        regions: vec![
            region(
                "us-east-1",
                "abc",
                &["198.18.0.0/20", "198.18.16.0/24"],
                "198.19.0.0/24",
            ),
            region("eu-west-1", "ab", &["198.18.32.0/20"], "198.19.1.0/24"),
        ],
        default_region: "us-east-1".parse().unwrap(),
        default_vpc,
        now: 1_700_000_000_123,
        ids: Ids::seeded(1),
    }
}

impl World {
    pub(crate) fn new() -> World {
        World::starting(&first(false))
    }

    pub(crate) fn starting(wish: &Bootstrap) -> World {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(directory.path()).unwrap());
        let planes = Arc::new(FakePlanes {
            store: store.clone(),
            stuck: AtomicBool::new(false),
            board: Mutex::new(StatusBoard::expecting(&["net"])),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let world = World {
            api: Api::new(store.clone(), planes.clone()),
            store,
            planes,
            runtime,
            key: Mutex::new(ROOT.to_string()),
            token: Mutex::new(None),
            region: Mutex::new("us-east-1".to_string()),
            now: Mutex::new(wish.now),
            _directory: directory,
        };
        world.write(|draft| bootstrap::first_start(draft, wish).unwrap());
        world
    }

    /// Changes the intent behind the operations' back.
    pub(crate) fn write<T>(&self, mut work: impl FnMut(&mut Draft) -> T) -> T {
        let author = Author {
            who: "test",
            operation: "test",
        };
        let work = |draft: &mut Draft| Ok::<T, ()>(work(draft));
        let done = self
            .runtime
            .block_on(self.store.write(author, work))
            .unwrap();
        done.value
    }

    pub(crate) fn intent(&self) -> Arc<Intent> {
        self.store.intent()
    }

    /// Calls go to another Region from now on.
    pub(crate) fn go_to(&self, region: &str) {
        *self.region.lock().unwrap() = region.to_string();
    }

    /// Calls are made with another key from now on.
    pub(crate) fn use_key(&self, key: &str) {
        *self.key.lock().unwrap() = key.to_string();
        *self.token.lock().unwrap() = None;
    }

    /// Calls are made with temporary credentials from now on.
    pub(crate) fn use_session(&self, key: &str, token: &str) {
        self.use_key(key);
        *self.token.lock().unwrap() = Some(token.to_string());
    }

    /// The clock.
    pub(crate) fn time(&self) -> Millis {
        *self.now.lock().unwrap()
    }

    /// What is known of whoever calls.
    pub(crate) fn session_view(&self) -> Arc<KeyView> {
        let key = self.key.lock().unwrap().clone();
        let token = self.token.lock().unwrap().clone();
        let snapshot = self.planes.snapshot();
        let sessions = Sessions::default();
        let found = sessions.signer(&snapshot, &key, token.as_deref(), self.time());
        found.expect("the credentials are somebody's")
    }

    /// Lets time pass.
    pub(crate) fn sleep(&self, millis: Millis) {
        *self.now.lock().unwrap() += millis;
    }

    /// Calls an operation; whatever it answers must fit its wire table.
    pub(crate) fn call(
        &self,
        service: Service,
        name: &str,
        input: Value,
    ) -> Result<Value, ErrorReply> {
        let op = OperationRef::find(service, name).unwrap_or_else(|| panic!("no {name}"));
        check_input(&op, &input);
        let ctx = self.ctx();
        let answer = self.runtime.block_on(self.api.call(&op, &input, ctx));
        if let Ok(output) = &answer
            && service != Service::Adit
        {
            let mut wrong = protocol::unknown_members(&op, output);
            wrong.retain(|what| !is_wire_spelling(what));
            assert_eq!(wrong, [""; 0], "{name}: {output:?}");
            let reply = protocol::encode(&op, output, "request");
            assert!(reply.status < 300, "{name}: {}", reply.status);
        }
        answer
    }

    /// The caller, here and now.
    fn ctx(&self) -> Ctx {
        Ctx {
            caller: Caller::of(&self.session_view()),
            region: self.region.lock().unwrap().parse().unwrap(),
            now: *self.now.lock().unwrap(),
            ids: Ids::random(),
        }
    }

    /// Calls of EC2 that race each other.
    pub(crate) fn all_at_once(&self, calls: Vec<(&str, Value)>) -> Vec<Result<Value, ErrorReply>> {
        std::thread::scope(|scope| {
            let threads: Vec<_> = calls
                .into_iter()
                .map(|(name, input)| {
                    let op = OperationRef::find(Service::Ec2, name).unwrap();
                    let ctx = self.ctx();
                    scope.spawn(move || {
                        let runtime = tokio::runtime::Builder::new_current_thread()
                            .build()
                            .unwrap();
                        runtime.block_on(self.api.call(&op, &input, ctx))
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        })
    }

    /// Answers a whole request.
    pub(crate) fn serve(&self, request: adit_api::Request<'_>) -> adit_wire::HttpReply {
        self.runtime.block_on(self.api.serve(request))
    }

    /// An EC2 operation that must succeed.
    pub(crate) fn ec2(&self, name: &str, input: Value) -> Value {
        self.call(Service::Ec2, name, input)
            .unwrap_or_else(|error| panic!("{name}: {error:?}"))
    }

    /// An operation of another service that must succeed.
    pub(crate) fn ok(&self, service: Service, name: &str, input: Value) -> Value {
        self.call(service, name, input)
            .unwrap_or_else(|error| panic!("{name}: {error:?}"))
    }

    /// An operation that must be refused, and leave everything as it was.
    pub(crate) fn refused(&self, service: Service, name: &str, input: Value) -> ErrorReply {
        let before = self.intent().dump();
        let error = match self.call(service, name, input.clone()) {
            Ok(output) => panic!("{name} {input:?} was not refused: {output:?}"),
            Err(error) => error,
        };
        assert!(
            self.intent().dump() == before,
            "{name} was refused and changed something"
        );
        error
    }

    /// An EC2 operation that must be refused: its code and message.
    pub(crate) fn ec2_refused(&self, name: &str, input: Value) -> (String, String) {
        let error = self.refused(Service::Ec2, name, input);
        (error.code.into_owned(), error.message)
    }

    // ---- what many tests need ---------------------------------------------------------------

    pub(crate) fn vpc(&self, cidr: &str) -> String {
        let made = self.ec2("CreateVpc", map! { "CidrBlock" => cidr });
        text(made.get("Vpc"), "VpcId")
    }

    pub(crate) fn subnet(&self, vpc: &str, cidr: &str, zone: &str) -> String {
        let zone = format!("{}{zone}", self.region.lock().unwrap());
        let input = map! { "VpcId" => vpc, "CidrBlock" => cidr, "AvailabilityZone" => zone };
        text(self.ec2("CreateSubnet", input).get("Subnet"), "SubnetId")
    }

    pub(crate) fn table(&self, vpc: &str) -> String {
        let made = self.ec2("CreateRouteTable", map! { "VpcId" => vpc });
        text(made.get("RouteTable"), "RouteTableId")
    }

    pub(crate) fn internet_gateway(&self, vpc: Option<&str>) -> String {
        let made = self.ec2("CreateInternetGateway", map! {});
        let id = text(made.get("InternetGateway"), "InternetGatewayId");
        if let Some(vpc) = vpc {
            let input = map! { "InternetGatewayId" => id.as_str(), "VpcId" => vpc };
            self.ec2("AttachInternetGateway", input);
        }
        id
    }

    pub(crate) fn group(&self, vpc: &str, name: &str) -> String {
        let input = map! { "VpcId" => vpc, "GroupName" => name, "Description" => name };
        text(&self.ec2("CreateSecurityGroup", input), "GroupId")
    }

    pub(crate) fn default_group(&self, vpc: &str) -> String {
        let filters = list![filter("vpc-id", &[vpc]), filter("group-name", &["default"])];
        let shown = self.ec2("DescribeSecurityGroups", map! { "Filters" => filters });
        text(one(&shown, "SecurityGroups"), "GroupId")
    }

    pub(crate) fn main_table(&self, vpc: &str) -> String {
        let filters = list![
            filter("vpc-id", &[vpc]),
            filter("association.main", &["true"])
        ];
        let shown = self.ec2("DescribeRouteTables", map! { "Filters" => filters });
        text(one(&shown, "RouteTables"), "RouteTableId")
    }

    pub(crate) fn gateway_endpoint(&self, vpc: &str, tables: &[&str]) -> String {
        let input = map! {
            "VpcId" => vpc, "ServiceName" => S3, "RouteTableIds" => tables.to_vec(),
        };
        text(
            self.ec2("CreateVpcEndpoint", input).get("VpcEndpoint"),
            "VpcEndpointId",
        )
    }

    pub(crate) fn interface_endpoint(&self, vpc: &str, subnets: &[&str]) -> String {
        let input = map! {
            "VpcId" => vpc,
            "ServiceName" => S3,
            "VpcEndpointType" => "Interface",
            "SubnetIds" => subnets.to_vec(),
        };
        text(
            self.ec2("CreateVpcEndpoint", input).get("VpcEndpoint"),
            "VpcEndpointId",
        )
    }

    pub(crate) fn endpoint(&self, id: &str) -> Value {
        let shown = self.ec2(
            "DescribeVpcEndpoints",
            map! { "VpcEndpointIds" => list![id] },
        );
        one(&shown, "VpcEndpoints").clone()
    }

    /// A run in a subnet: its interface.
    pub(crate) fn run(&self, subnet: &str) -> String {
        let input = map! { "SubnetId" => subnet, "Pid" => 17i64, "Started" => 4i64 };
        text(
            &self.ok(Service::Adit, "CreateRun", input),
            "NetworkInterfaceId",
        )
    }
}

/// Input with a member that the table does not have would test nothing.
fn check_input(op: &OperationRef, input: &Value) {
    let Some(operation) = op.table() else { return };
    let table = op.service().table().unwrap();
    let shape = operation.input.map(|input| table.shape(input));
    for (name, _) in input.map().into_iter().flat_map(|map| map.iter()) {
        let known = shape.and_then(|shape| shape.structure()?.member(name));
        assert!(known.is_some(), "{} has no member {name}", op.name());
    }
}

/// States of endpoints begin with a small letter on the wire, whatever the models of the SDKs say, and an
/// attachment of an internet gateway is `available` [ec2-api §9]; the interface of a NAT gateway is of the type
/// that the filter of the same name has.
fn is_wire_spelling(what: &str) -> bool {
    let states = [
        "pendingAcceptance",
        "pending",
        "available",
        "rejected",
        "failed",
    ];
    let is_state = |state: &&str| what.contains(&format!("State: `{state}`"));
    let of_endpoint = what.contains("VpcEndpoint") && states.iter().any(is_state);
    of_endpoint
        || what.contains("Attachments[0].State: `available`")
        || what.contains("InterfaceType: `nat_gateway`")
}

/// A text member that must be there.
pub(crate) fn text(value: &Value, name: &str) -> String {
    value
        .get(name)
        .str()
        .unwrap_or_else(|| panic!("no {name} in {value:?}"))
        .to_string()
}

/// The only item of a list member.
pub(crate) fn one<'a>(value: &'a Value, name: &str) -> &'a Value {
    match value.get(name).list() {
        [item] => item,
        other => panic!("not one {name}: {other:?}"),
    }
}

/// The texts of a list member.
pub(crate) fn texts(value: &Value, name: &str) -> Vec<String> {
    value.get(name).strings().map(str::to_string).collect()
}

/// A member of every item of a list.
pub(crate) fn each(value: &Value, list: &str, name: &str) -> Vec<String> {
    value
        .get(list)
        .list()
        .iter()
        .map(|item| text(item, name))
        .collect()
}

/// A filter.
pub(crate) fn filter(name: &str, values: &[&str]) -> Value {
    map! { "Name" => name, "Values" => values.to_vec() }
}

/// Tags for a resource that is being made.
pub(crate) fn tagged(kind: &str, tags: &[(&str, &str)]) -> Value {
    let tags: Value = tags
        .iter()
        .map(|(key, value)| map! { "Key" => *key, "Value" => *value })
        .collect();
    list![map! { "ResourceType" => kind, "Tags" => tags }]
}
