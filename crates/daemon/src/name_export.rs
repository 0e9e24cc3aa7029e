//! Text for a site's resolver, from what the API says of a VPC.

use adit_dns::Name;
use adit_dns::export::{self, Forwarding, PolicyZone, Redirect};

/// For which resolver, and which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A response policy zone file: the service's names become the endpoint's own.
    Rpz,
    /// Conditional forwarding for unbound.
    Unbound,
    /// Conditional forwarding for BIND.
    Bind,
    /// Conditional forwarding for dnsmasq.
    Dnsmasq,
}

/// Renders an answer of `GetNameExport`; with a bucket, for that bucket's name alone.
///
/// # Errors
/// The VPC has no interface endpoint (for a policy zone) or no inbound endpoint (for forwarding).
pub fn render(
    form: Form,
    answer: &serde_json::Value,
    bucket: Option<&str>,
) -> Result<String, String> {
    let texts = |name: &str| -> Vec<String> {
        let list = answer.get(name).and_then(serde_json::Value::as_array);
        let texts = list
            .into_iter()
            .flatten()
            .filter_map(serde_json::Value::as_str);
        texts.map(str::to_string).collect()
    };
    let mut names: Vec<Name> = Vec::new();
    for text in texts("Names") {
        // A bucket's name is one of the first family: `bucket.s3.<region>`.
        let text = match bucket {
            None => text,
            Some(bucket) if names.is_empty() => format!("{bucket}.{text}"),
            Some(_) => break,
        };
        names.push(
            text.parse()
                .map_err(|e| format!("`{text}` is no name: {e}"))?,
        );
    }
    if form == Form::Rpz {
        let target = answer.get("Endpoint").and_then(serde_json::Value::as_str);
        let target = target.ok_or("the VPC has no interface endpoint for S3")?;
        let target: Name = target
            .parse()
            .map_err(|e| format!("`{target}` is no name: {e}"))?;
        let redirect = |name| Redirect {
            name,
            subdomains: bucket.is_none(),
            target: target.clone(),
        };
        let redirects: Vec<Redirect> = names.into_iter().map(redirect).collect();
        return Ok(export::rpz(&PolicyZone::default(), &redirects));
    }
    let servers: Vec<std::net::IpAddr> = texts("InboundAddresses")
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect();
    if servers.is_empty() {
        return Err("the VPC has no inbound resolver endpoint to forward to".into());
    }
    let forwarding = |domain| Forwarding {
        domain,
        servers: servers.clone(),
    };
    let forwardings: Vec<Forwarding> = names.into_iter().map(forwarding).collect();
    Ok(match form {
        Form::Rpz | Form::Unbound => export::forward_for_unbound(&forwardings),
        Form::Bind => export::forward_for_bind(&forwardings),
        Form::Dnsmasq => export::forward_for_dnsmasq(&forwardings),
    })
}
