//! Endpoint services with their load balancers, permissions, connections and notifications: a provider's
//! account, and a consumer's.

use std::collections::{BTreeMap, BTreeSet};

use adit_wire::{Service, Value, list, map};
use proptest::prelude::*;

use super::{Deleted, Driver, cases, keys, pick};
use crate::world::{ROOT, each, one, text, texts};

#[derive(Debug, Default)]
struct Model {
    /// Load balancer: the zone it stands in.
    balancers: BTreeMap<String, u8>,
    services: BTreeMap<String, Offer>,
    endpoints: BTreeMap<String, Endpoint>,
    /// Notification: the service or endpoint, and its events.
    notifications: BTreeMap<String, (String, BTreeSet<String>)>,
    made: u32,
}

#[derive(Debug)]
struct Offer {
    balancers: BTreeSet<String>,
    must_accept: bool,
    permitted: BTreeSet<String>,
}

#[derive(Debug)]
struct Endpoint {
    service: String,
    /// What the provider said.
    answer: Option<bool>,
}

const EVENTS: [&str; 4] = ["Accept", "Connect", "Delete", "Reject"];

#[derive(Debug, Clone, Copy)]
enum Call {
    CreateBalancer(u8),
    DeleteBalancer(u8),
    CreateService {
        balancer: u8,
        must_accept: bool,
    },
    Balancer {
        service: u8,
        balancer: u8,
        add: bool,
    },
    MustAccept {
        service: u8,
        must_accept: bool,
    },
    DeleteService(u8),
    Permit {
        service: u8,
        whom: u8,
        add: bool,
    },
    Connect {
        service: u8,
        zone: u8,
    },
    Answer {
        service: u8,
        endpoint: u8,
        accept: bool,
    },
    Disconnect(u8),
    Notify {
        of: u8,
        service: bool,
        events: u8,
    },
    ModifyNotification {
        notification: u8,
        events: u8,
    },
    DeleteNotification(u8),
}

fn call() -> impl Strategy<Value = Call> {
    let n = || 0..5u8;
    let yes = any::<bool>;
    prop_oneof![
        2 => (0..2u8).prop_map(Call::CreateBalancer),
        1 => n().prop_map(Call::DeleteBalancer),
        3 => (n(), yes())
            .prop_map(|(balancer, must_accept)| Call::CreateService { balancer, must_accept }),
        2 => (n(), n(), yes())
            .prop_map(|(service, balancer, add)| Call::Balancer { service, balancer, add }),
        1 => (n(), yes())
            .prop_map(|(service, must_accept)| Call::MustAccept { service, must_accept }),
        1 => n().prop_map(Call::DeleteService),
        4 => (n(), 0..3u8, prop::bool::weighted(0.7))
            .prop_map(|(service, whom, add)| Call::Permit { service, whom, add }),
        6 => (n(), 0..2u8).prop_map(|(service, zone)| Call::Connect { service, zone }),
        5 => (n(), n(), yes())
            .prop_map(|(service, endpoint, accept)| Call::Answer { service, endpoint, accept }),
        1 => n().prop_map(Call::Disconnect),
        2 => (n(), yes(), 1..16u8)
            .prop_map(|(of, service, events)| Call::Notify { of, service, events }),
        1 => (n(), 1..16u8).prop_map(
            |(notification, events)| Call::ModifyNotification { notification, events }
        ),
        1 => n().prop_map(Call::DeleteNotification),
    ]
}

struct Machine {
    driver: Driver,
    model: Model,
    /// The root key of the consumer's account, and the account.
    consumer: (String, String),
    /// A subnet in zone a and one in zone b: the provider's, the consumer's.
    places: [[String; 2]; 2],
    /// The consumer's VPC.
    vpc: String,
}

impl Machine {
    fn new() -> Machine {
        let driver = Driver::new();
        let world = &driver.world;
        let made = world.ok(
            Service::Adit,
            "CreateAccount",
            map! { "Name" => "consumer" },
        );
        let consumer = (text(&made, "AccessKeyId"), text(&made, "AccountId"));
        let mut vpc = String::new();
        let places = [ROOT, &consumer.0].map(|key| {
            world.use_key(key);
            vpc = world.vpc("10.0.0.0/16");
            let subnets = [("10.0.1.0/24", "a"), ("10.0.2.0/24", "b")];
            subnets.map(|(block, zone)| world.subnet(&vpc, block, zone))
        });
        world.use_key(ROOT);
        Machine {
            driver,
            model: Model::default(),
            consumer,
            places,
            vpc,
        }
    }

    fn expect(&self, name: &str, input: Value, allowed: bool) -> Option<Value> {
        self.driver.expect(&self.model, name, input, allowed)
    }

    /// The same, called by the consumer.
    fn consumer(&self, name: &str, input: Value, allowed: bool) -> Option<Value> {
        self.driver.world.use_key(&self.consumer.0);
        let answer = self.expect(name, input, allowed);
        self.driver.world.use_key(ROOT);
        answer
    }

    /// An operation that answers for each id whether it was done.
    fn each_done(&self, by_consumer: bool, name: &str, input: Value, good: bool) -> Option<()> {
        let answer = match by_consumer {
            true => self.consumer(name, input, true)?,
            false => self.expect(name, input, true)?,
        };
        let failed = answer.get("Unsuccessful").list();
        assert_eq!(
            failed.is_empty(),
            good,
            "{name}: {failed:?} in\n{:#?}",
            self.model
        );
        good.then_some(())
    }

    fn gone(&mut self, id: &str) {
        let (name, member) = ("", "");
        self.driver.deleted.push(Deleted {
            name,
            member,
            id: id.to_string(),
        });
        self.model.notifications.retain(|_, (of, _)| of != id);
    }

    fn who(&self, whom: u8) -> String {
        match whom {
            0 => "*".to_string(),
            1 => format!("arn:aws:iam::{}:root", self.consumer.1),
            _ => "arn:aws:iam::210987654321:root".to_string(),
        }
    }

    fn permitted(&self, service: &Offer) -> bool {
        let mut whom = (0..2).map(|whom| self.who(whom));
        whom.any(|whom| service.permitted.contains(&whom))
    }

    /// Whether connections hold a service in place.
    fn is_live(&self, service: &str) -> bool {
        let mut endpoints = self.model.endpoints.values();
        endpoints.any(|e| e.service == service && e.answer != Some(false))
    }

    fn user_of(&self, balancer: &str) -> Option<&String> {
        let mut services = self.model.services.iter();
        let (id, _) = services.find(|(_, s)| s.balancers.contains(balancer))?;
        Some(id)
    }

    /// Something that the call needs is not there: then there is nothing to call.
    fn run(&mut self, call: Call) -> Option<()> {
        match call {
            Call::CreateBalancer(zone) => {
                self.model.made += 1;
                let input = map! {
                    "Name" => format!("b{}", self.model.made), "Type" => "network",
                    "Scheme" => "internal",
                    "Subnets" => list![self.places[0][usize::from(zone)].as_str()],
                };
                let made = self.driver.expect_at(
                    Service::Elbv2,
                    &self.model,
                    "CreateLoadBalancer",
                    input,
                    true,
                )?;
                let arn = text(one(&made, "LoadBalancers"), "LoadBalancerArn");
                self.model.balancers.insert(arn, zone);
            }
            Call::DeleteBalancer(n) => {
                let arn = pick(&self.model.balancers, n)?;
                let free = self.user_of(&arn).is_none();
                let input = map! { "LoadBalancerArn" => arn.as_str() };
                self.driver.expect_at(
                    Service::Elbv2,
                    &self.model,
                    "DeleteLoadBalancer",
                    input,
                    free,
                )?;
                self.model.balancers.remove(&arn);
                self.gone(&arn);
            }
            Call::CreateService {
                balancer,
                must_accept,
            } => {
                let arn = pick(&self.model.balancers, balancer)?;
                let input = map! {
                    "NetworkLoadBalancerArns" => list![arn.as_str()],
                    "AcceptanceRequired" => must_accept,
                };
                let free = self.user_of(&arn).is_none();
                let made = self.expect("CreateVpcEndpointServiceConfiguration", input, free)?;
                let id = text(made.get("ServiceConfiguration"), "ServiceId");
                let offer = Offer {
                    balancers: [arn].into(),
                    must_accept,
                    permitted: BTreeSet::new(),
                };
                self.model.services.insert(id, offer);
            }
            Call::Balancer {
                service,
                balancer,
                add,
            } => {
                let id = pick(&self.model.services, service)?;
                let arn = pick(&self.model.balancers, balancer)?;
                let there = &self.model.services[&id].balancers;
                let (member, good) = match add {
                    true => {
                        let free = self.user_of(&arn).is_none_or(|user| *user == id);
                        ("AddNetworkLoadBalancerArns", free)
                    }
                    false => {
                        let good = there.contains(&arn) && there.len() > 1 && !self.is_live(&id);
                        ("RemoveNetworkLoadBalancerArns", good)
                    }
                };
                let input = map! { "ServiceId" => id.as_str(), member => list![arn.as_str()] };
                self.expect("ModifyVpcEndpointServiceConfiguration", input, good)?;
                let there = &mut self.model.services.get_mut(&id)?.balancers;
                match add {
                    true => there.insert(arn),
                    false => there.remove(&arn),
                };
            }
            Call::MustAccept {
                service,
                must_accept,
            } => {
                let id = pick(&self.model.services, service)?;
                let input =
                    map! { "ServiceId" => id.as_str(), "AcceptanceRequired" => must_accept };
                self.expect("ModifyVpcEndpointServiceConfiguration", input, true)?;
                self.model.services.get_mut(&id)?.must_accept = must_accept;
            }
            Call::DeleteService(n) => {
                let id = pick(&self.model.services, n)?;
                let good = !self.is_live(&id);
                let input = map! { "ServiceIds" => list![id.as_str()] };
                self.each_done(false, "DeleteVpcEndpointServiceConfigurations", input, good)?;
                self.model.services.remove(&id);
                self.gone(&id);
            }
            Call::Permit { service, whom, add } => {
                let id = pick(&self.model.services, service)?;
                let whom = self.who(whom);
                let member = match add {
                    true => "AddAllowedPrincipals",
                    false => "RemoveAllowedPrincipals",
                };
                let input = map! { "ServiceId" => id.as_str(), member => list![whom.as_str()] };
                self.expect("ModifyVpcEndpointServicePermissions", input, true)?;
                let permitted = &mut self.model.services.get_mut(&id)?.permitted;
                match add {
                    true => permitted.insert(whom),
                    false => permitted.remove(&whom),
                };
            }
            Call::Connect { service, zone } => {
                let id = pick(&self.model.services, service)?;
                let offer = &self.model.services[&id];
                let mut balancers = offer.balancers.iter();
                let in_zone = balancers.any(|arn| self.model.balancers[arn] == zone);
                let input = map! {
                    "VpcId" => self.vpc.as_str(), "VpcEndpointType" => "Interface",
                    "ServiceName" => format!("com.amazonaws.vpce.us-east-1.{id}"),
                    "SubnetIds" => list![self.places[1][usize::from(zone)].as_str()],
                };
                let good = self.permitted(offer) && in_zone;
                let answer = (!offer.must_accept).then_some(true);
                let made = self.consumer("CreateVpcEndpoint", input, good)?;
                let endpoint = text(made.get("VpcEndpoint"), "VpcEndpointId");
                self.model.endpoints.insert(
                    endpoint,
                    Endpoint {
                        service: id,
                        answer,
                    },
                );
            }
            Call::Answer {
                service,
                endpoint,
                accept,
            } => {
                let id = pick(&self.model.services, service)?;
                let endpoint = pick(&self.model.endpoints, endpoint)?;
                let good = self.model.endpoints[&endpoint].service == id;
                let input = map! {
                    "ServiceId" => id.as_str(), "VpcEndpointIds" => list![endpoint.as_str()],
                };
                let name = match accept {
                    true => "AcceptVpcEndpointConnections",
                    false => "RejectVpcEndpointConnections",
                };
                self.each_done(false, name, input, good)?;
                self.model.endpoints.get_mut(&endpoint)?.answer = Some(accept);
            }
            Call::Disconnect(n) => {
                let id = pick(&self.model.endpoints, n)?;
                let input = map! { "VpcEndpointIds" => list![id.as_str()] };
                self.each_done(true, "DeleteVpcEndpoints", input, true)?;
                self.model.endpoints.remove(&id);
                self.gone(&id);
            }
            Call::Notify {
                of,
                service,
                events,
            } => {
                let (member, of, by_consumer) = match service {
                    true => ("ServiceId", pick(&self.model.services, of)?, false),
                    false => ("VpcEndpointId", pick(&self.model.endpoints, of)?, true),
                };
                let input = map! {
                    member => of.as_str(), "ConnectionEvents" => chosen(events),
                    "ConnectionNotificationArn" => "arn:aws:sns:us-east-1:123456789012:events",
                };
                let name = "CreateVpcEndpointConnectionNotification";
                let made = match by_consumer {
                    true => self.consumer(name, input, true)?,
                    false => self.expect(name, input, true)?,
                };
                let id = text(
                    made.get("ConnectionNotification"),
                    "ConnectionNotificationId",
                );
                let events = chosen(events).into_iter().map(str::to_string);
                self.model.notifications.insert(id, (of, events.collect()));
            }
            Call::ModifyNotification {
                notification,
                events,
            } => {
                let id = pick(&self.model.notifications, notification)?;
                let input = map! {
                    "ConnectionNotificationId" => id.as_str(), "ConnectionEvents" => chosen(events),
                };
                let name = "ModifyVpcEndpointConnectionNotification";
                match self.is_consumers(&id) {
                    true => self.consumer(name, input, true)?,
                    false => self.expect(name, input, true)?,
                };
                let events = chosen(events).into_iter().map(str::to_string);
                self.model.notifications.get_mut(&id)?.1 = events.collect();
            }
            Call::DeleteNotification(n) => {
                let id = pick(&self.model.notifications, n)?;
                let input = map! { "ConnectionNotificationIds" => list![id.as_str()] };
                let name = "DeleteVpcEndpointConnectionNotifications";
                self.each_done(self.is_consumers(&id), name, input, true)?;
                self.model.notifications.remove(&id);
                self.gone(&id);
            }
        }
        Some(())
    }

    fn is_consumers(&self, notification: &str) -> bool {
        let (of, _) = &self.model.notifications[notification];
        self.model.endpoints.contains_key(of)
    }

    /// What the API shows is what the model says, to each of both.
    fn check(&self) {
        self.driver.check();
        let (model, world) = (&self.model, &self.driver.world);
        let shown = world.ec2("DescribeVpcEndpointServiceConfigurations", map! {});
        for shown in shown.get("ServiceConfigurations").list() {
            let id = text(shown, "ServiceId");
            let offer = model
                .services
                .get(&id)
                .expect("a service that was made and not deleted");
            let balancers: BTreeSet<_> = texts(shown, "NetworkLoadBalancerArns")
                .into_iter()
                .collect();
            assert_eq!(balancers, offer.balancers);
            assert_eq!(
                shown.get("AcceptanceRequired").bool(),
                Some(offer.must_accept)
            );
            let input = map! { "ServiceId" => id };
            let whom = world.ec2("DescribeVpcEndpointServicePermissions", input);
            let whom = each(&whom, "AllowedPrincipals", "Principal");
            assert_eq!(whom.into_iter().collect::<BTreeSet<_>>(), offer.permitted);
        }
        assert_eq!(
            shown.get("ServiceConfigurations").list().len(),
            model.services.len()
        );

        // The provider sees the connections of the services there are; the consumer its endpoints.
        let word = |state: &str| match state {
            "pendingAcceptance" => None,
            "rejected" => Some(false),
            _ => Some(true),
        };
        let shown = world.ec2("DescribeVpcEndpointConnections", map! {});
        let all = shown.get("VpcEndpointConnections").list().iter();
        let seen = all.map(|c| (text(c, "VpcEndpointId"), word(&text(c, "VpcEndpointState"))));
        let there = model.endpoints.iter();
        let there = there.filter(|(_, e)| model.services.contains_key(&e.service));
        let there = there.map(|(id, e)| (id.clone(), e.answer));
        assert_eq!(
            seen.collect::<BTreeMap<_, _>>(),
            there.collect::<BTreeMap<_, _>>()
        );
        let provider = notifications(&self.expect(NOTIFICATIONS, map! {}, true).unwrap());

        let shown = self
            .consumer("DescribeVpcEndpoints", map! {}, true)
            .unwrap();
        let all = shown.get("VpcEndpoints").list().iter();
        let seen = all.map(|e| (text(e, "VpcEndpointId"), word(&text(e, "State"))));
        let there = model.endpoints.iter().map(|(id, e)| (id.clone(), e.answer));
        assert_eq!(
            seen.collect::<BTreeMap<_, _>>(),
            there.collect::<BTreeMap<_, _>>()
        );
        let shown = self
            .consumer("DescribeNetworkInterfaces", map! {}, true)
            .unwrap();
        assert_eq!(
            shown.get("NetworkInterfaces").list().len(),
            model.endpoints.len()
        );
        let shown = self
            .consumer("DescribeVpcEndpointServices", map! {}, true)
            .unwrap();
        let offered = texts(&shown, "ServiceNames").into_iter();
        let offered =
            offered.filter_map(|name| Some(name.split_once("us-east-1.vpce-svc-")?.1.to_string()));
        let wanted = model
            .services
            .iter()
            .filter(|(_, offer)| self.permitted(offer));
        let wanted = wanted.map(|(id, _)| id["vpce-svc-".len()..].to_string());
        assert_eq!(
            offered.collect::<BTreeSet<_>>(),
            wanted.collect::<BTreeSet<_>>()
        );
        let mut seen = notifications(&self.consumer(NOTIFICATIONS, map! {}, true).unwrap());
        assert!(keys(&seen).is_disjoint(&keys(&provider)));
        seen.extend(provider);
        assert_eq!(seen, model.notifications);
    }
}

const NOTIFICATIONS: &str = "DescribeVpcEndpointConnectionNotifications";

/// Notifications as they are shown: of what, and of which events.
fn notifications(shown: &Value) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let all = shown.get("ConnectionNotificationSet").list().iter();
    let one = |shown: &Value| {
        let of = shown
            .get("ServiceId")
            .str()
            .or(shown.get("VpcEndpointId").str());
        let events = texts(shown, "ConnectionEvents").into_iter().collect();
        let id = text(shown, "ConnectionNotificationId");
        (id, (of.unwrap_or_default().to_string(), events))
    };
    all.map(one).collect()
}

/// The events whose bits are set.
fn chosen(bits: u8) -> Vec<&'static str> {
    let all = EVENTS.into_iter().enumerate();
    let set = all.filter(|(bit, _)| bits & (1 << bit) != 0);
    set.map(|(_, event)| event).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn services_and_who_connects(calls in prop::collection::vec(call(), 1..100)) {
        let mut machine = Machine::new();
        for call in [
            Call::CreateBalancer(0), Call::CreateService { balancer: 0, must_accept: true },
            Call::Permit { service: 0, whom: 1, add: true }, Call::Connect { service: 0, zone: 0 },
        ] {
            machine.run(call);
        }
        for call in calls {
            if machine.run(call).is_some() {
                machine.check();
            }
        }
    }
}
