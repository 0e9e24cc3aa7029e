//! The network plane: it makes namespaces, links, routes and filters true in the Linux kernel.
//!
//! ```text
//!  daemon (no privilege)                          agent (CAP_NET_ADMIN + CAP_SYS_ADMIN)
//!  client::Agent ── Apply{group, Desired} ──────▶ check ▸ observe ▸ plan ▸ apply ▸ verify
//!                ◀─ sockets, namespace handles ── (SCM_RIGHTS over a Unix socket)
//! ```
//!
//! - [`desired`] and [`nft`] are the words: plain data, no choice left open.
//! - `observe` reads the kernel, `plan` is a pure function from wish and reality to ordered steps,
//!   `apply` carries them out, `verify` looks again.
//! - The agent is a process of its own that outlives a crash of the daemon ([`agent`]); the daemon
//!   speaks to it through [`client`]; [`exec`] starts a program inside a namespace.
//!
//! Everything made here is marked as ours (route protocol number, device group, table name, files
//! in the run directory). What is not marked is never changed. Nothing is ever made in the host's
//! own network namespace; devices of it are taken out only when they are lent, and put back. No `ip` and no `nft` process is run: netlink is spoken directly.
//!
//! Needs Linux 5.6 or later (nexthop objects, concatenated ranges). Before 5.18 addresses carry no
//! mark, so that ones no longer wanted stay if an agent died in between.

pub mod agent;
pub mod check;
pub mod client;
pub mod desired;
pub mod exec;
pub mod nft;
pub mod patch;
pub mod protocol;
pub mod render;

mod apply;
mod host;
mod lent;
mod namespace;
mod netlink;
mod observe;
mod plan;
mod settings;
mod sys;
mod verify;
pub mod wire;
