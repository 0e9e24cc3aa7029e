//! The namespace in which the agent was started: where devices that are lent come from and go back to.
//! Nothing is ever made in it.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::lent::Origin;
use crate::namespace::{self, Held, Identity};
use crate::netlink::rt::{self, LinkReport, Move};
use crate::netlink::{KernelError, Netlink, Writer};

/// The host's namespace, if the agent may enter it.
pub(crate) struct Host {
    held: Option<Held>,
    identity: Option<Identity>,
}

/// Why a device cannot be lent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    #[error(
        "a rootless network agent cannot take the device `{0}`: devices of the host belong to its root. \
         Run the daemon with privilege"
    )]
    Rootless(String),
    #[error(
        "there is no network device `{0}` in the network namespace in which the daemon was started"
    )]
    Missing(String),
    #[error("the device `{0}` is the loopback of its namespace, which stays where it is")]
    Loopback(String),
    #[error(
        "a default route of the host leads over the device `{0}`: without it the host could be out of \
         reach. Use --force if that is meant"
    )]
    DefaultRoute(String),
    #[error("the device `{device}` is a port of `{master}`: take it out of there first")]
    Port { device: String, master: String },
    #[error("the device `{device}` is lent already: it is `{name}` in the namespace `{ns}`")]
    Taken {
        device: String,
        name: String,
        ns: String,
    },
    #[error(
        "the device `{0}` is looked for in the network namespace in which the daemon was started, and \
         this command runs in another one"
    )]
    Elsewhere(String),
    #[error("the kernel does not let go of the device `{device}`: {source}")]
    Refused { device: String, source: KernelError },
    #[error("{0}")]
    Again(String),
}

/// A device of the host that may be taken.
pub(crate) struct Found {
    pub(crate) index: u32,
    pub(crate) origin: Origin,
}

impl Host {
    /// The calling thread's namespace, before it leaves it; `rootless`, it cannot be entered again.
    pub(crate) fn here(rootless: bool) -> Self {
        let fd = namespace::current().ok().filter(|_| !rootless);
        Self {
            held: fd.map(|fd| Held { fd }),
            identity: namespace::own_identity(),
        }
    }

    /// Whether a namespace is the host's.
    pub(crate) fn is(&self, namespace: &Held) -> bool {
        namespace.identity().is_none() || namespace.identity() == self.identity
    }

    fn open(&self, home: &OwnedFd, device: &str) -> Result<(Netlink, &Held), Unfit> {
        let rootless = || Unfit::Rootless(device.to_owned());
        let held = self.held.as_ref().ok_or_else(rootless)?;
        let opened = held.inside(home, Netlink::route).flatten();
        let socket = opened.map_err(|error| refused(device, error))?;
        Ok((socket, held))
    }

    /// A device that may be taken, and what it is now.
    pub(crate) fn find(&self, home: &OwnedFd, device: &str, forced: bool) -> Result<Found, Unfit> {
        let (mut socket, _) = self.open(home, device)?;
        let fail = |error| refused(device, error);
        let mut links: Vec<LinkReport> = Vec::new();
        socket
            .dump(&rt::dump_links(), |message| links.extend(rt::link(message)))
            .map_err(fail)?;
        let named = links.iter().find(|link| link.name == device);
        let link = named.ok_or_else(|| Unfit::Missing(device.to_owned()))?;
        if link.loopback {
            return Err(Unfit::Loopback(device.to_owned()));
        }
        if let Some(master) = link.master {
            let master = links.iter().find(|other| other.index == master);
            return Err(Unfit::Port {
                device: device.to_owned(),
                master: master.map_or_else(|| "?".to_owned(), |master| master.name.clone()),
            });
        }
        if !forced
            && carriers(&mut socket, &links)
                .map_err(fail)?
                .contains(&link.index)
        {
            return Err(Unfit::DefaultRoute(device.to_owned()));
        }
        Ok(Found {
            index: link.index,
            origin: Origin {
                device: device.to_owned(),
                up: link.up,
                group: link.group,
                alias: link.alias.clone(),
            },
        })
    }

    /// Takes a device into another namespace, up and under another name.
    pub(crate) fn take(
        &self,
        home: &OwnedFd,
        found: &Found,
        to: (&Held, &str, u32),
    ) -> Result<(), Unfit> {
        let device = &found.origin.device;
        let (mut socket, _) = self.open(home, device)?;
        let (target, name, number) = to;
        let mut row = Writer::default();
        let origin = found.origin.to_string();
        rt::move_link(
            &mut row,
            Move {
                index: found.index,
                to: target.fd.as_fd(),
                number: Some(number),
                name,
                group: rt::LENT,
                alias: &origin,
                up: true,
            },
        );
        execute(&mut socket, &row).map_err(|error| {
            // It may be there already and not come up: a VLAN whose device below is down, say.
            if let Ok(mut socket) = target.inside(home, Netlink::route).flatten() {
                let _ = self.put_back(home, &mut socket, name);
            }
            refused(device, error)
        })
    }

    /// Puts a device of a namespace of ours back. One that is not there is with whoever took it.
    pub(crate) fn put_back(
        &self,
        home: &OwnedFd,
        socket: &mut Netlink,
        name: &str,
    ) -> Result<(), KernelError> {
        let mut found = None;
        match socket.get(&rt::get_link(name), |message| found = rt::link(message)) {
            Err(error) if error.errno != libc::ENODEV => return Err(error),
            _ => {}
        }
        let Some((link, origin)) = found.and_then(|link| {
            let origin = Origin::parse(&link.alias)?;
            Some((link, origin))
        }) else {
            return Ok(());
        };
        let held = self.held.as_ref().ok_or(KernelError {
            errno: libc::EPERM,
            message: None,
        })?;
        // Another device may have taken its name in the meantime: it gets a new one then. The kernel would
        // say so only with the device on its way.
        let taken = held.inside(home, || {
            let mut socket = Netlink::route()?;
            let answer = socket.get(&rt::get_link(&origin.device), |_| {});
            Ok(answer.is_ok())
        });
        let name = match taken.flatten()? {
            true => "lent%d",
            false => &origin.device,
        };
        let mut row = Writer::default();
        rt::move_link(
            &mut row,
            Move {
                index: link.index,
                to: held.fd.as_fd(),
                number: None,
                name,
                group: origin.group,
                alias: &origin.alias,
                up: origin.up,
            },
        );
        execute(socket, &row)
    }
}

fn refused(device: &str, error: impl Into<KernelError>) -> Unfit {
    Unfit::Refused {
        device: device.to_owned(),
        source: error.into(),
    }
}

fn execute(socket: &mut Netlink, row: &Writer) -> Result<(), KernelError> {
    let results = socket.execute(row).map_err(|error: io::Error| error.into());
    match results.map(|results| results.into_iter().flatten().next()) {
        Ok(None) => Ok(()),
        Ok(Some(error)) | Err(error) => Err(error),
    }
}

/// The devices that a default route needs: those that it leads over, and what these stand on (the ports of
/// a bridge, the device below a VLAN).
fn carriers(socket: &mut Netlink, links: &[LinkReport]) -> Result<BTreeSet<u32>, KernelError> {
    let mut needed: BTreeSet<u32> = BTreeSet::new();
    for v4 in [true, false] {
        socket.dump(&rt::dump_every_route(v4), |message| {
            needed.extend(rt::default_route_devices(message));
        })?;
    }
    loop {
        let below: Vec<u32> = links
            .iter()
            .flat_map(|link| {
                let master = link.master.filter(|master| needed.contains(master));
                let port = master.map(|_| link.index);
                let lower = link.peer.filter(|_| !link.peer_is_elsewhere);
                let lower = lower.filter(|_| needed.contains(&link.index));
                port.into_iter().chain(lower)
            })
            .filter(|index| !needed.contains(index))
            .collect();
        if below.is_empty() {
            return Ok(needed);
        }
        needed.extend(below);
    }
}
