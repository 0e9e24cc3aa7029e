//! What stands behind Adit: S3 endpoints whose objects it guards, and databases.
//!
//! An [`Upstream`] is one HTTP endpoint with credentials of its own. It keeps connections and uses them
//! again, signs what it is given, streams both ways without holding a body, and stops asking an endpoint
//! that does not answer ([`Health`]). It decides nothing and knows no bucket of Adit's.
//!
//! # Retries
//!
//! A request is sent again only where that cannot do anything twice: when not a byte of it was sent
//! (the kept connection had been closed meanwhile), or when it only reads and no answer had begun.

mod answer;
mod body;
mod client;
mod connect;
mod credentials;
mod endpoint;
mod health;
mod pool;

pub use answer::{Answer, AnswerBody};
pub use body::{Body, Feed, Gone};
pub use client::{Call, Payload, Timeouts, Upstream, UpstreamError};
pub use credentials::{Credentials, CredentialsError};
pub use endpoint::{Endpoint, EndpointError};
pub use health::{Health, State};
