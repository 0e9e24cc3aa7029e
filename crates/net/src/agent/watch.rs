//! Hears what others change in our namespaces, so that nobody has to look everywhere all the time.
//!
//! Two sockets per namespace: one for links, addresses, routes, rules, nexthops and neighbours, one
//! for nftables. Settings under `/proc/sys` change in silence, and a namespace whose sockets could
//! not be opened has nobody listening: for these there is the slow round in [`super::mend`].

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::namespace::Held;
use crate::netlink::{Netlink, disturbs};
use crate::sys::Poll;

/// What a namespace's two sockets hear.
struct Ears {
    route: Netlink,
    netfilter: Option<Netlink>,
    token: u64,
}

/// All namespaces that are listened to, and those where something was heard.
pub(super) struct Watch {
    poll: Arc<Poll>,
    ears: BTreeMap<String, Ears>,
    tokens: BTreeMap<u64, String>,
    next: u64,
    heard: BTreeSet<String>,
    buffer: Vec<u8>,
}

/// The largest notification; what is longer is cut off, which its first bytes survive.
const BUFFER: usize = 64 * 1024;

impl Watch {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Arc::new(Poll::new()?),
            ears: BTreeMap::new(),
            tokens: BTreeMap::new(),
            next: 0,
            heard: BTreeSet::new(),
            buffer: vec![0; BUFFER],
        })
    }

    /// What wakes up when something is heard anywhere, ourselves included.
    pub(super) fn poll(&self) -> Arc<Poll> {
        Arc::clone(&self.poll)
    }

    /// Listens to a namespace. Out of descriptors, or where the kernel refuses, the slow round must
    /// do.
    pub(super) fn listen(&mut self, ns: &str, held: &Held, home: &OwnedFd) {
        let opened = held.inside(home, || {
            Netlink::route_changes().map(|route| (route, Netlink::filter_changes().ok()))
        });
        let Ok((route, netfilter)) = opened.flatten() else {
            return;
        };
        self.next += 1;
        let token = self.next;
        let added = [Some(&route), netfilter.as_ref()]
            .into_iter()
            .flatten()
            .try_for_each(|socket| self.poll.add(socket.fd(), token));
        if added.is_ok() {
            self.tokens.insert(token, ns.to_owned());
            let ears = Ears {
                route,
                netfilter,
                token,
            };
            self.ears.insert(ns.to_owned(), ears);
        }
    }

    /// Listens no more.
    pub(super) fn forget(&mut self, ns: &str) {
        if let Some(ears) = self.ears.remove(ns) {
            self.tokens.remove(&ears.token);
        }
        self.heard.remove(ns);
    }

    /// Takes in all that was heard. What was heard in the namespaces `own` is what we did there
    /// ourselves just now.
    pub(super) fn take_in(&mut self, own: &BTreeSet<String>) {
        // A full answer means that there may be more.
        for _ in 0..64 {
            let tokens = self.poll.wait(0).unwrap_or_default();
            let ready: BTreeSet<String> = tokens
                .iter()
                .filter_map(|token| self.tokens.get(token).cloned())
                .collect();
            for ns in &ready {
                if self.read(ns) && !own.contains(ns) {
                    self.heard.insert(ns.clone());
                }
            }
            if tokens.len() < 256 {
                return;
            }
        }
    }

    /// Reads a namespace's sockets empty; whether something of ours may have been touched.
    fn read(&mut self, ns: &str) -> bool {
        let Some(ears) = self.ears.get(ns) else {
            return false;
        };
        let routes = ears.route.heard(&mut self.buffer, disturbs);
        let filters = ears
            .netfilter
            .as_ref()
            .is_some_and(|socket| socket.heard(&mut self.buffer, |_| true));
        routes || filters
    }

    /// Whether something was heard that nobody has looked at.
    pub(super) fn is_quiet(&self) -> bool {
        self.heard.is_empty()
    }

    /// Up to `most` namespaces where something was heard.
    pub(super) fn take(&mut self, most: usize) -> BTreeSet<String> {
        let taken: BTreeSet<String> = self.heard.iter().take(most).cloned().collect();
        self.heard.retain(|ns| !taken.contains(ns));
        taken
    }
}
