//! Tests on the real kernel. Every test starts an agent of its own and works only inside the
//! namespaces that this agent makes; traffic stays there.
//!
//! The program has its own `main` because it is also the agent, and other processes that tests
//! need: they start it again with a word that says which.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod harness;
mod helpers;
mod lab;
mod topology;
mod world;

mod t_acl;
mod t_agent;
mod t_apply;
mod t_churn;
mod t_count;
mod t_exec;
mod t_filter;
mod t_ipv6;
mod t_lent;
mod t_matrix;
mod t_mend;
mod t_paths;
mod t_render;
mod t_world;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let word = arguments.next().and_then(|word| word.into_string().ok());
    if word.as_deref() == Some("net-agent") {
        return adit_net::agent::main(arguments);
    }
    if let Some(helper) = helpers::find(word.as_deref().unwrap_or_default()) {
        let arguments: Vec<String> = arguments.filter_map(|a| a.into_string().ok()).collect();
        helper(&arguments);
        return ExitCode::SUCCESS;
    }
    let tests = [
        t_apply::TESTS,
        t_filter::TESTS,
        t_acl::TESTS,
        t_mend::TESTS,
        t_paths::TESTS,
        t_agent::TESTS,
        t_exec::TESTS,
        t_render::TESTS,
        t_world::TESTS,
        t_ipv6::TESTS,
        t_matrix::TESTS,
        t_churn::TESTS,
        t_count::TESTS,
        t_lent::TESTS,
    ];
    harness::run(&tests.concat())
}
