//! Requests written down as text.

use adit_wire::{Headers, Parts, Service, Value, WireError, protocol};

/// Parts of a form POST.
pub(crate) fn form(body: &str) -> Parts<'_> {
    Parts {
        method: "POST",
        path: "/",
        query: "",
        headers: Headers(&[(
            "content-type",
            b"application/x-www-form-urlencoded; charset=utf-8",
        )]),
        body: body.as_bytes(),
    }
}

/// Identifies and decodes; the operation's name with its input.
pub(crate) fn read(service: Service, parts: &Parts<'_>) -> Result<(String, Value), WireError> {
    let op = protocol::identify(service, parts)?;
    Ok((op.name().to_owned(), protocol::decode(&op, parts)?))
}

/// The code and message of a refusal.
pub(crate) fn refusal(service: Service, parts: &Parts<'_>) -> (String, String) {
    let reply = read(service, parts)
        .expect_err("the request is refused")
        .reply(service);
    (reply.code.into_owned(), reply.message)
}
