//! The `adit` command: the daemon, and what people do with it from a shell.

mod account;
mod api;
mod args;
mod attach;
mod az;
mod backup;
mod client;
mod cni;
mod demo;
mod dns;
mod down;
mod env;
mod host_device;
mod net;
mod objects;
mod paths;
mod policy;
mod prefix_list;
mod quota;
mod run;
mod site;
mod status;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};

/// A large installation is millions of small values that many threads make and drop: the C library's
/// allocator slows down as they grow in number, this one hardly does.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // The network agent changes its user and network namespaces, which only a process without
    // threads can: it must come before everything else.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == adit_daemon::AGENT_COMMAND)
    {
        return adit_net::agent::main(std::env::args_os().skip(2));
    }
    // Container runtimes start the plugin by its name and say all else in the environment.
    if cni::is_meant() {
        return cni::main();
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match dispatch(args) {
        Ok(code) => code,
        Err(error) => {
            // One line that says what to do; the causes follow in the same line.
            eprintln!("adit: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: Args) -> anyhow::Result<ExitCode> {
    let Args { target, command } = args;
    match command {
        Command::Up(up) => {
            adit_daemon::up(up.options(&target)?)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Down => down::run(&target),
        Command::Reset => {
            target.client()?.adit("Reset", serde_json::json!({}))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Env(options) => env::print(&target, &options),
        Command::Run(run) => run::run(&target, &run),
        Command::Account(account) => account::run(&target, &account),
        Command::Attach(options) => attach::attach(&target, &options),
        Command::Detach(options) => attach::detach(&target, &options),
        Command::Site(site) => site::run(&target, &site),
        Command::Status => status::status(&target),
        Command::Top(options) => status::top(&target, &options),
        Command::Paths(options) => paths::run(&target, &options),
        Command::Dns(dns) => dns::run(&target, &dns),
        Command::Az(az) => az::run(&target, &az),
        Command::PrefixList(list) => prefix_list::run(&target, &list),
        Command::Quota(quota) => quota::run(&target, &quota),
        Command::Net(net) => net::run(&target, &net),
        Command::Objects(objects) => objects::run(&target, &objects),
        Command::Demo(demo) => demo::run(&demo),
        Command::Api(api) => api::run(&api),
        Command::Backup { file } => backup::backup(&target, &file),
        Command::Restore(wish) => backup::restore(&target, wish),
        Command::Policy(policy) => policy::run(&policy),
        Command::DemoClient(options) => demo::get(&options),
    }
}
