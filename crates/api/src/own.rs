//! Adit's own service: programs that run as hosts, and on-premises sites. It has no wire table; its
//! members are written here alone.

pub(crate) mod account;
pub(crate) mod attachment;
pub(crate) mod failed_zone;
mod host_device;
pub(crate) mod name_export;
pub(crate) mod prefix_list;
pub(crate) mod quota;
pub(crate) mod run;
pub(crate) mod site;

use std::net::IpAddr;

use adit_model::{DhcpOptions, Intent, Lease, Vpc, net};
use adit_wire::Value;

use crate::input::Input;
use crate::refusal::Refusal;

/// What hosts of a VPC are told about names, by its DHCP options: resolvers in order, and a domain
/// to search. Without options it is the VPC's own resolver, since hosts here have no other way to
/// learn of one.
fn names_of(intent: &Intent, vpc: &Vpc) -> (Vec<IpAddr>, Option<String>) {
    let own = IpAddr::V4(net::resolver(vpc.cidr()));
    let options = intent.get::<DhcpOptions>(&vpc.dhcp_options);
    let mut resolvers = options.map_or_else(Vec::new, |options| options.resolvers(own));
    if resolvers.is_empty() {
        resolvers.push(own);
    }
    let domain = options.and_then(|options| options.domain());
    (resolvers, domain.map(str::to_string))
}

/// Addresses as shown.
fn addresses(all: &[IpAddr]) -> Value {
    all.iter().map(IpAddr::to_string).collect()
}

/// The process that a host is made for.
fn lease(input: &Input<'_>) -> Result<Lease, Refusal> {
    let number = |name: &'static str| match input.get(name) {
        Value::Null => Err(Refusal::missing(name)),
        value => value
            .int()
            .and_then(|number| u64::try_from(number).ok())
            .ok_or_else(|| {
                Refusal::invalid_value(format!("The parameter {name} must be a number."))
            }),
    };
    let pid = u32::try_from(number("Pid")?).ok().filter(|pid| *pid > 0);
    Ok(Lease {
        pid: pid.ok_or_else(|| Refusal::invalid_value("The parameter Pid is no process id."))?,
        started: number("Started")?,
    })
}

/// Clocks count few ticks since boot: this number always fits.
fn ticks(started: u64) -> i64 {
    i64::try_from(started).unwrap_or(i64::MAX)
}
