//! `adit up`, from the first check to the last clean-up.

mod first;
mod options;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use adit_gateway::ca::Authority;
use adit_model::KeyOwner;
use adit_net::client::{Agent, Mode, Options as AgentOptions};
use adit_plane::Board;
use adit_plane::metrics::Metrics;
use adit_store::Store;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::audit::Audit;
use crate::config::{Config, DEFAULT_LISTEN};
use crate::control::{Control, Parts};
use crate::jobs::Jobs;
use crate::places::{self, ClientFile};
use crate::planes::net::{NetPlane, Placed, chain};
use crate::planes::{self, DNS, GATEWAY, NET};
use crate::{AGENT_COMMAND, certificates, flow_logs, leases, log_groups, metrics, origins};

pub(crate) use first::FirstState;
pub use options::{PlaneChoice, UpError, UpOptions};

/// How long a mutating call waits for the planes before it answers `pending`.
const SETTLE: Duration = Duration::from_secs(10);

/// How long the end waits for the last records of flow logs and query logs.
const RECORDS: Duration = Duration::from_secs(5);

/// Runs the daemon until SIGTERM, SIGINT, or `adit down`.
pub fn up(options: UpOptions) -> Result<(), UpError> {
    start_log(&options.log)?;
    raise_descriptor_limit();
    let config = match &options.config {
        Some(path) => Config::read(path)?,
        None => Config::default(),
    };
    let (temporary, state) = state_directory(&options)?;
    let store = open_store(&options, &config, &state)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| UpError::Open {
            what: "the runtime",
            why: e.to_string(),
        })?;
    let done = runtime.block_on(serve(&options, &config, &state, store));
    runtime.shutdown_timeout(Duration::from_secs(2));
    if options.ephemeral || matches!(done, Ok(End::Down)) {
        remove_network(&state);
    }
    drop(temporary);
    done.map(|_| ())
}

/// The state: in the directory, or in the etcd that was named.
fn open_store(options: &UpOptions, config: &Config, state: &Path) -> Result<Store, UpError> {
    let Some(home) = &options.store else {
        return Ok(Store::open(state)?);
    };
    let address = options.listen.or(config.listen);
    let node = adit_store::etcd::Node {
        id: places::node_id(state).map_err(|e| UpError::Open {
            what: "this node's id",
            why: e.to_string(),
        })?,
        address: address.map_or_else(|| DEFAULT_LISTEN.into(), |a| a.to_string()),
        planes: options.planes == PlaneChoice::All,
    };
    Ok(Store::connect(state, &home.clone().as_node(node))?)
}

/// Why the daemon ended.
enum End {
    /// A signal: what it placed stays, and a restart takes over.
    Signal,
    /// `adit down`: what it placed goes.
    Down,
}

/// Removes everything that a daemon which does not run any more left in the kernel.
pub fn down(state: &Path) -> Result<(), UpError> {
    if !state.exists() {
        return Err(UpError::Option(format!(
            "no adit runs, and there is no state directory `{}`",
            state.display()
        )));
    }
    // Whoever holds the lock also holds the network.
    let lock = adit_store::lock_directory(state)?;
    remove_network(state);
    drop(lock);
    Ok(())
}

fn remove_network(state: &Path) {
    match Agent::find(&agent_directory(state)) {
        Ok(Some(agent)) => {
            if let Err(error) = agent.shutdown() {
                tracing::warn!(
                    error = chain(&error),
                    "something of the network stayed behind"
                );
            }
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(error = chain(&error), "the network agent does not answer"),
    }
}

fn agent_directory(state: &Path) -> PathBuf {
    state.join("net")
}

fn start_log(level: &str) -> Result<(), UpError> {
    use tracing_subscriber::prelude::*;
    let level: tracing_subscriber::filter::LevelFilter = level.parse().map_err(|_| {
        UpError::Option(format!(
            "--log `{level}` is none of error, warn, info, debug, trace"
        ))
    })?;
    let targets = tracing_subscriber::filter::Targets::new().with_default(level);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false);
    // Only the first daemon of a process sets it.
    let _ = tracing_subscriber::registry()
        .with(lines.with_filter(targets))
        .try_init();
    Ok(())
}

fn state_directory(options: &UpOptions) -> Result<(Option<tempfile::TempDir>, PathBuf), UpError> {
    if options.ephemeral {
        let directory = tempfile::Builder::new()
            .prefix("adit-")
            .tempdir()
            .map_err(|e| UpError::Open {
                what: "a temporary directory",
                why: e.to_string(),
            })?;
        let path = directory.path().to_path_buf();
        return Ok((Some(directory), path));
    }
    Ok((
        None,
        options.state.clone().unwrap_or_else(places::default_state),
    ))
}

async fn serve(
    options: &UpOptions,
    config: &Config,
    state: &Path,
    store: Store,
) -> Result<End, UpError> {
    let wanted = options.listen.or(config.listen);
    let address = match wanted {
        Some(address) => address,
        None => DEFAULT_LISTEN
            .parse()
            .map_err(|_| UpError::Option("the default address".into()))?,
    };
    let listener = TcpListener::bind(address)
        .await
        .map_err(|why| UpError::Listen { address, why })?;
    let address = listener
        .local_addr()
        .map_err(|why| UpError::Listen { address, why })?;

    let first = FirstState::of(options, config)?;
    if store.intent().installation().is_none() {
        first.begin(&store).await?;
    }
    first.complete(&store).await?;
    let store = Arc::new(store);
    let open = |what| {
        move |e: &dyn std::fmt::Display| UpError::Open {
            what,
            why: e.to_string(),
        }
    };
    let authority = Authority::open_or_create(&state.join("ca"))
        .map_err(|e| open("the certificate authority")(&e))?;
    let objects =
        adit_objects::Store::open(&state.join("objects"), adit_objects::Options::default())
            .map_err(|e| open("the object store")(&e))?;
    accept_writes_again(&store, &objects)
        .await
        .map_err(|e| open("the object store")(&e))?;
    let region = store
        .intent()
        .installation()
        .map(|i| i.default_region.to_string());
    let audit = Audit::open(state, config.audit.limits(), region.unwrap_or_default())
        .map_err(|e| open("the audit log")(&e))?;

    let metrics = Metrics::default();
    if let Some(listen) = config.metrics.listen {
        metrics::serve(listen, metrics.clone())
            .await
            .map_err(|why| UpError::Listen {
                address: listen,
                why,
            })?;
    }

    let origins = origins::open(&config.origin, &metrics)?;
    let dynamodb = match &config.dynamodb {
        Some(dynamodb) => Some(dynamodb.open()?),
        None => None,
    };

    let (publish, snapshots) = watch::channel(None);
    let mut built = snapshots.clone();
    let planes = options.planes == PlaneChoice::All;
    let board = Board::expecting(match options.planes {
        PlaneChoice::All => &[NET, DNS, GATEWAY],
        PlaneChoice::None => &[],
    });
    store.follow(adit_plane::builder(publish));

    let (place, placed) = watch::channel(Placed::default());
    let (ending, delivered) = (CancellationToken::new(), CancellationToken::new());
    let mut recorder = None;
    if planes {
        let mut net = NetPlane::new(agent_options(options, state, &store));
        let net = tokio::task::spawn_blocking(move || net.connect().map(|_| net))
            .await
            .map_err(|e| UpError::Agent(e.to_string()))?
            .map_err(|e| UpError::Agent(chain(&e)))?;
        tokio::spawn(planes::net::run(
            net,
            snapshots.clone(),
            board.clone(),
            place,
        ));
        if config.metrics.listen.is_some() {
            tokio::spawn(planes::traffic::run(placed.clone(), metrics.clone()));
        }
        tokio::spawn(planes::names::run(
            placed.clone(),
            board.clone(),
            planes::names::Manners {
                upstream: config.dns.upstreams(),
                log_folder: state.join(log_groups::FOLDER),
                log_limits: config.dns.log.limits(),
                delivery: planes::names::Delivery {
                    objects: objects.clone(),
                    every: config.dns.bucket_logs_every(),
                    ending: ending.clone(),
                    done: delivered.clone(),
                },
            },
        ));
        tokio::spawn(leases::run(store.clone()));
        recorder = Some(tokio::spawn(flow_logs::run(
            placed.clone(),
            config.flow_logs.settings(),
            objects.clone(),
            state.to_path_buf(),
            metrics.clone(),
            ending.clone(),
        )));
    }

    let down = Arc::new(Notify::new());
    let control = Control::start(Parts {
        store: store.clone(),
        board: board.clone(),
        snapshots: snapshots.clone(),
        settle: SETTLE,
        authority: Arc::new(authority),
        objects,
        audit,
        metrics: metrics.clone(),
        origins,
        dynamodb,
        settings: config.s3.settings(options.explain_allowed),
        agent_directory: agent_directory(state),
        ca_bundle: state.join("ca").join("ca.pem"),
        first,
        ephemeral: options.ephemeral,
        placed: placed.clone(),
        down: down.clone(),
        listener,
    })
    .map_err(|why| UpError::Open {
        what: "the S3 front door",
        why,
    })?;
    // Objects are this node's: in an etcd, the node with the planes has them.
    if planes || options.store.is_none() {
        let jobs = Jobs {
            store: store.clone(),
            gateway: control.gateway(),
            snapshots,
            directory: state.join("jobs"),
            most: config.jobs.concurrent.max(1),
        };
        tokio::spawn(jobs.run());
    }
    let front = control.gateway();
    let logs =
        planes::chores::deliver_logs(front.clone(), built.clone(), config.s3.access_logs_every());
    tokio::spawn(logs);
    if planes {
        let every = config.s3.lifecycle_every();
        tokio::spawn(planes::chores::expire(front.clone(), built.clone(), every));
        tokio::spawn(planes::gateway::run(
            control.gateway(),
            placed,
            board.clone(),
        ));
    }

    let unusable = |why: String| UpError::Open {
        what: "the certificates",
        why,
    };
    let own = certificates::read(&config.certificate).map_err(|e| unusable(chain(&e)))?;
    control.gateway().certificates().set_own(own);
    certificates::follow(config.certificate.clone(), control.gateway())
        .map_err(|e| unusable(e.to_string()))?;

    // The snapshot too, planes or not: without one nobody's access key is known.
    let newest = store.intent().generation;
    let built = built.wait_for(|s| s.as_ref().is_some_and(|s| s.generation >= newest));
    let _ = tokio::time::timeout(SETTLE, built).await;
    board.settled(newest, SETTLE).await;
    let file = client_file(&store, address, state, options.ephemeral)?;
    places::publish(state, address, &file).map_err(|e| UpError::Open {
        what: "the client file",
        why: e.to_string(),
    })?;
    let ends = Ends::watch(down.clone()).map_err(|e| UpError::Open {
        what: "the signal handlers",
        why: e.to_string(),
    })?;
    say_ready(&file, state, options);
    if options.while_stdin {
        end_with_stdin(down.clone());
    }
    let end = ends.wait().await;
    places::withdraw(state, address);
    ending.cancel();
    if let Some(recorder) = recorder {
        // What passed until now is written down.
        let _ = tokio::time::timeout(RECORDS, async {
            let _ = recorder.await;
            delivered.cancelled().await;
        })
        .await;
    }
    control.stop().await;
    front.deliver_logs().await;
    Ok(end)
}

/// A bucket that was being deleted when the daemon was killed takes no writes; if its intent is
/// still there, it was not deleted.
async fn accept_writes_again(
    store: &Store,
    objects: &adit_objects::Store,
) -> Result<(), adit_objects::Error> {
    for bucket in store.intent().buckets.values() {
        objects
            .restore_bucket(&adit_objects::Bucket::new(bucket.incarnation.as_str()))
            .await?;
    }
    Ok(())
}

/// Every connection is a descriptor, and so is every socket in every namespace: take what the
/// system allows.
fn raise_descriptor_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::warn!(%error, soft, "could not raise the limit of open files");
    }
}

fn agent_options(options: &UpOptions, state: &Path, store: &Store) -> AgentOptions {
    let id = store
        .intent()
        .installation()
        .map(|i| i.id.clone())
        .unwrap_or_default();
    AgentOptions {
        program: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("adit")),
        args: vec![AGENT_COMMAND.to_string()],
        state_dir: agent_directory(state),
        run_dir: PathBuf::from("/run/adit").join(id),
        mode: if options.rootless {
            Mode::Rootless
        } else {
            Mode::Auto
        },
        allow_uid: None,
        clean: false,
    }
}

/// One line on standard output: scripts wait for it.
fn say_ready(file: &ClientFile, state: &Path, options: &UpOptions) {
    let from_state = match options.ephemeral || options.state.is_some() {
        true => format!(" --state {}", state.display()),
        false => String::new(),
    };
    let mut out = std::io::stdout().lock();
    let _ = writeln!(
        out,
        "adit ready: API {} (HTTP and TLS), Region {}, credentials: eval \"$(adit env{from_state})\"",
        file.endpoint, file.region
    );
    let _ = out.flush();
}

/// Ends the daemon when standard input does. A thread of its own: reading cannot be cancelled.
fn end_with_stdin(down: Arc<Notify>) {
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        down.notify_one();
    });
}

/// What ends the daemon. Made before it says that it is ready: who reads the line may end it.
struct Ends {
    terminate: Signal,
    interrupt: Signal,
    down: Arc<Notify>,
}

impl Ends {
    fn watch(down: Arc<Notify>) -> std::io::Result<Ends> {
        Ok(Ends {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            down,
        })
    }

    async fn wait(mut self) -> End {
        tokio::select! {
            _ = self.terminate.recv() => End::Signal,
            _ = self.interrupt.recv() => End::Signal,
            () = self.down.notified() => End::Down,
        }
    }
}

fn client_file(
    store: &Store,
    address: SocketAddr,
    state: &Path,
    ephemeral: bool,
) -> Result<ClientFile, UpError> {
    let intent = store.intent();
    let no_root = || UpError::Open {
        what: "the root access key",
        why: "the state has none".into(),
    };
    let root = intent
        .access_keys
        .values()
        .find(|key| key.owner == KeyOwner::Root && key.active);
    let root = root.ok_or_else(no_root)?;
    let installation = intent.installation().ok_or_else(no_root)?;
    // A wildcard address is not one to connect to.
    let shown = match address.ip().is_unspecified() {
        true => SocketAddr::from(([127, 0, 0, 1], address.port())),
        false => address,
    };
    Ok(ClientFile {
        endpoint: format!("http://{shown}"),
        region: installation.default_region.to_string(),
        access_key_id: root.id.clone(),
        secret_access_key: root.secret.expose().to_string(),
        ca_bundle: state.join("ca").join("ca.pem"),
        pid: std::process::id(),
        ephemeral,
    })
}

/// Milliseconds since the epoch, UTC.
pub(crate) fn now_millis() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| d.as_millis() as i64)
}
