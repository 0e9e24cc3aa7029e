//! Carries out steps. Consecutive steps of rtnetlink in one namespace go out in one row.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::desired::{Lent, Link, LinkKind};
use crate::host::{Host, Unfit};
use crate::namespace::Held;
use crate::netlink::rt::{self, End};
use crate::netlink::{KernelError, Message, Netlink, Writer};
use crate::nft::InvalidTable;
use crate::nft::change::Change;
use crate::observe;
use crate::plan::{Act, Step};
use crate::settings::Settings;

/// More devices than this in one row are looked up together.
const FEW_DEVICES: usize = 8;

/// A step failed. Earlier steps stay.
#[derive(Debug, thiserror::Error)]
#[error("could not {step}: {source}")]
pub(crate) struct ApplyError {
    pub(crate) step: String,
    pub(crate) source: KernelError,
}

/// What steps are carried out on.
pub(crate) trait Place {
    /// Makes a namespace.
    fn add(&mut self, ns: &str) -> io::Result<()>;
    /// Lets a namespace go.
    fn remove(&mut self, ns: &str) -> io::Result<()>;
    /// A namespace that exists.
    fn get(&self, ns: &str) -> Option<&Held>;
    /// The agent's own namespace, to which threads come back.
    fn home(&self) -> &OwnedFd;
    /// Where devices that are lent come from.
    fn host(&self) -> &Host;
    /// Hears that the kernel did not let go of a device of the host's, by its number there.
    fn refused(&mut self, device: &str, index: u32, why: String);
    /// Two numbers for the ends of a new link that no other device of the agent has.
    fn numbers(&self) -> (u32, u32);
    /// Says that a table was changed: the namespace's transaction number is now this.
    fn filtered(&mut self, ns: &str, change: &Change, generation: Option<u32>);
}

/// Carries out all steps in order; stops at the first that fails.
pub(crate) fn apply(place: &mut dyn Place, steps: &[Step]) -> Result<(), ApplyError> {
    let mut open = Open::default();
    let mut rest = steps;
    while let Some(first) = rest.first() {
        let same = |step: &&Step| step.ns == first.ns && kind(&step.act) == kind(&first.act);
        let count = rest.iter().take_while(same).count();
        let (now, later) = rest.split_at(count);
        match kind(&first.act) {
            Kind::Namespace => namespaces(place, now)?,
            Kind::Setting => settings(place, now)?,
            Kind::Filter => filters(place, now)?,
            Kind::Route => open.routes(place, now)?,
            Kind::Lent => open.lent(place, now)?,
        }
        rest = later;
    }
    Ok(())
}

/// Sockets kept open between visits to a namespace, and the numbers of devices that were just made.
#[derive(Default)]
struct Open {
    sockets: BTreeMap<String, Netlink>,
    indexes: BTreeMap<(String, String), u32>,
}

/// Sockets kept open at the same time.
const MOST_OPEN: usize = 16;

#[derive(PartialEq, Eq)]
enum Kind {
    Namespace,
    Setting,
    Filter,
    Route,
    Lent,
}

fn kind(act: &Act) -> Kind {
    match act {
        Act::AddNamespace | Act::RemoveNamespace => Kind::Namespace,
        Act::Set { .. } => Kind::Setting,
        Act::Filter(_) => Kind::Filter,
        Act::Take(_) | Act::PutBack(_) => Kind::Lent,
        _ => Kind::Route,
    }
}

fn failed(step: &Step, source: impl Into<KernelError>) -> ApplyError {
    ApplyError {
        step: step.to_string(),
        source: source.into(),
    }
}

fn namespaces(place: &mut dyn Place, steps: &[Step]) -> Result<(), ApplyError> {
    for step in steps {
        let result = match step.act {
            Act::AddNamespace => place.add(&step.ns),
            _ => place.remove(&step.ns),
        };
        result.map_err(|error| failed(step, error))?;
    }
    Ok(())
}

fn held<'a>(place: &'a dyn Place, step: &Step) -> Result<&'a Held, ApplyError> {
    let missing = KernelError {
        errno: libc::ENOENT,
        message: Some("no such namespace".into()),
    };
    place.get(&step.ns).ok_or_else(|| failed(step, missing))
}

fn settings(place: &mut dyn Place, steps: &[Step]) -> Result<(), ApplyError> {
    let Some(first) = steps.first() else {
        return Ok(());
    };
    let result = held(place, first)?.inside(place.home(), || {
        let mut settings = Settings::default();
        steps.iter().try_for_each(|step| match &step.act {
            Act::Set { key, value } => settings
                .write(key, value)
                .map_err(|error| failed(step, error)),
            _ => Ok(()),
        })
    });
    result.map_err(|error| failed(first, error))?
}

fn filters(place: &mut dyn Place, steps: &[Step]) -> Result<(), ApplyError> {
    for step in steps {
        let Act::Filter(change) = &step.act else {
            continue;
        };
        let socket = held(place, step)?.inside(place.home(), Netlink::netfilter);
        let mut socket = socket.flatten().map_err(|error| failed(step, error))?;
        let row = change
            .encode()
            .map_err(|error| failed(step, KernelError::from(error)))?;
        socket
            .transact(&row)
            .map_err(|(_, error)| failed(step, hint(error)))?;
        let generation = observe::generation(&mut socket).ok().flatten();
        place.filtered(&step.ns, change, generation);
    }
    Ok(())
}

/// Without root the system's limit for socket buffers stands, and a transaction is one message.
fn hint(error: KernelError) -> KernelError {
    if error.errno != libc::EMSGSIZE {
        return error;
    }
    let message = "the table is too large for a socket buffer: raise net.core.wmem_max";
    KernelError {
        message: Some(message.to_owned()),
        ..error
    }
}

impl From<InvalidTable> for KernelError {
    fn from(error: InvalidTable) -> Self {
        Self {
            errno: libc::EINVAL,
            message: Some(error.to_string()),
        }
    }
}

impl Open {
    /// Devices of the host come and go, one at a time.
    fn lent(&mut self, place: &mut dyn Place, steps: &[Step]) -> Result<(), ApplyError> {
        for step in steps {
            // Numbers of what went may be given again.
            self.indexes.clear();
            match &step.act {
                Act::Take(lent) => take(place, step, lent)?,
                Act::PutBack(name) => {
                    let opened = held(place, step)?.inside(place.home(), Netlink::route);
                    let mut socket = opened.flatten().map_err(|error| failed(step, error))?;
                    let done = place.host().put_back(place.home(), &mut socket, name);
                    done.map_err(|error| failed(step, error))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn routes(&mut self, place: &mut dyn Place, steps: &[Step]) -> Result<(), ApplyError> {
        let Some(first) = steps.first() else {
            return Ok(());
        };
        let mut socket = match self.sockets.remove(&first.ns) {
            Some(socket) => socket,
            None => {
                let opened = held(place, first)?.inside(place.home(), Netlink::route);
                opened.flatten().map_err(|error| failed(first, error))?
            }
        };
        let mut rest = steps;
        // Numbers of devices made in a row are known only after it.
        while let Some(next) = rest.first() {
            let makes = matches!(next.act, Act::AddLink(_));
            let same = |step: &&Step| matches!(step.act, Act::AddLink(_)) == makes;
            let (now, later) = rest.split_at(rest.iter().take_while(same).count());
            self.row(place, &mut socket, now)?;
            rest = later;
        }
        if self.sockets.len() < MOST_OPEN {
            self.sockets.insert(first.ns.clone(), socket);
        }
        Ok(())
    }

    fn row(
        &mut self,
        place: &dyn Place,
        socket: &mut Netlink,
        steps: &[Step],
    ) -> Result<(), ApplyError> {
        self.find_indexes(socket, steps)?;
        let mut row = Writer::default();
        let mut sent = Vec::with_capacity(steps.len());
        for step in steps {
            let index = match step.act.device() {
                None => None,
                Some(device) => match self.index(&step.ns, device) {
                    Some(index) => Some(index),
                    // The device is gone, and what was on it too.
                    None if step.act.removes() => continue,
                    None => {
                        let message = Some(format!("no device `{device}`"));
                        let errno = libc::ENODEV;
                        return Err(failed(step, KernelError { errno, message }));
                    }
                },
            };
            self.encode(place, &mut row, step, index)?;
            sent.push(step);
        }
        let results = socket
            .execute(&row)
            .map_err(|error| failed_row(&sent, error))?;
        for (step, result) in sent.iter().zip(results) {
            if let Some(error) = result
                && !acceptable(&step.act, error.errno)
            {
                return Err(failed(step, error));
            }
        }
        Ok(())
    }

    fn index(&self, ns: &str, device: &str) -> Option<u32> {
        let key = (ns.to_owned(), device.to_owned());
        self.indexes.get(&key).copied()
    }

    /// Numbers of the devices that the steps name, where they are not known yet.
    fn find_indexes(&mut self, socket: &mut Netlink, steps: &[Step]) -> Result<(), ApplyError> {
        let Some(first) = steps.first() else {
            return Ok(());
        };
        let mut names: Vec<&str> = steps.iter().filter_map(|s| s.act.device()).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| self.index(&first.ns, name).is_none());
        let indexes = &mut self.indexes;
        let mut keep = |message: &Message<'_>| {
            if let Some(link) = rt::link(message) {
                indexes.insert((first.ns.clone(), link.name), link.index);
            }
        };
        if names.len() > FEW_DEVICES {
            let dumped = socket.dump(&rt::dump_links(), keep);
            return dumped.map_err(|error| failed(first, error));
        }
        for name in names {
            match socket.get(&rt::get_link(name), &mut keep) {
                Err(error) if error.errno != libc::ENODEV => return Err(failed(first, error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn encode(
        &mut self,
        place: &dyn Place,
        w: &mut Writer,
        step: &Step,
        index: Option<u32>,
    ) -> Result<(), ApplyError> {
        let device = index.unwrap_or(0);
        match &step.act {
            Act::AddLink(link) => self.add_link(place, w, step, link)?,
            Act::RemoveLink(name) => {
                // The number of its other end may go to another one as well.
                self.indexes.clear();
                rt::remove_link(w, name);
            }
            Act::RemoveLinks { far } => {
                self.indexes.clear();
                rt::remove_links(w, *far);
            }
            Act::SetLink { name, mac, mtu } => rt::set_link(w, name, true, *mac, *mtu),
            Act::AddAltname { name, alt } => rt::alt_name(w, name, alt, true),
            Act::RemoveAltname { name, alt } => rt::alt_name(w, name, alt, false),
            Act::AddAddress(a) => rt::put_address(w, device, &a.address, true),
            Act::RemoveAddress(a) => rt::put_address(w, device, &a.address, false),
            Act::PutNeighbour(n) => rt::put_neighbour(w, device, n.address, n.mac, true),
            Act::RemoveNeighbour(n) => rt::put_neighbour(w, device, n.address, n.mac, false),
            Act::PutNexthop(n) => rt::put_nexthop(w, n.id, &n.target, index),
            Act::RemoveNexthop(id) => rt::remove_nexthop(w, *id),
            Act::PutRoute(route) => rt::put_route(w, route, index, true),
            Act::RemoveRoute(route) => rt::put_route(w, route, None, false),
            Act::AddRule(rule) => rt::put_rule(w, rule, true),
            Act::RemoveRule(rule) => rt::put_rule(w, rule, false),
            Act::AddNamespace
            | Act::RemoveNamespace
            | Act::Set { .. }
            | Act::Filter(_)
            | Act::Take(_)
            | Act::PutBack(_) => {}
        }
        Ok(())
    }

    fn add_link(
        &mut self,
        place: &dyn Place,
        w: &mut Writer,
        step: &Step,
        link: &Link,
    ) -> Result<(), ApplyError> {
        let LinkKind::Veth {
            peer_ns,
            peer_name,
            peer_mac,
        } = &link.kind;
        let Some(far_ns) = place.get(peer_ns) else {
            let message = Some(format!("no namespace `{peer_ns}`"));
            let errno = libc::ENOENT;
            return Err(failed(step, KernelError { errno, message }));
        };
        let (near, far) = place.numbers();
        let ends = [(&step.ns, &link.name, near), (peer_ns, peer_name, far)];
        for (ns, name, index) in ends {
            self.indexes.insert((ns.clone(), name.clone()), index);
        }
        let near = End {
            index: near,
            name: &link.name,
            mac: link.mac,
            mtu: link.mtu,
        };
        let far = End {
            index: far,
            name: peer_name,
            mac: *peer_mac,
            mtu: link.mtu,
        };
        rt::add_veth(w, near, far, far_ns.fd.as_fd());
        Ok(())
    }
}

fn take(place: &mut dyn Place, step: &Step, lent: &Lent) -> Result<(), ApplyError> {
    let unfit = |why: Unfit| {
        let message = Some(why.to_string());
        let errno = libc::EINVAL;
        failed(step, KernelError { errno, message })
    };
    let host = place.host();
    let found = host.find(place.home(), &lent.device, lent.forced);
    let found = found.map_err(unfit)?;
    let target = held(place, step)?;
    let to = (target, lent.name.as_str(), place.numbers().0);
    match host.take(place.home(), &found, to) {
        Ok(()) => Ok(()),
        Err(why) => {
            place.refused(&lent.device, found.index, why.to_string());
            Err(unfit(why))
        }
    }
}

fn failed_row(sent: &[&Step], error: io::Error) -> ApplyError {
    match sent.first() {
        Some(step) => failed(step, error),
        None => ApplyError {
            step: "do nothing".into(),
            source: error.into(),
        },
    }
}

fn acceptable(act: &Act, errno: i32) -> bool {
    let gone = [libc::ENOENT, libc::ESRCH, libc::ENODEV, libc::EADDRNOTAVAIL];
    match act {
        act if act.removes() => gone.contains(&errno),
        Act::AddRule(_) => errno == libc::EEXIST,
        _ => false,
    }
}
