//! What the kernel tracks of a packet's connection, as its expressions.

use super::CtState;
use super::expr::{EQUAL, NOT_EQUAL, REGISTER, bitwise, compare, immediate, named};
use crate::netlink::Writer;

/// What `ct` calls the parts of a connection.
const STATE: u32 = 0;
const DIRECTION: u32 = 1;
const MARK: u32 = 3;

/// Loads a part; the rule ends where the kernel knows no connection.
fn load(w: &mut Writer, part: u32) {
    named(w, "ct", |w| {
        w.attr_be32(2, part);
        w.attr_be32(1, REGISTER);
    });
}

pub(super) fn direction(w: &mut Writer, reply: bool) {
    load(w, DIRECTION);
    compare(w, EQUAL, &[u8::from(reply)]);
}

pub(super) fn mark(w: &mut Writer, mark: u32) {
    load(w, MARK);
    compare(w, EQUAL, &mark.to_ne_bytes());
}

pub(super) fn set_mark(w: &mut Writer, mark: u32) {
    immediate(w, &mark.to_ne_bytes());
    named(w, "ct", |w| {
        w.attr_be32(2, MARK);
        w.attr_be32(4, REGISTER);
    });
}

pub(super) fn state(w: &mut Writer, states: &[CtState]) {
    let mask = states.iter().fold(0u32, |mask, state| {
        mask | match state {
            CtState::Invalid => 1,
            CtState::Established => 2,
            CtState::Related => 4,
            CtState::New => 8,
            CtState::Untracked => 64,
        }
    });
    load(w, STATE);
    bitwise(w, &mask.to_ne_bytes());
    compare(w, NOT_EQUAL, &[0; 4]);
}
