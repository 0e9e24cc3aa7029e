//! Per-listener counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::wire::Rcode;

macro_rules! counters {
    ($( $(#[$doc:meta])* $name:ident ),* $(,)?) => {
        /// Running counts of one listener, read with [`Counters::read`].
        #[derive(Debug, Default)]
        pub struct Counters { $( pub(super) $name: AtomicU64 ),* }

        /// The counts of one listener at one moment; all only grow but `connections_open`.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Counts { $( $(#[$doc])* pub $name: u64 ),* }

        impl Counters {
            /// The counts now.
            #[must_use]
            pub fn read(&self) -> Counts {
                Counts { $( $name: self.$name.load(Relaxed) ),* }
            }
        }
    };
}

counters! {
    /// Messages received that were not ignored as no query at all.
    queries,
    /// Replies sent, or handed to the kernel to be sent.
    replies,
    /// Queries answered with an error because of their form (FORMERR, NOTIMP, BADVERS).
    malformed,
    /// Messages without any reply: no query, or the decision was to ignore it.
    ignored,
    /// Replies with NOERROR.
    noerror,
    /// Replies with NXDOMAIN.
    nxdomain,
    /// Replies with SERVFAIL.
    servfail,
    /// Replies with REFUSED.
    refused,
    /// Replies marked as truncated.
    truncated,
    /// Queries relayed to an upstream.
    forwarded,
    /// Relayed queries without a usable answer, or over the limit.
    forward_failed,
    /// Replies the kernel did not take, or whose client went away.
    send_failed,
    /// TCP connections accepted.
    connections,
    /// TCP connections closed at once because of a limit.
    connections_refused,
    /// TCP connections open now.
    connections_open,
}

impl Counters {
    pub(super) fn add(&self, counter: impl Fn(&Self) -> &AtomicU64) {
        counter(self).fetch_add(1, Relaxed);
    }

    pub(super) fn count_reply(&self, rcode: Rcode, truncated: bool) {
        self.add(|c| &c.replies);
        match rcode {
            Rcode::NOERROR => self.add(|c| &c.noerror),
            Rcode::NXDOMAIN => self.add(|c| &c.nxdomain),
            Rcode::SERVFAIL => self.add(|c| &c.servfail),
            Rcode::REFUSED => self.add(|c| &c.refused),
            _ => {}
        }
        if truncated {
            self.add(|c| &c.truncated);
        }
    }
}
