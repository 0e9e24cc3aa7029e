//! Idempotency tokens: the same call with the same token is answered once [ec2-api §1].

use std::fmt::Write;

use adit_model::{Draft, Intent, Millis, UsedToken};
use adit_wire::Value;

use crate::context::Ctx;
use crate::input::Input;
use crate::refusal::Refusal;

/// How long a token is remembered: AWS promises at least a day.
const REMEMBERED: Millis = 24 * 60 * 60 * 1000;

/// How many old tokens a new one sweeps away at most; more than one, so that the heap shrinks.
const SWEPT: usize = 16;

/// A token of a call.
#[derive(Debug)]
pub(crate) struct Token {
    /// As the client gave it.
    pub(crate) text: String,
    key: String,
    digest: String,
}

impl Token {
    /// The token of a call, if it has one.
    pub(crate) fn of(
        input: &Input<'_>,
        operation: &str,
        ctx: &Ctx,
    ) -> Result<Option<Token>, Refusal> {
        Token::named(input, "ClientToken", operation, ctx)
    }

    /// The token of a call that has it in a member of another name.
    pub(crate) fn named(
        input: &Input<'_>,
        member: &str,
        operation: &str,
        ctx: &Ctx,
    ) -> Result<Option<Token>, Refusal> {
        let Some(text) = input.text(member).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        if text.len() > 64 || !text.is_ascii() {
            let why = "The client token must have at most 64 ASCII characters.";
            return Err(Refusal::new("InvalidClientToken", why));
        }
        let (account, region) = (&ctx.caller.account, &ctx.region);
        Ok(Some(Token {
            text: text.to_string(),
            key: format!("{account}/{region}/{operation}/{text}"),
            digest: digest(input.0),
        }))
    }

    /// What an earlier call with this token made.
    pub(crate) fn replay(&self, draft: &Draft, ctx: &Ctx) -> Result<Option<String>, Refusal> {
        match draft.get::<UsedToken>(&self.key) {
            Some(used) if used.at + REMEMBERED <= ctx.now => Ok(None),
            Some(used) if used.digest == self.digest => Ok(Some(used.resource.clone())),
            Some(_) => Err(Refusal::new(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
            )),
            None => Ok(None),
        }
    }

    /// Remembers what this call made.
    pub(crate) fn remember(&self, draft: &mut Draft, ctx: &Ctx, resource: impl Into<String>) {
        // Tokens are random, so that the neighbours of new ones are a fair sample of the old.
        let neighbours = draft.tokens.range(self.key.clone()..).take(SWEPT);
        let old: Vec<String> = neighbours
            .filter(|(_, used)| used.at + REMEMBERED <= ctx.now)
            .map(|(key, _)| key.clone())
            .collect();
        for key in old {
            draft.remove::<UsedToken>(key);
        }
        draft.put(UsedToken {
            key: self.key.clone(),
            digest: self.digest.clone(),
            resource: resource.into(),
            at: ctx.now,
        });
    }
}

/// Remembers for a day that something was deleted, for clients that ask until they see it so.
pub(crate) fn remember_deletion(draft: &mut Draft, ctx: &Ctx, id: &str, shown: String) {
    let token = Token {
        text: id.to_string(),
        key: deletion(ctx, id),
        digest: String::new(),
    };
    token.remember(draft, ctx, shown);
}

/// What was remembered of something that was deleted within the last day.
pub(crate) fn deleted<'a>(intent: &'a Intent, ctx: &Ctx, id: &str) -> Option<&'a str> {
    let used = intent.get::<UsedToken>(deletion(ctx, id))?;
    (used.at + REMEMBERED > ctx.now).then_some(used.resource.as_str())
}

/// No operation has an empty name, so this is nobody's token.
fn deletion(ctx: &Ctx, id: &str) -> String {
    format!("{}/{}//{id}", ctx.caller.account, ctx.region)
}

/// A digest of a call's parameters that does not depend on their order.
fn digest(input: &Value) -> String {
    let mut text = String::new();
    write_sorted(input, &mut text);
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let mut hex = String::with_capacity(64);
    for byte in digest.as_ref() {
        for half in [byte >> 4, byte & 15] {
            hex.extend(char::from_digit(u32::from(half), 16));
        }
    }
    hex
}

fn write_sorted(value: &Value, text: &mut String) {
    match value {
        Value::Map(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.retain(|(name, value)| {
                !value.is_null() && !matches!(*name, "ClientToken" | "DryRun")
            });
            members.sort_by_key(|(name, _)| *name);
            text.push('{');
            for (name, value) in members {
                write_quoted(name, text);
                text.push(':');
                write_sorted(value, text);
            }
            text.push('}');
        }
        Value::List(items) => {
            text.push('[');
            for item in items {
                write_sorted(item, text);
                text.push(',');
            }
            text.push(']');
        }
        // As its debug form, which earlier versions took the digest of.
        Value::Str(said) => {
            text.push_str("Str(");
            write_quoted(said, text);
            text.push(')');
        }
        scalar => {
            let _ = write!(text, "{scalar:?}");
        }
    }
}

/// A text as `{:?}` has it, and quicker where nothing needs an escape.
fn write_quoted(said: &str, text: &mut String) {
    let plain = |b: u8| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\');
    if said.bytes().all(plain) {
        text.push('"');
        text.push_str(said);
        text.push('"');
    } else {
        let _ = write!(text, "{said:?}");
    }
}

#[cfg(test)]
mod tests {
    use adit_wire::{list, map};

    use super::*;

    #[test]
    fn a_digest_knows_parameters_and_not_their_order() {
        let a = map! { "A" => "1", "B" => list!["x", "y"], "ClientToken" => "t" };
        let b = map! { "B" => list!["x", "y"], "DryRun" => false, "A" => "1" };
        assert_eq!(digest(&a), digest(&b));
        for other in [
            map! { "A" => "1", "B" => list!["y", "x"] },
            map! { "A" => 1i64, "B" => list!["x", "y"] },
            map! { "A" => "1", "B" => list!["x", "y"], "C" => true },
        ] {
            assert_ne!(digest(&a), digest(&other));
        }
    }

    #[test]
    fn a_text_is_digested_in_its_debug_form() {
        for said in ["", "plain text~", "'", "\"", "a\\b", "é", "\n", "\u{7f}"] {
            let value = Value::from(said);
            let mut text = String::new();
            write_sorted(&value, &mut text);
            assert_eq!(text, format!("{value:?}"));
        }
    }
}
