//! `adit dns`: what a site's resolver is told.

use std::process::ExitCode;

use adit_daemon::name_export::{Form, render};
use serde_json::json;

use crate::args::{DnsAction, DnsCommand, Target};

pub(crate) fn run(target: &Target, command: &DnsCommand) -> anyhow::Result<ExitCode> {
    let DnsAction::Export(wish) = &command.action;
    let form = match (wish.form.unbound, wish.form.bind, wish.form.dnsmasq) {
        (true, ..) => Form::Unbound,
        (_, true, _) => Form::Bind,
        (_, _, true) => Form::Dnsmasq,
        _ => Form::Rpz,
    };
    let answer = target
        .client()?
        .adit("GetNameExport", json!({"VpcId": wish.vpc}))?;
    let text = render(form, &answer, wish.bucket.as_deref()).map_err(anyhow::Error::msg)?;
    print!("{text}");
    Ok(ExitCode::SUCCESS)
}
