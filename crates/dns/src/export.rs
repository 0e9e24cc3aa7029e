//! Text for the resolvers of a site: response policy zones and conditional forwarding.
//!
//! Pure functions. Two ways lead from a site's resolver to an interface endpoint: rewriting the
//! service's names to the endpoint's own name (a [`Redirect`], by RPZ), which follows the
//! endpoint's addresses by itself, and sending queries for the service's domain to an inbound
//! endpoint (a [`Forwarding`]). Forwarding a single bucket's name leaves the others as they are.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::name::Name;

/// Names of a service that are to lead to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// The service's name, such as `s3.eu-west-2.amazonaws.com`.
    pub name: Name,
    /// Whether names under it (virtual-hosted buckets) lead there too.
    pub subdomains: bool,
    /// The endpoint's own name, regional rather than zonal, without `*.`.
    pub target: Name,
}

/// A domain whose queries go to other servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarding {
    /// The domain; names under it are included.
    pub domain: Name,
    /// Addresses of the inbound endpoint, port 53.
    pub servers: Vec<IpAddr>,
}

/// What a policy zone is called and how long its answers are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyZone {
    /// Name of the zone; it is never visible in answers.
    pub name: Name,
    /// Serial number; must grow with every change.
    pub serial: u32,
    /// Seconds that resolvers' clients keep a rewritten name.
    pub ttl: u32,
}

impl Default for PolicyZone {
    fn default() -> Self {
        let name = "rpz.adit.internal".parse().unwrap_or_else(|_| Name::root());
        // The documents' example uses 5 seconds: a changed policy shows at once.
        Self {
            name,
            serial: 1,
            ttl: 5,
        }
    }
}

/// A response policy zone file, for BIND, unbound, Knot Resolver and PowerDNS Recursor alike.
#[must_use]
pub fn rpz(zone: &PolicyZone, redirects: &[Redirect]) -> String {
    let mut text = format!("$ORIGIN {}\n$TTL {}\n", zone.name, zone.ttl);
    let _ = writeln!(
        text,
        "@ SOA localhost. root.localhost. {} 3600 600 604800 60",
        zone.serial
    );
    text.push_str("@ NS localhost.\n");
    for redirect in redirects {
        let name = relative(&redirect.name);
        let _ = writeln!(text, "{name} CNAME {}", redirect.target);
        if redirect.subdomains {
            let _ = writeln!(text, "*.{name} CNAME {}", redirect.target);
        }
    }
    text
}

/// Conditional forwarding for BIND.
#[must_use]
pub fn forward_for_bind(forwardings: &[Forwarding]) -> String {
    let mut text = String::new();
    for forwarding in forwardings.iter().filter(|f| !f.servers.is_empty()) {
        let _ = write!(
            text,
            "zone \"{}\" {{\n    type forward;\n    forward only;\n    forwarders {{ ",
            relative(&forwarding.domain)
        );
        for server in &forwarding.servers {
            let _ = write!(text, "{server}; ");
        }
        text.push_str("};\n};\n");
    }
    text
}

/// Conditional forwarding for unbound. Private addresses in these answers are allowed even where
/// rebinding protection is on.
#[must_use]
pub fn forward_for_unbound(forwardings: &[Forwarding]) -> String {
    let mut text = String::from("server:\n");
    let used = || forwardings.iter().filter(|f| !f.servers.is_empty());
    for forwarding in used() {
        let _ = writeln!(text, "    private-domain: \"{}\"", forwarding.domain);
    }
    for forwarding in used() {
        let _ = writeln!(text, "forward-zone:\n    name: \"{}\"", forwarding.domain);
        for server in &forwarding.servers {
            let _ = writeln!(text, "    forward-addr: {server}");
        }
        text.push_str("    forward-first: no\n");
    }
    text
}

/// Conditional forwarding for dnsmasq, allowed through its rebinding protection.
#[must_use]
pub fn forward_for_dnsmasq(forwardings: &[Forwarding]) -> String {
    let mut text = String::new();
    for forwarding in forwardings.iter().filter(|f| !f.servers.is_empty()) {
        let domain = relative(&forwarding.domain);
        let _ = writeln!(text, "rebind-domain-ok=/{domain}/");
        for server in &forwarding.servers {
            let _ = writeln!(text, "server=/{domain}/{server}");
        }
    }
    text
}

/// Fixed addresses for a service's name and all names under it, for dnsmasq, which knows no
/// policy zones. They do not follow the endpoint: render them again when its subnets change.
#[must_use]
pub fn addresses_for_dnsmasq(name: &Name, addresses: &[IpAddr]) -> String {
    let domain = relative(name);
    let mut text = String::new();
    for address in addresses {
        let _ = writeln!(text, "address=/{domain}/{address}");
    }
    text
}

/// The name without the final dot.
fn relative(name: &Name) -> String {
    let text = name.to_string();
    text.strip_suffix('.')
        .filter(|text| !text.is_empty())
        .map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn redirect() -> Redirect {
        Redirect {
            name: name("s3.eu-west-2.amazonaws.com"),
            subdomains: true,
            target: name("vpce-0a-1b.s3.eu-west-2.vpce.amazonaws.com"),
        }
    }

    fn forwarding() -> Forwarding {
        Forwarding {
            domain: name("s3.eu-west-2.amazonaws.com"),
            servers: vec!["10.0.1.10".parse().unwrap(), "fd00::10".parse().unwrap()],
        }
    }

    #[test]
    fn policy_zone_rewrites_the_name_and_the_names_under_it() {
        assert_eq!(
            rpz(&PolicyZone::default(), &[redirect()]),
            "$ORIGIN rpz.adit.internal.\n$TTL 5\n\
             @ SOA localhost. root.localhost. 1 3600 600 604800 60\n@ NS localhost.\n\
             s3.eu-west-2.amazonaws.com CNAME vpce-0a-1b.s3.eu-west-2.vpce.amazonaws.com.\n\
             *.s3.eu-west-2.amazonaws.com CNAME vpce-0a-1b.s3.eu-west-2.vpce.amazonaws.com.\n"
        );
        let alone = Redirect {
            subdomains: false,
            ..redirect()
        };
        assert!(!rpz(&PolicyZone::default(), &[alone]).contains("*."));
    }

    #[test]
    fn forwarding_is_written_in_each_dialect() {
        assert_eq!(
            forward_for_bind(&[forwarding()]),
            "zone \"s3.eu-west-2.amazonaws.com\" {\n    type forward;\n    forward only;\n    \
             forwarders { 10.0.1.10; fd00::10; };\n};\n"
        );
        assert_eq!(
            forward_for_unbound(&[forwarding()]),
            "server:\n    private-domain: \"s3.eu-west-2.amazonaws.com.\"\n\
             forward-zone:\n    name: \"s3.eu-west-2.amazonaws.com.\"\n    \
             forward-addr: 10.0.1.10\n    forward-addr: fd00::10\n    forward-first: no\n"
        );
        assert_eq!(
            forward_for_dnsmasq(&[forwarding()]),
            "rebind-domain-ok=/s3.eu-west-2.amazonaws.com/\n\
             server=/s3.eu-west-2.amazonaws.com/10.0.1.10\n\
             server=/s3.eu-west-2.amazonaws.com/fd00::10\n"
        );
    }

    #[test]
    fn a_domain_without_servers_is_left_out() {
        // A BIND zone with an empty list would turn forwarding off for the domain.
        let nobody = Forwarding {
            servers: Vec::new(),
            ..forwarding()
        };
        assert_eq!(forward_for_bind(std::slice::from_ref(&nobody)), "");
        assert_eq!(forward_for_dnsmasq(&[nobody]), "");
    }
}
