//! Netlink: the kernel's own protocol for links, routes and filters, as far as we need it.

mod changes;
pub(crate) mod message;
pub(crate) mod nf;
pub(crate) mod rt;
pub(crate) mod socket;

pub(crate) use changes::disturbs;
pub(crate) use message::{Attrs, Message, Writer};
pub(crate) use socket::{KernelError, Netlink};
