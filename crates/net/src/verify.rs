//! Looks again after an apply: what was done must be there.
//!
//! What the kernel shows differently from how it was stated, and what `observe` therefore evens
//! out: routes that name a nexthop object also show its device and gateway; IPv6 routes that lead
//! nowhere show `lo` as their device; a route to a blackhole nexthop shows the kind blackhole;
//! devices whose other end is down show no carrier (which is not compared).

use crate::plan::Step;

/// How many differences a message names.
const SHOWN: usize = 3;

/// The kernel took every step and still is not as desired.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the kernel does not keep the desired state; still to do: {0}")]
pub(crate) struct NotKept(String);

/// Judges the plan that was made after an apply: it must be empty.
pub(crate) fn verify(rest: &[Step]) -> Result<(), NotKept> {
    if rest.is_empty() {
        return Ok(());
    }
    let mut shown: Vec<String> = rest.iter().take(SHOWN).map(Step::to_string).collect();
    if rest.len() > SHOWN {
        shown.push(format!("and {} more", rest.len() - SHOWN));
    }
    Err(NotKept(shown.join("; ")))
}
