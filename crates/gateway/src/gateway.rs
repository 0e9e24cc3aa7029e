//! The gateway as a whole: what it is made of, and its two entries.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use adit_model::Millis;
use adit_objects::Store;
use adit_plane::metrics::Metrics;
use adit_plane::uses::Uses;
use adit_snapshot::{Sessions, Snapshot};
use adit_wire::sigv4::KeyCache;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::{Semaphore, watch};

use crate::access_log::AccessLogs;
use crate::ca::{Authority, CaError};
use crate::certificates::Certificates;
use crate::connection::Connection;
use crate::control::Control;
use crate::counts::Counts;
use crate::crowd::Crowd;
use crate::dynamodb::{Desk, DynamoDb};
use crate::ids::Ids;
use crate::operations::Operations;
use crate::origins::Origins;
use crate::record::Recorder;
use crate::reply::ReplyBody;
use crate::serve;
use crate::settings::Settings;
use crate::threads::Threads;

/// Where requests find the newest snapshot. None until there is one: nothing is served then.
pub type Snapshots = watch::Receiver<Option<Arc<Snapshot>>>;

/// Where the gateway reads the time: milliseconds since the epoch.
pub type Clock = Arc<dyn Fn() -> Millis + Send + Sync>;

/// What a gateway is made of.
pub struct Setup {
    /// The newest snapshot.
    pub snapshots: Snapshots,
    /// Objects.
    pub store: Store,
    /// Upstreams that keep objects of some buckets.
    pub origins: Origins,
    /// The database behind DynamoDB endpoints.
    pub dynamodb: Option<DynamoDb>,
    /// Operations that change intent.
    pub operations: Arc<dyn Operations>,
    /// Answers what comes to the API address and is not S3; none where there is no such address.
    pub control: Option<Arc<dyn Control>>,
    /// Takes one record per request.
    pub recorder: Arc<dyn Recorder>,
    /// Signs certificates for the names that are served.
    pub authority: Arc<Authority>,
    /// Where requests are counted.
    pub metrics: Metrics,
    /// The time; none: the system's.
    pub clock: Option<Clock>,
    /// Threads for connections; none: they are served where [`Gateway::serve_listener`] is called.
    pub threads: Option<Threads>,
    /// Limits and manners.
    pub settings: Settings,
}

pub(crate) struct Inner {
    pub(crate) snapshots: Snapshots,
    pub(crate) store: Store,
    pub(crate) origins: Origins,
    pub(crate) dynamodb: Desk,
    pub(crate) operations: Arc<dyn Operations>,
    pub(crate) control: Option<Arc<dyn Control>>,
    pub(crate) recorder: Arc<dyn Recorder>,
    pub(crate) certificates: Certificates,
    pub(crate) counts: Counts,
    pub(crate) clock: Clock,
    pub(crate) threads: Option<Threads>,
    pub(crate) settings: Settings,
    /// Room for bodies that are held as a whole, in bytes.
    pub(crate) documents: Arc<Semaphore>,
    pub(crate) keys: KeyCache,
    pub(crate) sessions: Sessions,
    pub(crate) uses: Uses,
    pub(crate) ids: Ids,
    pub(crate) names: crate::address::Served,
    pub(crate) access_logs: Arc<AccessLogs>,
    pub(crate) crowd: Crowd,
}

/// The S3 front door. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) inner: Arc<Inner>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gateway")
    }
}

impl Gateway {
    /// A gateway; it serves nothing until it is given a listener or a request.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(setup: Setup) -> Result<Gateway, CaError> {
        let Setup {
            snapshots,
            store,
            origins,
            dynamodb,
            operations,
            control,
            recorder,
            authority,
            metrics,
            clock,
            threads,
            settings,
        } = setup;
        let certificates = Certificates::new(authority, settings.hosts.clone())?;
        let names = crate::address::Served::new(&settings.hosts);
        let inner = Inner {
            snapshots,
            store,
            origins,
            dynamodb: Desk::new(dynamodb),
            operations,
            control,
            recorder,
            certificates,
            counts: Counts::new(&metrics),
            clock: clock.unwrap_or_else(|| Arc::new(system_clock)),
            documents: Arc::new(Semaphore::new(settings.max_documents)),
            threads,
            settings,
            keys: KeyCache::default(),
            sessions: Sessions::default(),
            uses: Uses::default(),
            ids: Ids::new(),
            names,
            access_logs: Arc::default(),
            crowd: Crowd::default(),
        };
        Ok(Gateway {
            inner: Arc::new(inner),
        })
    }

    /// Which access keys were used here, to be written down.
    pub fn uses(&self) -> &Uses {
        &self.inner.uses
    }

    /// Answers one request that somebody else accepted and parsed, such as the daemon's API port, which
    /// S3 shares with the control services. `connection` is the identity of its path. Never fails: an
    /// error is an answer too.
    ///
    /// An answer may carry `connection: close`, which the caller's HTTP library must honour.
    pub async fn handle(
        &self,
        request: Request<Incoming>,
        connection: &Connection,
    ) -> Response<ReplyBody> {
        match serve::serve(&self.inner, request, connection).await {
            Ok(response) => response,
            Err(serve::Gone) => serve::unavailable(&self.inner),
        }
    }

    /// Certificates for the names that are served, for TLS listeners of the caller's own.
    pub fn certificates(&self) -> &Certificates {
        &self.inner.certificates
    }
}

fn system_clock() -> Millis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
