//! The name plane alone, for `benches/dns`: an installation of many endpoints, asked on loopback.
//!
//! `names zone COUNT` prints the same names as a zone file, `names serve PORT COUNT` answers them as
//! the resolver of a VPC does, on the runtime that the daemon uses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench stops at the first surprise"
)]

use std::net::UdpSocket;
use std::sync::Arc;

use adit_daemon::planes::names::WorldNames;
use adit_dns::Listener;
use adit_dns::serve::{Limits, Server};
use adit_model::{Draft, Intent, VpcEndpoint};
use adit_snapshot::{build, names};

#[path = "common/endpoints.rs"]
mod endpoints;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().expect("zone or serve");
    let mut number = || arguments.next().unwrap().parse::<u64>().unwrap();
    match what.as_str() {
        "zone" => zone(number()),
        "serve" => serve(u16::try_from(number()).unwrap(), number()),
        other => eprintln!("`{other}` is neither zone nor serve"),
    }
}

fn intent(count: u64) -> Arc<Intent> {
    let draft: Draft = endpoints::installation(count);
    Arc::new(draft.finish().0)
}

/// Every name that the index holds, as other servers read them.
fn zone(count: u64) {
    use std::io::Write;
    let intent = intent(count);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    writeln!(
        out,
        "$ORIGIN vpce.amazonaws.com.\n$TTL 60\n@ 60 SOA ns.adit.invalid. hostmaster.adit.invalid. 1 7200 900 1209600 5\n@ NS ns.adit.invalid."
    )
    .unwrap();
    for n in 0..count {
        let endpoint = intent
            .get::<VpcEndpoint>(&endpoints::endpoint_id(n))
            .unwrap();
        let zones = ['a', 'b'].map(endpoints::zone_of);
        let addresses = [0, 1].map(|at| {
            let eni = endpoints::id::<adit_model::NetworkInterfaceId>("eni-", n * 2 + at);
            intent
                .get::<adit_model::NetworkInterface>(&eni)
                .unwrap()
                .private_ip
        });
        let all = names::of_endpoint(endpoint, zones.iter());
        for (at, name) in all.iter().enumerate() {
            let held = match at {
                0 => &addresses[..],
                at => &addresses[at - 1..at],
            };
            for prefix in ["", "*."] {
                for address in held {
                    writeln!(out, "{prefix}{name}. A {address}").unwrap();
                }
            }
        }
    }
}

fn serve(port: u16, count: u64) {
    let intent = intent(count);
    let label = intent.vpcs.keys().next().unwrap().as_str().into();
    let names = WorldNames::fixed(&Arc::new(build(&intent)));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = Server::new(names, None, None, Limits::default());
        let socket = UdpSocket::bind(("127.0.0.1", port)).unwrap();
        let _serving = server.serve_udp(socket, Listener { id: 1, label }).unwrap();
        std::future::pending::<()>().await;
    });
}
