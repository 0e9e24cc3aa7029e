//! What an endpoint has come to: derived from what its provider said and what the planes reached;
//! nobody sets it (I9) [ec2-api §9].

use adit_model::*;

use crate::context::View;

/// A state and, where something is wrong, what.
#[derive(Debug)]
pub(crate) struct State {
    /// The word on the wire.
    pub(crate) word: &'static str,
    /// What is wrong.
    pub(crate) error: Option<Fault>,
}

/// Why an endpoint is not what it should be.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl State {
    fn plain(word: &'static str) -> State {
        State { word, error: None }
    }

    /// Why it failed, when it did.
    pub(super) fn failure_reason(&self) -> Option<&str> {
        let error = self.error.as_ref().filter(|_| self.word == "failed")?;
        Some(&error.message)
    }
}

/// The state of an endpoint.
pub(crate) fn of(endpoint: &VpcEndpoint, view: View<'_>) -> State {
    match endpoint
        .connection
        .as_ref()
        .map(|connection| connection.answer)
    {
        Some(ConnectionAnswer::Awaited) => return State::plain("pendingAcceptance"),
        Some(ConnectionAnswer::Rejected) => return State::plain("rejected"),
        Some(ConnectionAnswer::Accepted) | None => {}
    }
    if let Some(why) = unserved(endpoint) {
        return State {
            word: "failed",
            error: Some(Fault {
                code: "ServiceUnavailable",
                message: why.to_string(),
            }),
        };
    }
    // A fault of the VPC is why the endpoint is not what it should be.
    let fault = view.board.fault(&endpoint.vpc).map(|fault| Fault {
        code: "InternalError",
        message: fault.what.clone(),
    });
    let word = match view.board.in_force(&endpoint.vpc, endpoint.changed) {
        true => "available",
        false => "pending",
    };
    State { word, error: fault }
}

/// Why an endpoint carries no request, whatever the planes do: nobody answers behind it. It must
/// not be called available then.
fn unserved(endpoint: &VpcEndpoint) -> Option<&'static str> {
    match endpoint.serves() {
        Some(Served::S3 | Served::DynamoDb) => None,
        Some(Served::Customer(_)) => Some(
            "Connections to targets of endpoint services are not carried by this version. See docs/compatibility.md.",
        ),
        None => Some("There is no such service."),
    }
}
