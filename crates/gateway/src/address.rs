//! Which Region and bucket a request means: its host and path, held against the way it came.

use std::net::IpAddr;
use std::sync::Arc;

use adit_model::{EndpointKind, Region};
use adit_snapshot::names::{self, S3Name};
use adit_snapshot::{AccessPointView, BucketView, EndpointView, Snapshot};
use adit_wire::s3::{self, Address, Family, Names};
use adit_wire::{ErrorReply, Parts};

use crate::access_point::{self, Found};
use crate::certificates::is_name_of;
use crate::connection::{Connection, Via};
use crate::serve::Gone;

/// The names that are served, made once.
#[derive(Debug)]
pub(crate) struct Served {
    public: Names,
    api: Names,
}

impl Served {
    pub(crate) fn new(hosts: &[String]) -> Served {
        let public = Names::new(names::DOMAIN);
        let mut api = public.clone();
        api.hosts = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Served { public, api }
    }
}

/// The way a request came, resolved against the snapshot.
#[derive(Debug)]
pub(crate) struct Way {
    /// The endpoint, when it came through one.
    pub(crate) endpoint: Option<Arc<EndpointView>>,
    /// The Region that the way leads to; none on the API address.
    pub(crate) region: Option<Region>,
}

impl Way {
    /// # Errors
    /// [`Gone`] when the endpoint does not exist any more.
    pub(crate) fn of(connection: &Connection, snapshot: &Snapshot) -> Result<Way, Gone> {
        match &connection.via {
            Via::Endpoint(id) => {
                let view = snapshot.endpoint(id).ok_or(Gone)?;
                Ok(Way {
                    endpoint: Some(view.clone()),
                    region: Some(view.region.clone()),
                })
            }
            Via::Internet => {
                let region = snapshot.region_of_address(connection.local.ip());
                Ok(Way {
                    endpoint: None,
                    region,
                })
            }
            Via::Api => Ok(Way {
                endpoint: None,
                region: None,
            }),
        }
    }

    fn is_interface(&self) -> bool {
        self.endpoint
            .as_ref()
            .is_some_and(|view| matches!(view.endpoint.kind, EndpointKind::Interface { .. }))
    }
}

/// What a request is about.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) address: Address,
    /// The Region that way and host agree on; none: neither says one.
    pub(crate) region: Option<Region>,
    /// The access point that leads to the bucket, if one is named and exists.
    pub(crate) access_point: Option<Arc<AccessPointView>>,
    /// The bucket, if one is named (or led to) and exists.
    pub(crate) bucket: Option<Arc<BucketView>>,
}

/// Understands host and path of a request.
///
/// # Errors
/// A host that is not served on this way, or names another endpoint or Region; a path that cannot be
/// read.
pub(crate) fn place(
    served: &Served,
    connection: &Connection,
    way: &Way,
    snapshot: &Snapshot,
    host: &str,
    wire: &Parts<'_>,
) -> Result<Place, ErrorReply> {
    let address = understand(served, connection, host, wire.path)?;
    if let Family::Endpoint { .. } = address.family {
        let name = bare(host).to_ascii_lowercase();
        let own = match (&connection.via, names::parse(&name)) {
            (Via::Endpoint(id), Some(S3Name::Endpoint(endpoint))) => {
                is_name_of(&endpoint, id, snapshot)
            }
            _ => false,
        };
        if !own {
            return Err(not_here(host));
        }
    }
    match address.family {
        Family::LegacyGlobal | Family::DashRegion | Family::Fips | Family::Website
            if way.is_interface() =>
        {
            return Err(ErrorReply::new(
                "InvalidRequest",
                400,
                "This endpoint name is not supported by interface VPC endpoints. Use a Regional or endpoint-specific name.",
            )
            .with("Host", bare(host)));
        }
        Family::Website => {
            return Err(ErrorReply::new(
                "NotImplemented",
                501,
                "Website endpoints are not built. See docs/compatibility.md.",
            ));
        }
        _ => {}
    }
    let named = match &address.region {
        Some(text) => Some(text.parse::<Region>().map_err(|_| not_here(host))?),
        None => None,
    };
    let region = match (&way.region, named) {
        (Some(way), Some(named)) if *way != named => {
            return Err(ErrorReply::new(
                "IncorrectEndpoint",
                400,
                "The specified bucket exists in another Region. Direct requests to the correct endpoint.",
            )
            .with("Endpoint", format!("s3.{named}.{}", names::DOMAIN)));
        }
        (Some(way), _) => Some(way.clone()),
        (None, Some(named)) if snapshot.intent.regions.contains_key(named.as_str()) => Some(named),
        (None, Some(_)) => return Err(not_here(host)),
        (None, None) => None,
    };
    let found = match address.bucket() {
        None => Found::default(),
        Some(named) => access_point::find(named, region.as_ref(), snapshot, wire),
    };
    Ok(Place {
        address,
        region,
        access_point: found.access_point,
        bucket: found.bucket,
    })
}

fn understand(
    served: &Served,
    connection: &Connection,
    host: &str,
    path: &str,
) -> Result<Address, ErrorReply> {
    let names = if connection.via == Via::Api {
        &served.api
    } else {
        &served.public
    };
    // A client may use the address it connects to as the host.
    let literal = bare(host);
    let literal = literal
        .strip_prefix('[')
        .and_then(|l| l.strip_suffix(']'))
        .unwrap_or(literal);
    let understood = match literal.parse::<IpAddr>() {
        Ok(address) if address == connection.local.ip() || connection.via == Via::Api => {
            s3::address_in_path(path)
        }
        _ => s3::address(names, host, path),
    };
    understood.map_err(|why| why.reply())
}

/// A host without its port.
fn bare(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => {
            name
        }
        _ => host,
    }
    .trim_end_matches('.')
}

fn not_here(host: &str) -> ErrorReply {
    let host: String = bare(host).chars().take(255).collect();
    ErrorReply::new("InvalidHostHeader", 400, "The host header is not valid.").with("Host", host)
}

impl Place {
    /// The Region that a signature must be for.
    /// None only when the installation has no Region at all.
    pub(crate) fn signing_region(
        &self,
        scope: Option<&str>,
        snapshot: &Snapshot,
    ) -> Option<Region> {
        let point = self.access_point.as_ref().map(|view| &view.point.region);
        let bucket = point.or(self.bucket.as_ref().map(|view| &view.bucket.region));
        // The global name leads everywhere: there, and where nothing else says it, the bucket decides.
        let global = self.address.family == Family::LegacyGlobal;
        let free = self.region.is_none() || global;
        if let (true, Some(region)) = (free, bucket) {
            return Some(region.clone());
        }
        if let Some(region) = &self.region {
            return Some(region.clone());
        }
        let known = scope.and_then(|scope| scope.parse::<Region>().ok());
        known
            .filter(|region| snapshot.intent.regions.contains_key(region.as_str()))
            .or_else(|| default_region(snapshot))
    }

    /// Refuses a bucket of another Region than the one that was asked, with the hint that clients
    /// follow [s3-policy §E.5].
    pub(crate) fn check_region(&self) -> Result<(), ErrorReply> {
        let (Some(bucket), Some(region)) = (&self.bucket, &self.region) else {
            return Ok(());
        };
        let bucket = &bucket.bucket;
        if bucket.region == *region {
            return Ok(());
        }
        // An access point of another Region was not found to begin with; its bucket is where it is.
        let endpoint = format!("{}.s3.{}.{}", bucket.name, bucket.region, names::DOMAIN);
        let mut error = ErrorReply::new(
            "PermanentRedirect",
            301,
            "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.",
        )
        .with("Endpoint", endpoint)
        .with("Bucket", bucket.name.as_str());
        error
            .headers
            .push(("x-amz-bucket-region".into(), bucket.region.to_string()));
        Err(error)
    }
}

/// The Region that answers when nothing names one.
fn default_region(snapshot: &Snapshot) -> Option<Region> {
    let chosen = snapshot
        .intent
        .installation()
        .map(|installation| installation.default_region.clone());
    chosen.or_else(|| {
        snapshot
            .intent
            .regions
            .values()
            .next()
            .map(|region| region.name.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_cut_off() {
        for (host, expected) in [
            ("a", "a"),
            ("a:80", "a"),
            ("a.:80", "a"),
            ("127.0.0.1:4566", "127.0.0.1"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(bare(host), expected, "{host}");
        }
    }
}
