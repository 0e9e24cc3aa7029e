//! What is counted of requests: by endpoint, bucket, operation and outcome.

use std::time::Duration;

use adit_plane::metrics::{Durations, Family, Kind, Metrics};

/// The front door's numbers.
#[derive(Debug)]
pub(crate) struct Counts {
    requests: Family,
    took: Durations,
    connections: Family,
    turned_away: Family,
}

/// One request, as counted.
#[derive(Debug)]
pub(crate) struct Counted<'a> {
    /// The endpoint's id, or `internet` or `api`.
    pub(crate) via: &'a str,
    /// The bucket, if it exists: names that strangers make up are not counted apart.
    pub(crate) bucket: Option<&'a str>,
    pub(crate) operation: Option<&'a str>,
    pub(crate) status: u16,
    /// Whether a policy refused it.
    pub(crate) denied: bool,
    /// From the end of the head to the begin of the answer.
    pub(crate) took: Duration,
}

impl Counts {
    pub(crate) fn new(metrics: &Metrics) -> Counts {
        Counts {
            requests: metrics.family(
                "adit_s3_requests_total",
                Kind::Counter,
                "Requests at the S3 front door.",
                &["endpoint", "bucket", "operation", "outcome"],
            ),
            took: metrics.durations(
                "adit_s3_request_seconds",
                "Time from a request's head to the begin of its answer.",
                "operation",
            ),
            connections: metrics.family(
                "adit_s3_connections_total",
                Kind::Counter,
                "Connections accepted at the S3 front door.",
                &["endpoint"],
            ),
            turned_away: metrics.family(
                "adit_s3_connections_turned_away_total",
                Kind::Counter,
                "Connections closed at once because their endpoint or listener had as many as it may.",
                &["endpoint"],
            ),
        }
    }

    pub(crate) fn connection(&self, via: &str) {
        self.connections.of(&[via]).add(1);
    }

    /// A connection that was closed at once: its way had as many as it may.
    pub(crate) fn turned_away(&self, via: &str) {
        self.turned_away.of(&[via]).add(1);
    }

    pub(crate) fn request(&self, counted: &Counted<'_>) {
        let operation = counted.operation.unwrap_or("none");
        let outcome = outcome(counted.status, counted.denied);
        let bucket = counted.bucket.unwrap_or_default();
        self.requests
            .of(&[counted.via, bucket, operation, outcome])
            .add(1);
        self.took.observe(operation, counted.took);
    }
}

fn outcome(status: u16, denied: bool) -> &'static str {
    match status {
        _ if denied => "denied",
        100..=399 => "ok",
        400..=499 => "client_error",
        _ => "server_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_from_other_errors() {
        for (status, denied, expected) in [
            (200, false, "ok"),
            (304, false, "ok"),
            (403, true, "denied"),
            (403, false, "client_error"),
            (404, false, "client_error"),
            (503, false, "server_error"),
        ] {
            assert_eq!(outcome(status, denied), expected, "{status} {denied}");
        }
    }
}
