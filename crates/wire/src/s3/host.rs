//! Host names and paths of S3.

use std::borrow::Cow;

use super::{Address, AddressError, Bucket, Family, Names, Style, Target, access_point};
use crate::protocol::text::{percent_decode, shortened};

/// S3's limit for a key, UTF-8.
pub(super) const MOST_KEY_BYTES: usize = 1024;
/// DNS's limit for a name.
const MOST_HOST_BYTES: usize = 255;
/// Where S3 Control lives.
const CONTROL_PATH: &str = "/v20180820/";

/// Understands host and path.
///
/// `host` is the Host header (or `:authority`) as sent, a port included.
///
/// # Errors
/// [`AddressError`].
pub fn address(names: &Names, host: &str, path: &str) -> Result<Address, AddressError> {
    let unknown = || AddressError::UnknownHost {
        host: shortened(host),
    };
    let plain = canonical(host).ok_or_else(unknown)?;
    // The longest of several: what stands in front of it is the bucket.
    let known = names.hosts.iter().filter_map(|known| below(&plain, known));
    if let Some(prefix) = known.min_by_key(|prefix| prefix.len()) {
        return custom(prefix, path);
    }
    let prefix = below(&plain, &names.domain).ok_or_else(unknown)?;
    let labels: Vec<&str> = prefix.split('.').collect();
    let name = endpoint(&labels)
        .or_else(|| public(&labels))
        .ok_or_else(unknown)?;
    let target = match (name.part, name.prefix.as_str()) {
        (Part::Any | Part::Bucket, "") => in_path(path)?,
        (Part::Any | Part::Bucket, bucket) => in_host(named(bucket), path)?,
        (Part::AccessPoint, "") if matches!(name.family, Family::Endpoint { .. }) => in_path(path)?,
        (Part::AccessPoint, label) => {
            let bucket = match access_point(label) {
                Some((name, account)) => Bucket::AccessPoint {
                    name: name.to_owned(),
                    account: account.to_owned(),
                },
                None => match named(label) {
                    alias @ Bucket::Alias(_) => alias,
                    _ => return Err(unknown()),
                },
            };
            in_host(bucket, path)?
        }
        (Part::Control, "") => (Style::Path, Target::Control(None)),
        (Part::Control, account) => (Style::Host, Target::Control(Some(account.to_owned()))),
    };
    let (style, target) = target;
    Ok(Address {
        family: name.family,
        region: name.region,
        style,
        target,
    })
}

/// Understands the path of a request whose host is an address and says nothing more.
///
/// # Errors
/// [`AddressError`].
pub fn address_in_path(path: &str) -> Result<Address, AddressError> {
    custom("", path)
}

/// Lower case, without port and closing dot. `None` for what is no host name.
fn canonical(host: &str) -> Option<String> {
    if host.len() > MOST_HOST_BYTES + 6 {
        return None;
    }
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(name, _)| name)?,
        None => {
            let (name, port) = host.split_once(':').unwrap_or((host, ""));
            if !port.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            name
        }
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':');
    (!name.is_empty() && name.len() <= MOST_HOST_BYTES && name.bytes().all(allowed))
        .then(|| name.to_ascii_lowercase())
}

/// What stands in front of `suffix`, without the dot; empty when `host` is `suffix`.
fn below<'h>(host: &'h str, suffix: &str) -> Option<&'h str> {
    let rest = host.strip_suffix(suffix)?;
    if rest.is_empty() {
        Some(rest)
    } else {
        rest.strip_suffix('.')
    }
}

/// A host of [`Names::hosts`].
fn custom(prefix: &str, path: &str) -> Result<Address, AddressError> {
    let account = prefix.len() == 12 && prefix.bytes().all(|b| b.is_ascii_digit());
    let (style, target) = match prefix {
        _ if path.starts_with(CONTROL_PATH) && (prefix.is_empty() || account) => {
            let account = account.then(|| prefix.to_owned());
            (
                if prefix.is_empty() {
                    Style::Path
                } else {
                    Style::Host
                },
                Target::Control(account),
            )
        }
        "" => in_path(path)?,
        bucket => in_host(named(bucket), path)?,
    };
    Ok(Address {
        family: Family::Custom,
        region: None,
        style,
        target,
    })
}

/// Which of S3's parts a name belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Not said.
    Any,
    Bucket,
    AccessPoint,
    Control,
}

struct Name {
    family: Family,
    region: Option<String>,
    part: Part,
    /// What stands in front of the part, dots included.
    prefix: String,
}

/// `[x.][part.]vpce-….s3.<region>.vpce`.
fn endpoint(labels: &[&str]) -> Option<Name> {
    let [before @ .., label, "s3", region, "vpce"] = labels else {
        return None;
    };
    if !label.starts_with("vpce-") || !is_region(region) {
        return None;
    }
    let (part, before) = match before {
        [before @ .., "bucket"] => (Part::Bucket, before),
        [before @ .., "accesspoint"] => (Part::AccessPoint, before),
        [before @ .., "control"] => (Part::Control, before),
        _ => (Part::Any, before),
    };
    Some(Name {
        family: Family::Endpoint {
            label: (*label).to_owned(),
        },
        region: Some((*region).to_owned()),
        part,
        prefix: before.join("."),
    })
}

/// The service's public names.
fn public(labels: &[&str]) -> Option<Name> {
    let (before, service, region, dual) = match labels {
        [before @ .., service, "dualstack", region] if is_region(region) => {
            (before, *service, Some(*region), true)
        }
        [before @ .., service, region] if is_region(region) && service.starts_with("s3") => {
            (before, *service, Some(*region), false)
        }
        [before @ .., service] => (before, *service, None, false),
        [] => return None,
    };
    let plain = if dual {
        Family::DualStack
    } else {
        Family::Regional
    };
    let (family, part, region) = match (service, region) {
        ("s3", Some(region)) => (plain, Part::Any, Some(region)),
        ("s3" | "s3-external-1", None) => (Family::LegacyGlobal, Part::Any, None),
        ("s3-accesspoint", Some(region)) => (plain, Part::AccessPoint, Some(region)),
        ("s3-control", Some(region)) => (plain, Part::Control, Some(region)),
        ("s3-fips", Some(region)) => (Family::Fips, Part::Any, Some(region)),
        ("s3-accesspoint-fips", Some(region)) => (Family::Fips, Part::AccessPoint, Some(region)),
        ("s3-control-fips", Some(region)) => (Family::Fips, Part::Control, Some(region)),
        ("s3-website", Some(region)) => (Family::Website, Part::Any, Some(region)),
        (dashed, None) => {
            let website = dashed
                .strip_prefix("s3-website-")
                .map(|r| (Family::Website, r));
            let fips = dashed.strip_prefix("s3-fips-").map(|r| (Family::Fips, r));
            let plain = dashed.strip_prefix("s3-").map(|r| (Family::DashRegion, r));
            let (family, region) = website.or(fips).or(plain)?;
            if !is_region(region) {
                return None;
            }
            (family, Part::Any, Some(region))
        }
        _ => return None,
    };
    Some(Name {
        family,
        region: region.map(str::to_owned),
        part,
        prefix: before.join("."),
    })
}

/// `us-east-1`, `us-gov-west-1`: letters, then more pieces, the last a number.
fn is_region(label: &str) -> bool {
    let pieces: Vec<&str> = label.split('-').collect();
    let [first, .., last] = pieces.as_slice() else {
        return false;
    };
    pieces.len() >= 3
        && first.bytes().all(|b| b.is_ascii_lowercase())
        && pieces
            .iter()
            .all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric()))
        && last.bytes().all(|b| b.is_ascii_digit())
}

fn named(text: &str) -> Bucket {
    if text.ends_with("-s3alias") {
        Bucket::Alias(text.to_owned())
    } else {
        Bucket::Name(text.to_owned())
    }
}

fn in_path(path: &str) -> Result<(Style, Target), AddressError> {
    let target = match split(path)? {
        (None, _) => Target::Service,
        (Some(bucket), None) => Target::Bucket(named(&bucket)),
        (Some(bucket), Some(key)) => Target::Object(named(&bucket), key.into_owned()),
    };
    Ok((Style::Path, target))
}

fn in_host(bucket: Bucket, path: &str) -> Result<(Style, Target), AddressError> {
    let target = match key(path, path)? {
        None => Target::Bucket(bucket),
        Some(key) => Target::Object(bucket, key.into_owned()),
    };
    Ok((Style::Host, target))
}

/// Bucket and key as a path has them.
pub(super) type Split<'p> = (Option<Cow<'p, str>>, Option<Cow<'p, str>>);

/// Bucket and key of a path-style path.
pub(super) fn split(path: &str) -> Result<Split<'_>, AddressError> {
    let bad = || AddressError::BadPath {
        path: shortened(path),
    };
    let rest = match path {
        "" => "",
        _ => path.strip_prefix('/').ok_or_else(bad)?,
    };
    if rest.is_empty() {
        return Ok((None, None));
    }
    let at = rest.find('/').unwrap_or(rest.len());
    let (bucket, rest) = rest.split_at(at);
    let bucket = percent_decode(bucket, false).ok_or_else(bad)?;
    if bucket.is_empty() || bucket.contains('/') {
        return Err(bad());
    }
    Ok((Some(bucket), key(path, rest)?))
}

/// The key after the slash at the start of `rest`; `path` is for messages.
fn key<'p>(path: &str, rest: &'p str) -> Result<Option<Cow<'p, str>>, AddressError> {
    let bad = || AddressError::BadPath {
        path: shortened(path),
    };
    let raw = match rest {
        "" => "",
        _ => rest.strip_prefix('/').ok_or_else(bad)?,
    };
    if raw.is_empty() {
        return Ok(None);
    }
    let key = percent_decode(raw, false).ok_or_else(bad)?;
    if key.len() > MOST_KEY_BYTES {
        return Err(AddressError::KeyTooLong { bytes: key.len() });
    }
    if leaves(&key) {
        return Err(bad());
    }
    Ok(Some(key))
}

/// True when, read from the left, `..` segments ever outnumber the others: S3 takes such a key for
/// a path that leaves its bucket.
fn leaves(key: &str) -> bool {
    let mut depth = 0_i32;
    for segment in key.split('/') {
        match segment {
            ".." => depth -= 1,
            "" | "." => {}
            _ => depth += 1,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const V: &str = "vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com";

    fn names() -> Names {
        Names {
            domain: "amazonaws.com".to_owned(),
            hosts: vec![
                "localhost".to_owned(),
                "127.0.0.1".to_owned(),
                "::1".to_owned(),
            ],
        }
    }

    fn show(host: &str, path: &str) -> String {
        match address(&names(), host, path) {
            Ok(a) => {
                let family = match &a.family {
                    Family::Endpoint { label } => label.clone(),
                    other => format!("{other:?}"),
                };
                let region = a.region.as_deref().unwrap_or("-");
                let target = match &a.target {
                    Target::Service => "service".to_owned(),
                    Target::Bucket(b) => format!("{b:?}"),
                    Target::Object(b, k) => format!("{b:?} {k}"),
                    Target::Control(account) => format!("control {account:?}"),
                };
                format!("{family} {region} {:?} {target}", a.style)
            }
            Err(AddressError::UnknownHost { .. }) => "unknown".to_owned(),
            Err(AddressError::BadPath { .. }) => "bad".to_owned(),
            Err(AddressError::KeyTooLong { .. }) => "long".to_owned(),
        }
    }

    #[test]
    fn endpoint_names() {
        let e = "vpce-1a2b3c4d-5e6f us-east-1";
        let ap = r#"AccessPoint { name: "my-test", account: "123456789012" }"#;
        for (prefix, path, wanted) in [
            ("bucket.", "/", "Path service".to_owned()),
            (
                "bucket.",
                "/my-bucket",
                r#"Path Name("my-bucket")"#.to_owned(),
            ),
            (
                "bucket.",
                "/my-bucket/",
                r#"Path Name("my-bucket")"#.to_owned(),
            ),
            (
                "bucket.",
                "/my-bucket//a%20b",
                r#"Path Name("my-bucket") /a b"#.to_owned(),
            ),
            (
                "my-bucket.bucket.",
                "/k",
                r#"Host Name("my-bucket") k"#.to_owned(),
            ),
            (
                "my.dotted.bucket.bucket.",
                "/",
                r#"Host Name("my.dotted.bucket")"#.to_owned(),
            ),
            (
                "my-test-123456789012.accesspoint.",
                "/dir/a%20b",
                format!("Host {ap} dir/a b"),
            ),
            (
                "my-test-123456789012.bucket.",
                "/",
                r#"Host Name("my-test-123456789012")"#.to_owned(),
            ),
            (
                "x-s3alias.accesspoint.",
                "/",
                r#"Host Alias("x-s3alias")"#.to_owned(),
            ),
            (
                "accesspoint.",
                "/x-s3alias/k",
                r#"Path Alias("x-s3alias") k"#.to_owned(),
            ),
            ("", "/b/k", r#"Path Name("b") k"#.to_owned()),
            ("b.", "/k", r#"Host Name("b") k"#.to_owned()),
            (
                "12345678.control.",
                "/v20180820/jobs",
                r#"Host control Some("12345678")"#.to_owned(),
            ),
            (
                "control.",
                "/v20180820/jobs",
                "Path control None".to_owned(),
            ),
        ] {
            assert_eq!(
                show(&format!("{prefix}{V}"), path),
                format!("{e} {wanted}"),
                "{prefix}"
            );
        }
        let zonal = "BUCKET.vpce-1a2b3c4d-5e6f-us-east-1a.s3.us-east-1.vpce.amazonaws.com.:8443";
        assert_eq!(
            show(zonal, "/"),
            "vpce-1a2b3c4d-5e6f-us-east-1a us-east-1 Path service"
        );
        assert_eq!(show(&format!("nonsense.accesspoint.{V}"), "/"), "unknown");
    }

    #[test]
    fn the_longest_of_the_known_hosts_counts() {
        for hosts in [
            ["example.com", "s3.example.com"],
            ["s3.example.com", "example.com"],
        ] {
            let names = Names {
                domain: "amazonaws.com".to_owned(),
                hosts: hosts.map(str::to_owned).to_vec(),
            };
            for (host, bucket) in [
                ("b.s3.example.com", "b"),
                ("b.example.com", "b"),
                ("b.t3.example.com", "b.t3"),
            ] {
                let found = address(&names, host, "/").unwrap();
                assert_eq!(
                    found.bucket(),
                    Some(&Bucket::Name(bucket.to_owned())),
                    "{host}"
                );
            }
        }
    }

    #[test]
    fn public_names() {
        for (host, wanted) in [
            ("s3.eu-west-2", "Regional eu-west-2 Path service"),
            (
                "my.dotted.s3.eu-west-2",
                r#"Regional eu-west-2 Host Name("my.dotted")"#,
            ),
            (
                "b.s3.dualstack.eu-west-2",
                r#"DualStack eu-west-2 Host Name("b")"#,
            ),
            ("b.s3", r#"LegacyGlobal - Host Name("b")"#),
            ("s3", "LegacyGlobal - Path service"),
            ("b.s3-us-west-2", r#"DashRegion us-west-2 Host Name("b")"#),
            ("s3-fips.us-gov-west-1", "Fips us-gov-west-1 Path service"),
            (
                "b.s3-fips.dualstack.us-east-1",
                r#"Fips us-east-1 Host Name("b")"#,
            ),
            (
                "b.s3-website-us-east-1",
                r#"Website us-east-1 Host Name("b")"#,
            ),
            (
                "b.s3-website.eu-central-1",
                r#"Website eu-central-1 Host Name("b")"#,
            ),
            (
                "a-123456789012.s3-accesspoint.eu-west-2",
                r#"Regional eu-west-2 Host AccessPoint { name: "a", account: "123456789012" }"#,
            ),
            (
                "123456789012.s3-control.eu-west-2",
                r#"Regional eu-west-2 Host control Some("123456789012")"#,
            ),
            ("s3-accesspoint.eu-west-2", "unknown"),
            ("s3-accelerate", "unknown"),
            ("ec2.us-east-1", "unknown"),
            ("", "unknown"),
        ] {
            let host = format!("{host}.amazonaws.com");
            assert_eq!(show(host.trim_start_matches('.'), "/"), wanted, "{host}");
        }
    }

    #[test]
    fn own_hosts() {
        assert_eq!(
            show("localhost:9000", "/b/k"),
            r#"Custom - Path Name("b") k"#
        );
        assert_eq!(show("b.localhost", "/k"), r#"Custom - Host Name("b") k"#);
        assert_eq!(show("127.0.0.1:80", "/"), "Custom - Path service");
        assert_eq!(show("[::1]:80", "/"), "Custom - Path service");
        assert_eq!(
            show("123456789012.localhost:9000", "/v20180820/jobs"),
            r#"Custom - Host control Some("123456789012")"#
        );
        for host in [
            "evil.example",
            "xlocalhost",
            "localhost:x",
            "a b.localhost",
            "",
            ":80",
        ] {
            assert_eq!(show(host, "/"), "unknown", "{host}");
        }
    }

    #[test]
    fn keys_are_kept_as_sent() {
        for (path, key) in [
            ("/b/a/../b", "a/../b"),
            ("/b//x", "/x"),
            ("/b/a%2Fb%2f", "a/b/"),
            ("/b/%E2%82%AC+", "€+"),
            ("/b/./", "./"),
        ] {
            assert_eq!(
                show("localhost", path),
                format!(r#"Custom - Path Name("b") {key}"#)
            );
        }
        for path in [
            "/b/../c",
            "/b/a/../../c",
            "/b/%zz",
            "/b/%ff",
            "/b/%2",
            "//b",
            "b",
            "/%2f/k",
        ] {
            assert_eq!(show("localhost", path), "bad", "{path}");
        }
        assert_eq!(
            show("localhost", &format!("/b/{}", "x".repeat(1025))),
            "long"
        );
    }
}
