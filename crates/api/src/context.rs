//! Who calls, from where, and what a call may look at.

use std::sync::Arc;

use adit_model::*;
use adit_policy::PrincipalKind;
use adit_snapshot::{KeyView, StatusBoard};
use adit_wire::Value;

use crate::ids::Ids;
use crate::input::Input;
use crate::refusal::Refusal;

/// A caller whose signature was verified.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account.
    pub account: AccountId,
    /// The identity's ARN.
    pub arn: String,
    /// The key and what its identity may do.
    pub key: Arc<KeyView>,
    /// Where the call came from, when it came over the network.
    pub source: Option<Source>,
}

/// Where a call came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The peer's address.
    pub address: std::net::IpAddr,
    /// Whether it was encrypted.
    pub tls: bool,
}

impl Caller {
    /// The identity that an access key speaks for.
    pub fn of(key: &Arc<KeyView>) -> Caller {
        Caller {
            account: key.key.account.clone(),
            arn: key.arn.clone(),
            key: key.clone(),
            source: None,
        }
    }

    /// Whether it is the account's root user.
    pub(crate) fn is_root(&self) -> bool {
        self.key.principal.kind() == PrincipalKind::Root
    }

    /// The same caller, from there.
    #[must_use]
    pub fn from(mut self, source: Source) -> Caller {
        self.source = Some(source);
        self
    }
}

/// Everything an operation gets besides its input and the draft.
#[derive(Debug)]
pub struct Ctx {
    /// Who calls.
    pub caller: Caller,
    /// The Region that the call was sent to.
    pub region: Region,
    /// The clock, read once for the call.
    pub now: Millis,
    /// Where ids come from.
    pub ids: Ids,
}

/// What a read sees: the newest durable intent and what the planes have made of it.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The intent.
    pub intent: &'a Intent,
    /// What the planes report.
    pub board: &'a StatusBoard,
    /// The clock, read once for the call.
    pub now: Millis,
}

/// A resource that belongs to an account and a Region.
pub(crate) trait Owned: Resource {
    /// The kind in AWS's error texts: `vpc`, `routeTable`.
    const NOUN: &'static str;
    /// The error code when there is none.
    const NOT_FOUND: &'static str;
    /// The account it belongs to.
    fn owner(&self) -> &AccountId;
    /// The Region it is in.
    fn region<'a>(&'a self, intent: &'a Intent) -> Option<&'a Region>;
    /// Whether it is in this Region.
    fn is_in(&self, region: &Region, intent: &Intent) -> bool {
        self.region(intent) == Some(region)
    }
    /// Its tags.
    fn tags(&self) -> &Tags;
    /// The text after the code, where a kind has its own.
    fn not_found(id: &str) -> Refusal {
        Refusal::new(
            Self::NOT_FOUND,
            format!("The {} ID '{id}' does not exist", Self::NOUN),
        )
    }
}

macro_rules! owned {
    ($($type:ident $noun:literal $code:literal $(, $text:expr)?;)*) => {$(
        impl Owned for $type {
            const NOUN: &'static str = $noun;
            const NOT_FOUND: &'static str = $code;
            fn owner(&self) -> &AccountId { &self.owner }
            fn region<'a>(&'a self, intent: &'a Intent) -> Option<&'a Region> {
                vpc_region(intent, &self.vpc)
            }
            fn tags(&self) -> &Tags { &self.tags }
            $(fn not_found(id: &str) -> Refusal {
                let text: fn(&str) -> String = $text;
                Refusal::new(Self::NOT_FOUND, text(id))
            })?
        }
    )*};
}

owned! {
    Subnet "subnet" "InvalidSubnetID.NotFound";
    RouteTable "routeTable" "InvalidRouteTableID.NotFound";
    SecurityGroup "security group" "InvalidGroup.NotFound",
        |id| format!("The security group '{id}' does not exist");
    NetworkInterface "networkInterface" "InvalidNetworkInterfaceID.NotFound";
    NetworkAcl "networkAcl" "InvalidNetworkAclID.NotFound";
    NatGateway "natGateway" "NatGatewayNotFound",
        |id| format!("NatGateway {id} was not found");
    EgressOnlyInternetGateway "egressOnlyInternetGateway"
        "InvalidEgressOnlyInternetGatewayId.NotFound";
    FlowLog "flowLog" "InvalidFlowLogId.NotFound";
}

impl Owned for VpcEndpoint {
    const NOUN: &'static str = "Vpc Endpoint Id";
    const NOT_FOUND: &'static str = "InvalidVpcEndpointId.NotFound";
    fn owner(&self) -> &AccountId {
        &self.owner
    }
    fn region<'a>(&'a self, intent: &'a Intent) -> Option<&'a Region> {
        vpc_region(intent, &self.vpc)
    }
    fn is_in(&self, region: &Region, intent: &Intent) -> bool {
        // Its VPC's Region is that of its service unless it says otherwise: no look at the VPC, since
        // there are many endpoints.
        match (&self.service_region, self.region_in_name()) {
            (None, Some(own)) => own == region.as_str(),
            _ => self.region(intent) == Some(region),
        }
    }
    fn tags(&self) -> &Tags {
        &self.tags
    }
    fn not_found(id: &str) -> Refusal {
        let text = format!("The Vpc Endpoint Id '{id}' does not exist");
        Refusal::new(Self::NOT_FOUND, text)
    }
}

macro_rules! regional {
    ($($type:ident $noun:literal $code:literal;)*) => {$(
        impl Owned for $type {
            const NOUN: &'static str = $noun;
            const NOT_FOUND: &'static str = $code;
            fn owner(&self) -> &AccountId { &self.owner }
            fn region<'a>(&'a self, _: &'a Intent) -> Option<&'a Region> { Some(&self.region) }
            fn tags(&self) -> &Tags { &self.tags }
        }
    )*};
}

regional! {
    Vpc "vpc" "InvalidVpcID.NotFound";
    InternetGateway "internetGateway" "InvalidInternetGatewayID.NotFound";
    ElasticIp "allocation" "InvalidAllocationID.NotFound";
    VpnGateway "vpnGateway" "InvalidVpnGatewayID.NotFound";
    CustomerGateway "customerGateway" "InvalidCustomerGatewayID.NotFound";
    VpnConnection "vpnConnection" "InvalidVpnConnectionID.NotFound";
    DhcpOptions "dhcpOptions" "InvalidDhcpOptionID.NotFound";
}

fn vpc_region<'a>(intent: &'a Intent, vpc: &VpcId) -> Option<&'a Region> {
    intent.get::<Vpc>(vpc).map(|vpc| &vpc.region)
}

impl Ctx {
    /// The caller's resource with this id in this Region; anything else does not exist for them.
    pub(crate) fn find<R: Owned>(&self, intent: &Intent, id: &str) -> Result<Arc<R>, Refusal> {
        match intent.get::<R>(id) {
            Some(found) if self.sees(intent, &**found) => Ok(found.clone()),
            _ => Err(R::not_found(id)),
        }
    }

    /// Whether a resource is the caller's and in this Region.
    pub(crate) fn sees<R: Owned>(&self, intent: &Intent, resource: &R) -> bool {
        *resource.owner() == self.caller.account && resource.is_in(&self.region, intent)
    }

    /// The resource that a required parameter names.
    pub(crate) fn required<R: Owned>(
        &self,
        intent: &Intent,
        input: &Input<'_>,
        parameter: &'static str,
    ) -> Result<Arc<R>, Refusal> {
        self.find(intent, input.required(parameter)?)
    }
}

/// Whose and where a new resource is, and where its ids come from.
#[derive(Debug)]
pub(crate) struct Home<'a> {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) ids: &'a mut Ids,
}

impl Ctx {
    /// The caller's account and Region.
    pub(crate) fn home(&mut self) -> Home<'_> {
        Home {
            account: self.caller.account.clone(),
            region: self.region.clone(),
            ids: &mut self.ids,
        }
    }
}

/// What an operation answers.
pub(crate) enum Answer {
    /// This.
    Now(Value),
    /// Shown as it is once the planes have had their time: states are derived (I9).
    Later(Box<dyn FnOnce(View<'_>) -> Value + Send>),
}

impl Answer {
    /// A reply without members: EC2 says `<return>true</return>`.
    pub(crate) fn done() -> Answer {
        Answer::Now(Value::Map(adit_wire::Map::new()))
    }

    /// Shown later.
    pub(crate) fn later(show: impl FnOnce(View<'_>) -> Value + Send + 'static) -> Answer {
        Answer::Later(Box::new(show))
    }
}

impl From<Value> for Answer {
    fn from(value: Value) -> Answer {
        Answer::Now(value)
    }
}
