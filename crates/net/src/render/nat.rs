//! NAT gateways: a host of their subnet that forwards what is routed to it, with its own address.

use super::*;
use crate::nft::{Base, Chain, ChainKind, Expr, Field, Hook, NatTarget, Rule, Table};
use crate::nft::{CtState, Datum};

/// A NAT gateway's namespace: what comes in goes out again by the same port, translated. It takes no
/// connections of its own.
pub(super) fn namespace(port: &PortView) -> Namespace {
    let eni = &port.interface;
    let router = addresses::router(port.subnet.cidr);
    let mut space = Namespace {
        sysctls: forwarding(),
        ..Namespace::default()
    };
    space.sysctls.extend(device_sysctls("eth0"));
    // A host's own address alone: its neighbours are reached by the router too.
    space.addresses.push(on("eth0", eni.private_ip, 32));
    space.neighbours.push(neighbour("eth0", router, NEAR));
    space.routes.push(default_via("eth0", router));
    space.nft = Some(translation(eni.private_ip));
    space
}

fn translation(own: Ipv4Addr) -> Table {
    let mut table = Table::new("adit");
    let base = |kind, hook, priority, drop| {
        Some(Base {
            kind,
            hook,
            priority,
            drop,
        })
    };
    let source = NatTarget::Addr(IpAddr::V4(own));
    table.chains.insert(
        "out".into(),
        Chain {
            base: base(ChainKind::Nat, Hook::Postrouting, 100, false),
            rules: vec![Rule::from([
                Expr::is(Field::Oifname, Datum::name("eth0")),
                Expr::Snat(source),
            ])],
        },
    );
    // What belongs to no connection that began here would pass as it is, with a foreign address.
    table.chains.insert(
        "forward".into(),
        Chain {
            base: base(ChainKind::Filter, Hook::Forward, 0, false),
            rules: vec![Rule::from([
                Expr::CtState(vec![CtState::Invalid]),
                Expr::COUNTER,
                Expr::DROP,
            ])],
        },
    );
    table.chains.insert(
        "input".into(),
        Chain {
            base: base(ChainKind::Filter, Hook::Input, 0, true),
            rules: vec![Rule::from([
                Expr::CtState(vec![CtState::Established, CtState::Related]),
                Expr::ACCEPT,
            ])],
        },
    );
    table
}
