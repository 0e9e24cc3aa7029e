//! The command line.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::client::Client;

/// Private VPC endpoints for S3-compatible storage.
#[derive(Debug, Parser)]
#[command(name = "adit", version, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which daemon is meant.
#[derive(Debug, clap::Args)]
pub(crate) struct Target {
    /// Where the daemon answers [default: http://127.0.0.1:4566].
    #[arg(long, global = true, env = "ADIT_ENDPOINT", value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// The state directory [default: the XDG state home].
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the daemon until it is told to stop.
    Up(Up),
    /// Stops the daemon and removes every namespace, route and filter it made; the state stays.
    Down,
    /// Brings an ephemeral installation back to its first state.
    Reset,
    /// Prints shell exports that point AWS's tools at the daemon: `eval "$(adit env)"`.
    Env(EnvOptions),
    /// Runs a program as a host in a subnet or at an on-premises site.
    Run(Run),
    /// Puts a network namespace that is there already, such as a container's, into a subnet.
    Attach(Attach),
    /// Takes an attached namespace out of its subnet again.
    Detach(Detach),
    /// On-premises networks.
    Site(SiteCommand),
    /// Take an availability zone out of service, or back.
    Az(AzCommand),
    /// The ranges of services: AWS-managed prefix lists.
    PrefixList(PrefixListCommand),
    /// How many there may be of something.
    Quota(QuotaCommand),
    /// The installation's accounts.
    Account(AccountCommand),
    /// What a site's resolver is told.
    Dns(DnsCommand),
    /// What stands in the kernel.
    Net(NetCommand),
    /// How far the planes are, how much there is, and what is wrong; fails when something is.
    Status,
    /// What passes through interfaces and endpoints, the busiest first, and what was dropped.
    Top(Top),
    /// Prints which way S3's bytes take out of each subnet: gateway, interface, NAT or public.
    Paths(Paths),
    /// The embedded object store.
    Objects(ObjectsCommand),
    /// Builds a hybrid network and shows who reaches which bucket, and why.
    Demo(Demo),
    /// Checks and decides IAM policies; needs no daemon.
    Policy(Policy),
    /// What is built of AWS's APIs; needs no daemon.
    Api(Api),
    /// Writes everything but objects and records into a file that only you can read. The daemon goes on.
    Backup {
        /// The file; must not exist.
        file: PathBuf,
    },
    /// Makes a backup the state. The daemon must not run.
    Restore(Restore),
    /// Asks for one object: the demonstration's client where the AWS CLI is missing.
    #[command(hide = true)]
    DemoClient(crate::demo::Get),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Up {
    /// A configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where the API answers, in plain HTTP and in TLS [default: 127.0.0.1:4566].
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Keeps the state in a temporary place and removes everything at the end.
    #[arg(long)]
    pub(crate) ephemeral: bool,
    /// The account made at first start: twelve digits.
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<String>,
    /// Gives each Region the default VPC that AWS gives.
    #[arg(long)]
    pub(crate) default_vpc: bool,
    /// Access key id of the root user, for a first start.
    #[arg(long, env = "ADIT_ROOT_ACCESS_KEY_ID", hide = true)]
    pub(crate) root_access_key_id: Option<String>,
    /// Uses a user namespace even when the process has the privileges to do without.
    #[arg(long)]
    pub(crate) rootless: bool,
    /// Names the deciding statement of allowed requests too, in the decision records.
    #[arg(long)]
    pub(crate) explain_allowed: bool,
    /// Ends when standard input ends.
    #[arg(long, hide = true)]
    pub(crate) while_stdin: bool,
    /// Which planes run; with `none` the API alone answers, and what planes would make true stays
    /// pending.
    #[arg(long, value_name = "WHICH", default_value = "all", value_parser = ["all", "none"])]
    pub(crate) planes: String,
    #[command(flatten)]
    pub(crate) etcd: Etcd,
    /// What is logged: error, warn, info, debug or trace.
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    pub(crate) log: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct EnvOptions {
    /// Prints KEY=value lines instead of shell exports.
    #[arg(long)]
    pub(crate) plain: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// The subnet to run in.
    #[arg(
        long,
        value_name = "ID",
        required_unless_present = "site",
        conflicts_with = "site"
    )]
    pub(crate) subnet: Option<String>,
    /// The on-premises site to run at.
    #[arg(long, value_name = "NAME")]
    pub(crate) site: Option<String>,
    /// Security groups instead of the VPC's default group.
    #[arg(long = "security-group", value_name = "ID", conflicts_with = "site")]
    pub(crate) security_groups: Vec<String>,
    /// Gives the host a public address behind the internet gateway.
    #[arg(long, conflicts_with = "site")]
    pub(crate) public_ip: bool,
    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) program: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Attach {
    /// A network interface that nobody uses; without one, --subnet makes one.
    #[arg(
        value_name = "ENI",
        required_unless_present = "subnet",
        conflicts_with = "subnet"
    )]
    pub(crate) interface: Option<String>,
    /// The subnet in which to make an interface.
    #[arg(long, value_name = "ID")]
    pub(crate) subnet: Option<String>,
    /// Security groups instead of the VPC's default group.
    #[arg(
        long = "security-group",
        value_name = "ID",
        conflicts_with = "interface"
    )]
    pub(crate) security_groups: Vec<String>,
    /// The namespace, as a file: /run/netns/NAME, for example.
    #[arg(
        long,
        value_name = "PATH",
        required_unless_present_any = ["pid", "host_device"],
        conflicts_with_all = ["pid", "host_device"]
    )]
    pub(crate) netns: Option<PathBuf>,
    /// The namespace of a process; the attachment goes away with it.
    #[arg(long, value_name = "PID", conflicts_with = "host_device")]
    pub(crate) pid: Option<u32>,
    /// A network device of this host: it becomes the interface's port, and what is behind it uses the
    /// interface's address. Given back by `adit detach`.
    #[arg(long = "interface", value_name = "DEV", conflicts_with = "device")]
    pub(crate) host_device: Option<String>,
    /// Lends the device even if a default route of this host leads over it.
    #[arg(long, requires = "host_device")]
    pub(crate) force: bool,
    /// What the device is called there.
    #[arg(long, value_name = "NAME", default_value = "eth0")]
    pub(crate) device: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Detach {
    /// The attached network interface.
    #[arg(value_name = "ENI")]
    pub(crate) interface: String,
    /// Deletes the interface too.
    #[arg(long)]
    pub(crate) delete: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Top {
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    pub(crate) interval: u64,
    /// How often to show the rates.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) count: u32,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Paths {
    /// Of this VPC alone.
    #[arg(long, value_name = "VPC")]
    pub(crate) vpc: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct NetCommand {
    #[command(subcommand)]
    pub(crate) action: NetAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NetAction {
    /// Prints what would change in the kernel to make it as stated; changes nothing.
    Plan,
}

/// `adit dns`.
#[derive(Debug, clap::Args)]
pub(crate) struct DnsCommand {
    #[command(subcommand)]
    pub(crate) action: DnsAction,
}

/// What to do about names.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum DnsAction {
    /// Prints a file that leads S3's names into a VPC.
    Export(DnsExport),
}

/// What to print.
#[derive(Debug, clap::Args)]
pub(crate) struct DnsExport {
    #[command(flatten)]
    pub(crate) form: DnsForm,
    /// The VPC with the endpoints.
    #[arg(long, value_name = "ID")]
    pub(crate) vpc: String,
    /// One bucket's name instead of the whole service's.
    #[arg(long, value_name = "NAME")]
    pub(crate) bucket: Option<String>,
}

/// For which resolver.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct DnsForm {
    /// A response policy zone file, for unbound, BIND and others.
    #[arg(long)]
    pub(crate) rpz: bool,
    /// Conditional forwarding for unbound.
    #[arg(long)]
    pub(crate) unbound: bool,
    /// Conditional forwarding for BIND.
    #[arg(long)]
    pub(crate) bind: bool,
    /// Conditional forwarding for dnsmasq.
    #[arg(long)]
    pub(crate) dnsmasq: bool,
}

/// `adit prefix-list`.
#[derive(Debug, clap::Args)]
pub(crate) struct PrefixListCommand {
    #[command(subcommand)]
    pub(crate) action: PrefixListAction,
}

/// What to do with a list.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum PrefixListAction {
    /// Sets the blocks of a service; routes, filters and names follow.
    Set {
        /// The service: s3, or a whole name such as com.amazonaws.eu-west-1.s3.
        service: String,
        /// Its blocks of public addresses.
        #[arg(required = true)]
        cidrs: Vec<String>,
    },
}

/// `adit quota`.
#[derive(Debug, clap::Args)]
pub(crate) struct QuotaCommand {
    #[command(subcommand)]
    pub(crate) action: QuotaAction,
}

/// What to do with limits.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum QuotaAction {
    /// Lists every limit: name, limit, default; `-` is none.
    List,
    /// Sets a limit; without a number, back to its default.
    Set {
        /// Its name, such as interface-endpoints-per-vpc.
        name: String,
        /// How many there may be.
        limit: Option<u32>,
    },
}

/// `adit az`.
#[derive(Debug, clap::Args)]
pub(crate) struct AzCommand {
    #[command(subcommand)]
    pub(crate) action: AzAction,
}

/// What to do with a zone.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum AzAction {
    /// Names stop leading to the zone's interfaces.
    Fail {
        /// The zone, such as us-east-1a.
        zone: String,
    },
    /// Names lead there again.
    Recover {
        /// The zone.
        zone: String,
    },
    /// Zones that are out of service.
    List,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SiteCommand {
    #[command(subcommand)]
    pub(crate) action: SiteAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SiteAction {
    /// Attaches an on-premises network to a VPC.
    Create {
        /// Its name.
        name: String,
        /// Its block of addresses.
        #[arg(long)]
        cidr: String,
        /// The VPC at the other end of the private link.
        #[arg(long, required_unless_present = "vpn_connection")]
        vpc: Option<String>,
        /// The VPN connection that it is the other end of: routes to its virtual private gateway
        /// decide who reaches it. Without one every subnet of the VPC does.
        #[arg(long)]
        vpn_connection: Option<String>,
        /// The resolver that its hosts use; without one they know public names only.
        #[arg(long)]
        resolver: Option<IpAddr>,
        /// Gives its hosts a way to the internet, behind one public address.
        #[arg(long)]
        internet: bool,
        /// A network device of this host: the real network behind it becomes the site. Given back when
        /// the site is deleted.
        #[arg(long, value_name = "DEV")]
        interface: Option<String>,
        /// Lends the device even if a default route of this host leads over it.
        #[arg(long, requires = "interface")]
        force: bool,
        /// The address of the way to the VPC in the site's block, instead of the block's base plus one.
        #[arg(long, value_name = "IP")]
        address: Option<Ipv4Addr>,
    },
    /// Lists the sites.
    List,
    /// Detaches a site.
    Delete {
        /// Its name.
        name: String,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct ObjectsCommand {
    #[command(subcommand)]
    pub(crate) action: ObjectsAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ObjectsAction {
    /// Reads every stored byte and compares it with its checksum, with or without a running daemon;
    /// status 1 when something is wrong.
    Verify,
}

#[derive(Debug, clap::Args)]
pub(crate) struct AccountCommand {
    #[command(subcommand)]
    pub(crate) action: AccountAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountAction {
    /// Makes an account and prints its root user's access key, which is shown only now.
    Create {
        /// Its name, unique in the installation.
        name: String,
        /// Its id: twelve digits [default: random].
        #[arg(long, value_name = "ID")]
        id: Option<String>,
    },
    /// Lists the accounts: id and name.
    List,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Leaves the demonstration running and says how to look around.
    #[arg(long)]
    pub(crate) keep: bool,
}

/// An etcd that holds the state.
#[derive(Debug, clap::Args)]
pub(crate) struct Etcd {
    /// Keeps the state in an etcd, which several nodes may share: etcd://HOST:PORT,HOST:PORT/PREFIX, or
    /// https://… for TLS.
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
    /// The certificate of the authority behind etcd's certificates.
    #[arg(long, value_name = "FILE", requires = "store")]
    pub(crate) store_ca: Option<PathBuf>,
    /// The user that etcd knows; the password is in ADIT_STORE_PASSWORD.
    #[arg(long, value_name = "NAME", requires = "store")]
    pub(crate) store_user: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Restore {
    /// The backup.
    pub(crate) file: PathBuf,
    /// Takes the place of a state that is there.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) etcd: Etcd,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Api {
    #[command(subcommand)]
    pub(crate) action: ApiAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApiAction {
    /// Lists every operation that is built.
    Operations {
        /// Prints JSON lines.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Policy {
    #[command(subcommand)]
    pub(crate) action: PolicyAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyAction {
    /// Says what is wrong with policies, and what looks wrong; `-` reads standard input.
    Check {
        /// Policy documents.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Where they belong: identity, bucket, access-point, gateway-endpoint, interface-endpoint,
        /// boundary, session, scp, rcp, trust [default: guessed from the document].
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
        /// The bucket of a bucket policy.
        #[arg(long, value_name = "NAME")]
        bucket: Option<String>,
        /// The account that owns the resource or identity.
        #[arg(long, value_name = "ID")]
        account: Option<String>,
        /// Prints findings as JSON lines.
        #[arg(long)]
        json: bool,
        /// Fails for warnings too.
        #[arg(long)]
        deny_warnings: bool,
    },
    /// Decides cases, one JSON object a line; `-` reads standard input.
    Decide {
        /// The cases.
        #[arg(value_name = "CASES.jsonl")]
        cases: PathBuf,
        /// Prints why each decision went as it did.
        #[arg(long)]
        trace: bool,
        /// Compares with each case's `expected`, and fails when one differs.
        #[arg(long)]
        expect: bool,
    },
}

impl Up {
    pub(crate) fn options(self, target: &Target) -> anyhow::Result<adit_daemon::UpOptions> {
        // The secret comes from the environment alone: command lines are visible to everybody.
        let secret = std::env::var("ADIT_ROOT_SECRET_ACCESS_KEY")
            .ok()
            .filter(|s| !s.is_empty());
        let root_key = match (self.root_access_key_id.filter(|id| !id.is_empty()), secret) {
            (Some(id), Some(secret)) => Some((id, secret)),
            (None, None) => None,
            _ => anyhow::bail!(
                "ADIT_ROOT_ACCESS_KEY_ID and ADIT_ROOT_SECRET_ACCESS_KEY go together: set both or none"
            ),
        };
        let store = self.etcd.options()?;
        if self.ephemeral && store.is_some() {
            anyhow::bail!("--ephemeral keeps its state in a temporary place: leave out --store");
        }
        if self.ephemeral && target.state.is_some() {
            anyhow::bail!("--ephemeral keeps its state in a temporary place: leave out --state");
        }
        Ok(adit_daemon::UpOptions {
            config: self.config,
            state: target.state.clone(),
            listen: self.listen,
            ephemeral: self.ephemeral,
            account: self.account,
            default_vpc: self.default_vpc,
            root_key,
            rootless: self.rootless,
            explain_allowed: self.explain_allowed,
            while_stdin: self.while_stdin,
            planes: match self.planes.as_str() {
                "none" => adit_daemon::PlaneChoice::None,
                _ => adit_daemon::PlaneChoice::All,
            },
            store,
            log: self.log,
        })
    }
}

impl Etcd {
    /// The etcd, if one is named, with the password from the environment.
    pub(crate) fn options(self) -> anyhow::Result<Option<adit_daemon::EtcdOptions>> {
        let Some(url) = &self.store else {
            return Ok(None);
        };
        let password = std::env::var("ADIT_STORE_PASSWORD").ok();
        let login = match (self.store_user, password) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, _) => None,
            (Some(_), None) => {
                anyhow::bail!("--store-user needs the password in ADIT_STORE_PASSWORD")
            }
        };
        let options = adit_daemon::EtcdOptions::parse(url)?;
        Ok(Some(
            options.with_authority(self.store_ca).with_login(login),
        ))
    }
}

impl Target {
    /// The endpoint, explicit or default.
    pub(crate) fn endpoint(&self) -> String {
        let default = || format!("http://{}", adit_daemon::DEFAULT_LISTEN);
        self.endpoint
            .clone()
            .filter(|url| !url.is_empty())
            .unwrap_or_else(default)
    }

    /// The address of the endpoint, when it is given as one.
    fn address(&self) -> Option<SocketAddr> {
        let endpoint = self.endpoint();
        let authority = endpoint.split("://").last()?.trim_end_matches('/');
        authority.parse().ok().or_else(|| {
            let (host, port) = authority.rsplit_once(':')?;
            let port = port.parse().ok()?;
            (host == "localhost").then(|| SocketAddr::from(([127, 0, 0, 1], port)))
        })
    }

    /// The state directory that is meant: given, or that of the daemon behind the endpoint, or
    /// the default one.
    pub(crate) fn state_dir(&self) -> anyhow::Result<PathBuf> {
        if let Some(state) = &self.state {
            return Ok(state.clone());
        }
        let running = self
            .address()
            .and_then(|a| adit_daemon::places::state_of_address(a).ok());
        Ok(running.unwrap_or_else(adit_daemon::places::default_state))
    }

    /// What the daemon left for commands like this one.
    pub(crate) fn client_file(&self) -> anyhow::Result<adit_daemon::places::ClientFile> {
        let state = self.state_dir()?;
        adit_daemon::places::client_of_state(&state).with_context(|| {
            format!(
                "no adit answers at {} for this user (state directory `{}`): start one with `adit up`",
                self.endpoint(),
                state.display()
            )
        })
    }

    /// A client that signs with the caller's keys, else with the state directory's root key.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        Client::find(self)
    }
}
