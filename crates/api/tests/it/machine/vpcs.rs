//! VPCs, subnets, route tables, internet gateways, groups and endpoints to S3.

use std::collections::{BTreeMap, BTreeSet};

use adit_wire::{Value, list, map};
use proptest::prelude::*;

use super::{Driver, cases, keys, pick};
use crate::world::{S3, text};

/// What the model knows. Ids are the installation's own.
#[derive(Debug, Default)]
struct Model {
    /// VPC: the third octets that its subnets have.
    vpcs: BTreeMap<String, BTreeSet<u8>>,
    /// Subnet: its VPC, third octet and zone.
    subnets: BTreeMap<String, (String, u8, u8)>,
    /// Route table that is not a main one: its VPC.
    tables: BTreeMap<String, String>,
    /// Subnet: the table it is associated with.
    associations: BTreeMap<String, String>,
    /// Internet gateway: its VPC.
    gateways: BTreeMap<String, Option<String>>,
    /// Group that is not a default one: its VPC and name.
    groups: BTreeMap<String, (String, u8)>,
    endpoints: BTreeMap<String, Endpoint>,
}

#[derive(Debug)]
struct Endpoint {
    vpc: String,
    tables: BTreeSet<String>,
    subnets: BTreeSet<String>,
    group: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum Call {
    CreateVpc,
    DeleteVpc(u8),
    CreateSubnet {
        vpc: u8,
        octet: u8,
        zone: u8,
    },
    DeleteSubnet(u8),
    CreateTable {
        vpc: u8,
    },
    DeleteTable(u8),
    Associate {
        subnet: u8,
        table: u8,
    },
    CreateGateway,
    Attach {
        gateway: u8,
        vpc: u8,
    },
    Detach {
        gateway: u8,
        vpc: u8,
    },
    DeleteGateway(u8),
    CreateGroup {
        vpc: u8,
        name: u8,
    },
    DeleteGroup(u8),
    GatewayEndpoint {
        vpc: u8,
        table: u8,
    },
    InterfaceEndpoint {
        vpc: u8,
        one: u8,
        two: u8,
        group: Option<u8>,
    },
    ModifyTables {
        endpoint: u8,
        table: u8,
        add: bool,
    },
    DeleteEndpoint(u8),
    DeleteAgain(u8),
}

fn call() -> impl Strategy<Value = Call> {
    let n = || 0..4u8;
    prop_oneof![
        1 => Just(Call::CreateVpc),
        1 => n().prop_map(Call::DeleteVpc),
        3 => (n(), n(), 0..3u8).prop_map(|(vpc, octet, zone)| Call::CreateSubnet { vpc, octet, zone }),
        1 => n().prop_map(Call::DeleteSubnet),
        2 => n().prop_map(|vpc| Call::CreateTable { vpc }),
        1 => n().prop_map(Call::DeleteTable),
        2 => (n(), n()).prop_map(|(subnet, table)| Call::Associate { subnet, table }),
        1 => Just(Call::CreateGateway),
        2 => (n(), n()).prop_map(|(gateway, vpc)| Call::Attach { gateway, vpc }),
        1 => (n(), n()).prop_map(|(gateway, vpc)| Call::Detach { gateway, vpc }),
        1 => n().prop_map(Call::DeleteGateway),
        2 => (n(), n()).prop_map(|(vpc, name)| Call::CreateGroup { vpc, name }),
        1 => n().prop_map(Call::DeleteGroup),
        3 => (n(), n()).prop_map(|(vpc, table)| Call::GatewayEndpoint { vpc, table }),
        3 => (n(), n(), n(), prop::option::of(n()))
            .prop_map(|(vpc, one, two, group)| Call::InterfaceEndpoint { vpc, one, two, group }),
        2 => (n(), n(), any::<bool>())
            .prop_map(|(endpoint, table, add)| Call::ModifyTables { endpoint, table, add }),
        1 => n().prop_map(Call::DeleteEndpoint),
        1 => n().prop_map(Call::DeleteAgain),
    ]
}

type Machine = super::Machine<Model>;

impl Machine {
    /// Something that the call needs is not there: then there is nothing to call.
    fn run(&mut self, call: Call) -> Option<()> {
        match call {
            Call::CreateVpc => {
                let answer =
                    self.expect("CreateVpc", map! { "CidrBlock" => "10.0.0.0/16" }, true)?;
                let id = text(answer.get("Vpc"), "VpcId");
                self.model.vpcs.insert(id, BTreeSet::new());
            }
            Call::DeleteVpc(n) => {
                let id = pick(&self.model.vpcs, n)?;
                let empty = self.model.vpcs[&id].is_empty()
                    && !self.model.tables.values().any(|vpc| *vpc == id)
                    && !self.model.groups.values().any(|(vpc, _)| *vpc == id)
                    && !self
                        .model
                        .gateways
                        .values()
                        .any(|vpc| vpc.as_ref() == Some(&id))
                    && !self.model.endpoints.values().any(|e| e.vpc == id);
                if self.delete("DeleteVpc", "VpcId", &id, empty) {
                    self.model.vpcs.remove(&id);
                }
            }
            Call::CreateSubnet { vpc, octet, zone } => {
                let vpc = pick(&self.model.vpcs, vpc)?;
                let letter = ["a", "b", "c"][usize::from(zone)];
                let input = map! {
                    "VpcId" => vpc.as_str(), "CidrBlock" => format!("10.0.{octet}.0/24"),
                    "AvailabilityZone" => format!("us-east-1{letter}"),
                };
                let free = !self.model.vpcs[&vpc].contains(&octet);
                let answer = self.expect("CreateSubnet", input, free)?;
                let id = text(answer.get("Subnet"), "SubnetId");
                self.model.vpcs.get_mut(&vpc)?.insert(octet);
                self.model.subnets.insert(id, (vpc, octet, zone));
            }
            Call::DeleteSubnet(n) => {
                let id = pick(&self.model.subnets, n)?;
                let used = self
                    .model
                    .endpoints
                    .values()
                    .any(|e| e.subnets.contains(&id));
                if self.delete("DeleteSubnet", "SubnetId", &id, !used) {
                    let (vpc, octet, _) = self.model.subnets.remove(&id)?;
                    self.model.associations.remove(&id);
                    self.model.vpcs.get_mut(&vpc)?.remove(&octet);
                }
            }
            Call::CreateTable { vpc } => {
                let vpc = pick(&self.model.vpcs, vpc)?;
                let answer =
                    self.expect("CreateRouteTable", map! { "VpcId" => vpc.as_str() }, true)?;
                let id = text(answer.get("RouteTable"), "RouteTableId");
                self.model.tables.insert(id, vpc);
            }
            Call::DeleteTable(n) => {
                let id = pick(&self.model.tables, n)?;
                let used = self.model.associations.values().any(|table| *table == id);
                if self.delete("DeleteRouteTable", "RouteTableId", &id, !used) {
                    self.model.tables.remove(&id);
                    for endpoint in self.model.endpoints.values_mut() {
                        endpoint.tables.remove(&id);
                    }
                }
            }
            Call::Associate { subnet, table } => {
                let (subnet, table) = (
                    pick(&self.model.subnets, subnet)?,
                    pick(&self.model.tables, table)?,
                );
                let same_vpc = self.model.subnets[&subnet].0 == self.model.tables[&table];
                let free = self
                    .model
                    .associations
                    .get(&subnet)
                    .is_none_or(|t| *t == table);
                let input =
                    map! { "SubnetId" => subnet.as_str(), "RouteTableId" => table.as_str() };
                self.expect("AssociateRouteTable", input, same_vpc && free)?;
                self.model.associations.insert(subnet, table);
            }
            Call::CreateGateway => {
                let answer = self.expect("CreateInternetGateway", map! {}, true)?;
                let id = text(answer.get("InternetGateway"), "InternetGatewayId");
                self.model.gateways.insert(id, None);
            }
            Call::Attach { gateway, vpc } => {
                let (id, vpc) = (
                    pick(&self.model.gateways, gateway)?,
                    pick(&self.model.vpcs, vpc)?,
                );
                let free = self.model.gateways[&id].is_none()
                    && !self
                        .model
                        .gateways
                        .values()
                        .any(|of| of.as_ref() == Some(&vpc));
                let input = map! { "InternetGatewayId" => id.as_str(), "VpcId" => vpc.as_str() };
                self.expect("AttachInternetGateway", input, free)?;
                self.model.gateways.insert(id, Some(vpc));
            }
            Call::Detach { gateway, vpc } => {
                let (id, vpc) = (
                    pick(&self.model.gateways, gateway)?,
                    pick(&self.model.vpcs, vpc)?,
                );
                let attached = self.model.gateways[&id].as_ref() == Some(&vpc);
                let input = map! { "InternetGatewayId" => id.as_str(), "VpcId" => vpc.as_str() };
                self.expect("DetachInternetGateway", input, attached)?;
                self.model.gateways.insert(id, None);
            }
            Call::DeleteGateway(n) => {
                let id = pick(&self.model.gateways, n)?;
                let free = self.model.gateways[&id].is_none();
                if self.delete("DeleteInternetGateway", "InternetGatewayId", &id, free) {
                    self.model.gateways.remove(&id);
                }
            }
            Call::CreateGroup { vpc, name } => {
                let vpc = pick(&self.model.vpcs, vpc)?;
                let free = !self
                    .model
                    .groups
                    .values()
                    .any(|of| *of == (vpc.clone(), name));
                let input = map! {
                    "VpcId" => vpc.as_str(), "GroupName" => format!("g{name}"), "Description" => "d",
                };
                let answer = self.expect("CreateSecurityGroup", input, free)?;
                self.model
                    .groups
                    .insert(text(&answer, "GroupId"), (vpc, name));
            }
            Call::DeleteGroup(n) => {
                let id = pick(&self.model.groups, n)?;
                let used = self
                    .model
                    .endpoints
                    .values()
                    .any(|e| e.group.as_ref() == Some(&id));
                if self.delete("DeleteSecurityGroup", "GroupId", &id, !used) {
                    self.model.groups.remove(&id);
                }
            }
            Call::GatewayEndpoint { vpc, table } => {
                let (vpc, table) = (
                    pick(&self.model.vpcs, vpc)?,
                    pick(&self.model.tables, table)?,
                );
                let good = self.model.tables[&table] == vpc && !self.has_route(&table);
                let input = map! {
                    "VpcId" => vpc.as_str(), "ServiceName" => S3, "RouteTableIds" => list![table.as_str()],
                };
                let answer = self.expect("CreateVpcEndpoint", input, good)?;
                self.made(&answer, vpc, [table].into(), BTreeSet::new(), None);
            }
            Call::InterfaceEndpoint {
                vpc,
                one,
                two,
                group,
            } => {
                let vpc = pick(&self.model.vpcs, vpc)?;
                let (one, two) = (
                    pick(&self.model.subnets, one)?,
                    pick(&self.model.subnets, two)?,
                );
                let group = group.and_then(|n| pick(&self.model.groups, n));
                let subnets: BTreeSet<String> = [one, two].into();
                let places: Vec<_> = subnets.iter().map(|id| &self.model.subnets[id]).collect();
                let zones: BTreeSet<u8> = places.iter().map(|(_, _, zone)| *zone).collect();
                let good = places.iter().all(|(of, ..)| *of == vpc)
                    && zones.len() == subnets.len()
                    && group
                        .as_ref()
                        .is_none_or(|id| self.model.groups[id].0 == vpc);
                let ids: Vec<Value> = subnets.iter().map(|id| id.as_str().into()).collect();
                let mut input = map! {
                    "VpcId" => vpc.as_str(), "ServiceName" => S3, "VpcEndpointType" => "Interface",
                    "SubnetIds" => Value::List(ids),
                };
                if let Some(id) = &group {
                    input
                        .map_mut()?
                        .insert("SecurityGroupIds", list![id.as_str()]);
                }
                let answer = self.expect("CreateVpcEndpoint", input, good)?;
                self.made(&answer, vpc, BTreeSet::new(), subnets, group);
            }
            Call::ModifyTables {
                endpoint,
                table,
                add,
            } => {
                let (id, table) = (
                    pick(&self.model.endpoints, endpoint)?,
                    pick(&self.model.tables, table)?,
                );
                let endpoint = &self.model.endpoints[&id];
                // Removing what is not there, or adding what is, is left to tests of its own.
                if !endpoint.subnets.is_empty() || endpoint.tables.contains(&table) == add {
                    return None;
                }
                let good =
                    !add || (self.model.tables[&table] == endpoint.vpc && !self.has_route(&table));
                let member = if add {
                    "AddRouteTableIds"
                } else {
                    "RemoveRouteTableIds"
                };
                let input =
                    map! { "VpcEndpointId" => id.as_str(), member => list![table.as_str()] };
                self.expect("ModifyVpcEndpoint", input, good)?;
                let tables = &mut self.model.endpoints.get_mut(&id)?.tables;
                match add {
                    true => tables.insert(table),
                    false => tables.remove(&table),
                };
            }
            Call::DeleteEndpoint(n) => {
                let id = pick(&self.model.endpoints, n)?;
                let input = map! { "VpcEndpointIds" => list![id.as_str()] };
                let answer = self.expect("DeleteVpcEndpoints", input, true)?;
                assert!(answer.get("Unsuccessful").list().is_empty(), "{answer:?}");
                self.model.endpoints.remove(&id);
            }
            Call::DeleteAgain(n) => self.driver.delete_again(&self.model, n),
        }
        Some(())
    }

    fn has_route(&self, table: &str) -> bool {
        self.model
            .endpoints
            .values()
            .any(|e| e.tables.contains(table))
    }

    fn made(
        &mut self,
        answer: &Value,
        vpc: String,
        tables: BTreeSet<String>,
        subnets: BTreeSet<String>,
        group: Option<String>,
    ) {
        let id = text(answer.get("VpcEndpoint"), "VpcEndpointId");
        let endpoint = Endpoint {
            vpc,
            tables,
            subnets,
            group,
        };
        self.model.endpoints.insert(id, endpoint);
    }

    /// What the API shows is what the model says.
    fn check(&self) {
        self.driver.check();
        let (world, driver) = (&self.driver.world, &self.driver);
        let model = &self.model;
        assert_eq!(
            driver.shown("DescribeVpcs", "Vpcs", "VpcId"),
            keys(&model.vpcs)
        );
        assert_eq!(
            driver.shown("DescribeSubnets", "Subnets", "SubnetId"),
            keys(&model.subnets)
        );
        assert_eq!(
            driver.shown(
                "DescribeInternetGateways",
                "InternetGateways",
                "InternetGatewayId"
            ),
            keys(&model.gateways)
        );
        let answer = world.ec2("DescribeRouteTables", map! {});
        let mut tables = BTreeSet::new();
        let mut associations = BTreeMap::new();
        for table in answer.get("RouteTables").list() {
            let id = text(table, "RouteTableId");
            let all = table.get("Associations").list();
            for association in all.iter().filter(|a| a.get("Main").bool() != Some(true)) {
                associations.insert(text(association, "SubnetId"), id.clone());
            }
            if all.iter().all(|a| a.get("Main").bool() != Some(true)) {
                tables.insert(id.clone());
            }
            let routes = table.get("Routes").list().iter();
            let to_s3 = routes
                .filter(|r| r.get("DestinationPrefixListId").str().is_some())
                .count();
            assert_eq!(
                to_s3,
                usize::from(self.has_route(&id)),
                "routes to S3 in {id}"
            );
        }
        assert_eq!(tables, keys(&model.tables));
        assert_eq!(associations, model.associations);
        let answer = world.ec2("DescribeSecurityGroups", map! {});
        let groups = answer.get("SecurityGroups").list().iter();
        let own: BTreeSet<String> = groups
            .filter(|g| text(g, "GroupName") != "default")
            .map(|g| text(g, "GroupId"))
            .collect();
        assert_eq!(own, keys(&model.groups));
        let answer = world.ec2("DescribeVpcEndpoints", map! {});
        let mut interfaces = 0;
        for endpoint in answer.get("VpcEndpoints").list() {
            let id = text(endpoint, "VpcEndpointId");
            let known = model
                .endpoints
                .get(&id)
                .expect("an endpoint that was made and not deleted");
            let set = |name: &str| {
                crate::world::texts(endpoint, name)
                    .into_iter()
                    .collect::<BTreeSet<_>>()
            };
            assert_eq!(
                (set("RouteTableIds"), set("SubnetIds")),
                (known.tables.clone(), known.subnets.clone())
            );
            interfaces += known.subnets.len();
        }
        assert_eq!(
            answer.get("VpcEndpoints").list().len(),
            model.endpoints.len()
        );
        let answer = world.ec2("DescribeNetworkInterfaces", map! {});
        assert_eq!(answer.get("NetworkInterfaces").list().len(), interfaces);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn what_there_is_is_what_was_asked_for(calls in prop::collection::vec(call(), 1..100)) {
        let mut machine = Machine { driver: Driver::new(), model: Model::default() };
        machine.run(Call::CreateVpc);
        for call in calls {
            if machine.run(call).is_some() {
                machine.check();
            }
        }
    }
}
