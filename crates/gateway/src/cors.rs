//! Cross-origin resource sharing: what a bucket lets scripts of other sites do.
//!
//! A preflight request carries no signature and needs no right: it asks what a browser may try. Answers to
//! other requests carry the headers of the rule that fits, whatever the answer is.

use adit_snapshot::BucketView;
use adit_snapshot::bucket::CorsRule;
use adit_wire::{ErrorReply, Parts};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, VARY,
};
use http::{HeaderMap, Method, StatusCode};

use crate::address::Place;
use crate::reply::Reply;

/// What answers that depend on these headers say to caches.
const VARIES: &str = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";

/// Answers a preflight request.
///
/// # Errors
/// `BadRequest` for what is no preflight request; `AccessForbidden` where no rule fits.
pub(crate) fn preflight(place: &Place, wire: &Parts<'_>) -> Result<Reply, ErrorReply> {
    let bad = |text: &str| ErrorReply::new("BadRequest", 400, text);
    let header = |name: &str| wire.headers.get(name).filter(|value| !value.is_empty());
    let origin = header("origin")
        .ok_or_else(|| bad("Insufficient information. Origin request header needed."))?;
    let method = header("access-control-request-method")
        .ok_or_else(|| bad("Invalid Access-Control-Request-Method: null"))?;
    let kind = match place.address.key() {
        Some(_) => "OBJECT",
        None => "BUCKET",
    };
    let forbidden = |text: &str| {
        ErrorReply::new("AccessForbidden", 403, format!("CORSResponse: {text}"))
            .with("Method", method)
            .with("ResourceType", kind)
    };
    let rules = place
        .bucket
        .as_ref()
        .map(|view| view.settings.cors.as_slice())
        .unwrap_or_default();
    if rules.is_empty() {
        return Err(forbidden("CORS is not enabled for this bucket."));
    }
    let asked: Vec<String> = header("access-control-request-headers")
        .unwrap_or_default()
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect();
    let rule = rules
        .iter()
        .find(|rule| fits(rule, origin, method) && asked.iter().all(|name| lets(rule, name)))
        .ok_or_else(|| {
            forbidden("This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.")
        })?;
    let mut reply = Reply::new(StatusCode::OK);
    allow(&mut reply, rule, origin);
    if !asked.is_empty() {
        reply.set(ACCESS_CONTROL_ALLOW_HEADERS, asked.join(", "));
    }
    Ok(reply)
}

/// Adds the headers of the first rule that fits to an answer.
pub(crate) fn decorate(
    reply: &mut Reply,
    bucket: Option<&BucketView>,
    method: &Method,
    headers: &HeaderMap,
) {
    let Some(rules) = bucket.map(|view| &view.settings.cors) else {
        return;
    };
    // Nearly no request has an origin.
    let Some(origin) = headers.get(http::header::ORIGIN) else {
        return;
    };
    let Ok(origin) = origin.to_str() else {
        return;
    };
    if reply.headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        return;
    }
    if let Some(rule) = rules
        .iter()
        .find(|rule| fits(rule, origin, method.as_str()))
    {
        allow(reply, rule, origin);
    }
}

fn allow(reply: &mut Reply, rule: &CorsRule, origin: &str) {
    let everybody = rule.allowed_origins.iter().any(|allowed| allowed == "*");
    if everybody {
        reply.set(ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    } else {
        reply.set(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        reply.set(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    reply.set(
        ACCESS_CONTROL_ALLOW_METHODS,
        rule.allowed_methods.join(", "),
    );
    if !rule.expose_headers.is_empty() {
        reply.set(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            rule.expose_headers.join(", "),
        );
    }
    if let Some(seconds) = rule.max_age_seconds {
        reply.set(ACCESS_CONTROL_MAX_AGE, seconds.to_string());
    }
    reply.set(VARY, VARIES);
}

/// Whether a rule is for requests of this method from this origin.
fn fits(rule: &CorsRule, origin: &str, method: &str) -> bool {
    rule.allowed_methods.iter().any(|allowed| allowed == method)
        && rule
            .allowed_origins
            .iter()
            .any(|allowed| like(allowed, origin))
}

/// Whether a rule lets a header be sent; `name` in lower case.
fn lets(rule: &CorsRule, name: &str) -> bool {
    rule.allowed_headers
        .iter()
        .any(|allowed| like(&allowed.to_ascii_lowercase(), name))
}

/// Whether a text is as a pattern with at most one `*` says.
fn like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((front, back)) => {
            text.len() >= front.len() + back.len()
                && text.starts_with(front)
                && text.ends_with(back)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wildcard_stands_for_anything() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("*", "https://a", true),
            ("https://*.example.com", "https://a.b.example.com", true),
            ("https://*.example.com", "https://example.com", false),
            ("https://a*a", "https://a", false),
            ("x-amz-*", "x-amz-date", true),
            ("https://a", "https://A", false),
        ] {
            assert_eq!(like(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn a_rule_fits_by_method_and_origin() {
        let rule = CorsRule {
            allowed_methods: vec!["GET".into(), "PUT".into()],
            allowed_origins: vec!["https://a".into()],
            allowed_headers: vec!["X-Amz-*".into()],
            ..CorsRule::default()
        };
        assert!(fits(&rule, "https://a", "PUT"));
        assert!(!fits(&rule, "https://a", "DELETE"));
        assert!(!fits(&rule, "http://a", "PUT"));
        assert!(lets(&rule, "x-amz-date"));
        assert!(!lets(&rule, "content-type"));
    }
}
