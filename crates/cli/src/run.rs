//! `adit run`: any program as a host in a subnet or at a site.

use std::net::IpAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus};

use adit_net::client::Agent;
use adit_net::exec::{self, NameFiles};
use anyhow::{Context, bail};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Run, Target};
use crate::client::Client;

/// Variables by which programs find the certificates they trust.
const CA_VARIABLES: &[&str] = &[
    "AWS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
];

/// A host that exists while this process does.
pub(crate) struct Host {
    client: Client,
    /// The operation that takes it away, with its input.
    end: (&'static str, Value),
    namespace: String,
    resolvers: Vec<IpAddr>,
    search: Option<String>,
    agent_dir: PathBuf,
    ca_bundle: PathBuf,
}

impl Host {
    /// Makes a host in a subnet.
    pub(crate) fn in_subnet(
        client: &Client,
        subnet: &str,
        groups: &[String],
        public_ip: bool,
    ) -> anyhow::Result<Host> {
        let mut input = json!({"SubnetId": subnet});
        if !groups.is_empty() {
            input["SecurityGroupIds"] = json!(groups);
        }
        if public_ip {
            input["PublicIp"] = json!(true);
        }
        Host::make(
            client,
            "CreateRun",
            input,
            ("DeleteRun", "NetworkInterfaceId"),
        )
    }

    /// Makes a host at a site.
    pub(crate) fn at_site(client: &Client, site: &str) -> anyhow::Result<Host> {
        Host::make(
            client,
            "CreateSiteRun",
            json!({"Site": site}),
            ("DeleteSiteRun", "HostId"),
        )
    }

    fn make(
        client: &Client,
        create: &str,
        mut input: Value,
        (delete, id): (&'static str, &str),
    ) -> anyhow::Result<Host> {
        let lease = adit_daemon::leases::lease_of(std::process::id())
            .context("cannot read this process's own entry in /proc")?;
        input["Pid"] = json!(lease.pid);
        input["Started"] = json!(lease.started);
        let access = client.adit("GetAccess", json!({}))?;
        let made = client.adit(create, input)?;
        let text =
            |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_string);
        let needed = |value: &Value, name: &str| {
            text(value, name).with_context(|| format!("adit's answer lacks {name}"))
        };
        let first = needed(&made, "Resolver")?;
        let all = made.get("Resolvers").and_then(Value::as_array);
        let all = all.into_iter().flatten().filter_map(Value::as_str);
        let mut resolvers: Vec<IpAddr> = all.filter_map(|text| text.parse().ok()).collect();
        if resolvers.is_empty() {
            let first = first.parse();
            resolvers.push(first.context("adit's answer has no usable Resolver")?);
        }
        Ok(Host {
            client: client.clone(),
            end: (delete, json!({id: needed(&made, id)?})),
            namespace: needed(&made, "Namespace")?,
            resolvers,
            // A line of a file is made of it: one word.
            search: text(&made, "SearchDomain").filter(|d| !d.contains(char::is_whitespace)),
            agent_dir: needed(&access, "AgentDirectory")?.into(),
            ca_bundle: needed(&access, "CaBundle")?.into(),
        })
    }

    /// The program, about to run on this host.
    pub(crate) fn command(&self, program: &std::ffi::OsStr) -> anyhow::Result<Command> {
        let agent = Agent::find(&self.agent_dir)?.with_context(|| {
            format!(
                "the network agent of adit is not there (looked in `{}`)",
                self.agent_dir.display()
            )
        })?;
        let handle = agent.namespace(&self.namespace)?;
        let mut command = exec::command_in(
            &handle,
            program,
            &NameFiles::resolvers(&self.resolvers, self.search.as_deref()),
        )?;
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_ENDPOINT_URL") {
                command.env_remove(name);
            }
        }
        for name in CA_VARIABLES {
            command.env(name, &self.ca_bundle);
        }
        // A proxy of the caller's network is not there.
        command.env("NO_PROXY", "*").env("no_proxy", "*");
        if std::env::var_os("AWS_EC2_METADATA_DISABLED").is_none() {
            // There is no instance metadata service: do not let clients wait for it.
            command.env("AWS_EC2_METADATA_DISABLED", "true");
        }
        Ok(command)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // If the daemon is away, it notices that this process is gone when it is back.
        let _ = self.client.adit(self.end.0, self.end.1.clone());
    }
}

pub(crate) fn run(target: &Target, options: &Run) -> anyhow::Result<ExitCode> {
    let client = target.client()?;
    let Some((program, arguments)) = options.program.split_first() else {
        bail!("no program given: adit run --subnet ID -- PROGRAM");
    };
    let host = match (&options.subnet, &options.site) {
        (Some(subnet), _) => {
            Host::in_subnet(&client, subnet, &options.security_groups, options.public_ip)?
        }
        (None, Some(site)) => Host::at_site(&client, site)?,
        (None, None) => bail!("say where: --subnet ID or --site NAME"),
    };
    let mut command = host.command(program)?;
    command.args(arguments);
    let ended = wait(command);
    drop(host);
    match ended {
        Ok(status) => Ok(exit_code(status)),
        Err(error) => {
            eprintln!("adit: cannot run `{}`: {error}", program.to_string_lossy());
            // As a shell says it.
            Ok(ExitCode::from(match error.kind() {
                std::io::ErrorKind::NotFound => 127,
                std::io::ErrorKind::PermissionDenied => 126,
                _ => 125,
            }))
        }
    }
}

/// Runs the program to its end; what would stop us stops it.
fn wait(command: Command) -> std::io::Result<ExitStatus> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut child = tokio::process::Command::from(command).spawn()?;
        loop {
            let number = tokio::select! {
                status = child.wait() => return status,
                _ = terminate.recv() => nix::sys::signal::Signal::SIGTERM,
                // A terminal sends it to the program as well; once more does no harm.
                _ = interrupt.recv() => nix::sys::signal::Signal::SIGINT,
                _ = hangup.recv() => nix::sys::signal::Signal::SIGHUP,
            };
            if let Some(pid) = child.id() {
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), number);
            }
        }
    })
}

/// The program's status as a shell would give it.
fn exit_code(status: ExitStatus) -> ExitCode {
    match (status.code(), status.signal()) {
        (Some(code), _) => ExitCode::from(code as u8),
        (None, Some(number)) => ExitCode::from((128 + number) as u8),
        (None, None) => ExitCode::FAILURE,
    }
}
