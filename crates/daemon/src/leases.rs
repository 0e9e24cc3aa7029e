//! Interfaces and hosts that exist for a process go away with it.
//!
//! A run that ends well deletes its own; this is for those that were killed. The process is known
//! by pid and start time, so that a reused pid is not taken for it.

use std::sync::Arc;
use std::time::Duration;

use adit_model::{InterfaceUser, Lease, SiteHost};
use adit_store::{Author, Store};

/// How often leases are looked at: how long a dead run's address may stay taken.
const PERIOD: Duration = Duration::from_millis(500);

/// The lease of a process of this host, if it runs.
pub fn lease_of(pid: u32) -> Option<Lease> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name may hold anything, also `)`: fields count from the last one.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    // Start time is field 22; the state was field 3.
    let started = fields.nth(18)?.parse().ok()?;
    // A zombie holds nothing any more.
    (state != "Z" && state != "X").then_some(Lease { pid, started })
}

fn is_alive(lease: &Lease) -> bool {
    lease_of(lease.pid).as_ref() == Some(lease)
}

/// Whether an interface's process is gone.
fn is_over(user: &InterfaceUser) -> bool {
    match user {
        InterfaceUser::Run(lease) => !is_alive(lease),
        InterfaceUser::Attached { lease, .. } => lease.as_ref().is_some_and(|l| !is_alive(l)),
        _ => false,
    }
}

/// Removes what dead processes left, until the store is gone.
pub async fn run(store: Arc<Store>) {
    loop {
        tokio::time::sleep(PERIOD).await;
        let intent = store.intent();
        let dead_interfaces: Vec<String> = intent
            .network_interfaces
            .values()
            .filter(|eni| is_over(&eni.user))
            .map(|eni| eni.id.to_string())
            .collect();
        let dead_hosts: Vec<String> = intent
            .site_hosts
            .values()
            .filter(|h| !is_alive(&h.lease))
            .map(|h| h.id.clone())
            .collect();
        if dead_interfaces.is_empty() && dead_hosts.is_empty() {
            continue;
        }
        let author = Author {
            who: "adit",
            operation: "adit:ReleaseDeadRuns",
        };
        let done = store
            .write::<_, ()>(author, |draft| {
                for id in &dead_interfaces {
                    draft.remove_interface(id);
                }
                for id in &dead_hosts {
                    draft.remove::<SiteHost>(id);
                }
                Ok(())
            })
            .await;
        if let Err(error) = done {
            tracing::error!(%error, "could not release the interfaces of dead processes");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_a_lease_until_it_ends() {
        let mine = lease_of(std::process::id()).unwrap();
        assert!(is_alive(&mine));
        assert!(!is_alive(&Lease {
            started: mine.started + 1,
            ..mine
        }));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert_eq!(lease_of(child.id()), None);
    }
}
