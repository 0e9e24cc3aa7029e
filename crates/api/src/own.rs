//! Adit's own service: programs that run as hosts, and on-premises sites. It has no wire table; its
//! members are written here alone.

pub(crate) mod account;
pub(crate) mod attachment;
pub(crate) mod failed_zone;
pub(crate) mod name_export;
pub(crate) mod run;
pub(crate) mod site;

use adit_model::Lease;
use adit_wire::Value;

use crate::input::Input;
use crate::refusal::Refusal;

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
