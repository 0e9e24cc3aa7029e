//! Where a value stands, what it may be, and scalars read from text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::WireError;
use super::text::shortened;
use crate::tables::{Kind, Location, Member, Protocol, Service, Shape, Structure, TimeForm};
use crate::time;
use crate::value::{Map, Value};

/// The way to a value, for messages; built on the stack, written out only when something is wrong.
#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    Root,
    Member(&'p Path<'p>, &'p Member),
    Item(&'p Path<'p>, usize),
    Key(&'p Path<'p>, &'p str),
}

impl Path<'_> {
    /// As the service writes it: `Tag.1.Key` for ec2, `tags.1.member.key` elsewhere, the header's
    /// or parameter's own name where there is one.
    pub(super) fn show(&self, service: Service) -> String {
        let mut out = String::new();
        self.write(service, &mut out);
        out
    }

    fn write(&self, service: Service, out: &mut String) {
        let dot = |parent: &Path<'_>, out: &mut String| {
            parent.write(service, out);
            if !out.is_empty() {
                out.push('.');
            }
        };
        match self {
            Path::Root => {}
            Path::Member(parent, member) => {
                dot(parent, out);
                match (service.protocol(), member.location) {
                    (Protocol::Ec2, _) => out.push_str(member.param),
                    (_, Location::Header | Location::Headers | Location::Query)
                        if service == Service::S3 =>
                    {
                        out.push_str(member.wire);
                    }
                    _ if service == Service::S3 => out.push_str(member.name),
                    _ => lower_first(member.name, out),
                }
            }
            Path::Item(parent, number) => {
                dot(parent, out);
                out.push_str(&number.to_string());
                if service.protocol() != Protocol::Ec2 && service != Service::S3 {
                    out.push_str(".member");
                }
            }
            Path::Key(parent, key) => {
                dot(parent, out);
                out.push_str(&shortened(key));
            }
        }
    }
}

fn lower_first(name: &str, out: &mut String) {
    let mut chars = name.chars();
    if let Some(first) = chars.next() {
        out.push(first.to_ascii_lowercase());
        out.push_str(chars.as_str());
    }
}

/// Refuses a value of the wrong kind or range.
pub(super) fn invalid(
    service: Service,
    path: &Path<'_>,
    shape: &Shape,
    value: &str,
    expected: impl Into<String>,
) -> WireError {
    let value = if shape.sensitive {
        String::new()
    } else {
        shortened(value)
    };
    WireError::InvalidValue {
        parameter: path.show(service),
        value,
        expected: expected.into(),
    }
}

/// Reads a scalar of `shape` from text, and checks it against the shape's limits.
pub(super) fn parse(
    service: Service,
    path: &Path<'_>,
    shape: &Shape,
    form: TimeForm,
    text: &str,
) -> Result<Value, WireError> {
    let text = if service == Service::Route53 {
        unprefixed(shape, text)
    } else {
        text
    };
    let bad = |expected: &str| invalid(service, path, shape, text, expected);
    let value = match &shape.kind {
        Kind::String { .. } => Value::Str(text.to_owned()),
        Kind::Integer => Value::Int(
            text.trim()
                .parse()
                .map_err(|_| bad("Member must be an integer"))?,
        ),
        Kind::Float => match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Value::Float(number),
            _ => return Err(bad("Member must be a number")),
        },
        Kind::Boolean => match text.trim() {
            t if t.eq_ignore_ascii_case("true") || t == "1" => Value::Bool(true),
            t if t.eq_ignore_ascii_case("false") || t == "0" => Value::Bool(false),
            _ => return Err(bad("Member must be true or false")),
        },
        Kind::Blob => Value::Blob(
            STANDARD
                .decode(text.trim())
                .map_err(|_| bad("Member must be base64"))?,
        ),
        Kind::Timestamp(own) => {
            let form = if form == TimeForm::Default {
                *own
            } else {
                form
            };
            let millis =
                parse_time(text.trim(), form).ok_or_else(|| bad("Member must be a date"))?;
            Value::Time { millis }
        }
        Kind::Structure(_) | Kind::List { .. } | Kind::Map { .. } => {
            return Err(bad("Member must not be plain text"));
        }
    };
    check(service, path, shape, value)
}

/// Route 53 takes its ids with or without the kind in front: `/hostedzone/Z1` and `Z1`.
fn unprefixed<'t>(shape: &Shape, text: &'t str) -> &'t str {
    const IDS: [&str; 3] = ["ResourceId", "DelegationSetId", "ChangeId"];
    match text.strip_prefix('/').and_then(|rest| rest.split_once('/')) {
        Some((_, id)) if IDS.contains(&shape.name) => id,
        _ => text,
    }
}

/// A moment in the form asked for, or in any form the protocols know.
fn parse_time(text: &str, form: TimeForm) -> Option<i64> {
    let seconds = |text: &str| {
        let number: f64 = text.parse().ok()?;
        // Beyond the years that can be written there is nothing to mean.
        (number.abs() < 1e12).then_some((number * 1000.0).round() as i64)
    };
    match form {
        TimeForm::Iso8601 => time::parse_iso8601(text),
        TimeForm::Rfc822 => time::parse_http_date(text),
        TimeForm::Unix => seconds(text),
        TimeForm::Default => time::parse_iso8601(text)
            .or_else(|| time::parse_amz_date(text))
            .or_else(|| time::parse_http_date(text))
            .or_else(|| seconds(text)),
    }
}

/// Checks a scalar against what its shape allows. EC2 states ranges that it does not enforce (it
/// clamps `MaxResults`), so only its enumerations are.
pub(super) fn check(
    service: Service,
    path: &Path<'_>,
    shape: &Shape,
    mut value: Value,
) -> Result<Value, WireError> {
    let strict = service != Service::Ec2;
    match (&shape.kind, &mut value) {
        (Kind::String { allowed }, Value::Str(text)) => {
            // Which Regions there are is not the model's to say.
            let open = service == Service::S3 && shape.name == "BucketLocationConstraint";
            if !open && !allowed.is_empty() && !allowed.contains(&text.as_str()) {
                // Some S3 clients write enumerations in headers in lower case; in documents S3 takes none such.
                let near = allowed.iter().find(|a| a.eq_ignore_ascii_case(text));
                let document = matches!(path, Path::Member(_, member) if member.location == Location::Body)
                    || matches!(path, Path::Item(..));
                match near {
                    Some(exact) if service == Service::S3 && !document => {
                        *text = (*exact).to_owned()
                    }
                    _ => {
                        let set = allowed.join(", ");
                        return Err(invalid(
                            service,
                            path,
                            shape,
                            text,
                            format!("Member must satisfy enum value set: [{set}]"),
                        ));
                    }
                }
            }
            if strict {
                length(service, path, shape, text.chars().count(), text)?;
                // S3 has its own words for the few names that its model gives a pattern.
                if service != Service::S3 && !shape.admits(text) {
                    let pattern = shape.pattern.unwrap_or_default();
                    let expected =
                        format!("Member must satisfy regular expression pattern: {pattern}");
                    return Err(invalid(service, path, shape, text, expected));
                }
            }
        }
        (Kind::Blob, Value::Blob(bytes)) if strict => {
            length(service, path, shape, bytes.len(), "")?;
        }
        (Kind::Integer | Kind::Float, number) if strict => {
            let n = number.float().unwrap_or_default();
            let shown = || {
                number
                    .int()
                    .map_or_else(|| n.to_string(), |i| i.to_string())
            };
            if let Some(min) = shape.min.filter(|min| n < *min) {
                let expected = format!("Member must have value greater than or equal to {min}");
                return Err(invalid(service, path, shape, &shown(), expected));
            }
            if let Some(max) = shape.max.filter(|max| n > *max) {
                let expected = format!("Member must have value less than or equal to {max}");
                return Err(invalid(service, path, shape, &shown(), expected));
            }
        }
        _ => {}
    }
    Ok(value)
}

/// Checks a length or count.
pub(super) fn length(
    service: Service,
    path: &Path<'_>,
    shape: &Shape,
    length: usize,
    shown: &str,
) -> Result<(), WireError> {
    let n = length as f64;
    if let Some(min) = shape.min.filter(|min| n < *min) {
        let expected = format!("Member must have length greater than or equal to {min}");
        return Err(invalid(service, path, shape, shown, expected));
    }
    if let Some(max) = shape.max.filter(|max| n > *max) {
        let expected = format!("Member must have length less than or equal to {max}");
        return Err(invalid(service, path, shape, shown, expected));
    }
    Ok(())
}

/// Refuses a structure that lacks a required member.
pub(super) fn complete(
    service: Service,
    path: &Path<'_>,
    structure: &Structure,
    map: &Map,
) -> Result<(), WireError> {
    for member in structure.members.iter().filter(|member| member.required) {
        if map.get(member.name).is_none_or(Value::is_null) {
            let parameter = Path::Member(path, member).show(service);
            return Err(WireError::MissingParameter { parameter });
        }
    }
    Ok(())
}
