//! Tests on the real kernel. Every test starts an agent of its own and works only inside the
//! namespaces that this agent makes; traffic stays there.
//!
//! The program has its own `main` because it is also the agent: the tests start it again with the
//! word `net-agent`. Arguments are a small part of what the usual test harness understands.

mod harness;
mod lab;
mod topology;

mod t_agent;
mod t_apply;
mod t_exec;
mod t_filter;
mod t_paths;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|word| word == "net-agent") {
        return adit_net::agent::main(arguments);
    }
    let tests = [
        t_apply::TESTS,
        t_filter::TESTS,
        t_paths::TESTS,
        t_agent::TESTS,
        t_exec::TESTS,
    ];
    harness::run(&tests.concat())
}
