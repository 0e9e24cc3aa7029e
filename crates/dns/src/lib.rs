//! The name plane: listeners around one decision.
//!
//! A query comes in by a socket that belongs to somebody (a VPC's resolver address, an inbound
//! endpoint), is read without allocation ([`wire`]), put to [`Names`] together with where it came
//! from, answered from an immutable index ([`index`]) or relayed ([`forward`]), and written
//! straight into the buffer that is sent ([`serve`]). [`export`] renders names for the resolvers
//! of a site.
//!
//! The crate knows no VPC, endpoint or account: it is handed bound sockets and a decision. It
//! refuses what is not a plain query of class IN, never answers a response, keeps bounded memory
//! per client, and never guesses: without an answer it says SERVFAIL or REFUSED.

pub mod decide;
pub mod export;
pub mod forward;
pub mod index;
pub mod name;
pub mod serve;
pub mod wire;

pub use decide::{Decision, Listener, Names, Origin, Question, Transport, Upstreams};
pub use name::{Name, NameRef};
