//! What recent transactions touched, for builders that follow an intent.

use std::sync::Arc;

use rpds::ListSync;

use super::{Generation, Kind};
use crate::id::VpcId;

/// How many transactions an intent remembers at least for builders that follow it.
pub(super) const REMEMBERED: usize = 1024;

/// What recent transactions touched, the newest first: those since the older list was full, and
/// that list, so that forgetting costs nothing.
#[derive(Clone, Default)]
pub(super) struct Recent {
    newer: ListSync<(Generation, Arc<[Touched]>)>,
    older: ListSync<(Generation, Arc<[Touched]>)>,
}

impl Recent {
    pub(super) fn push(&mut self, generation: Generation, touched: Arc<[Touched]>) {
        if self.newer.len() == REMEMBERED {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.push_front_mut((generation, touched));
    }

    /// What was touched after `since`, the oldest first; `None` when not all of it is remembered.
    pub(super) fn since(&self, since: Generation) -> Option<Vec<&Touched>> {
        let all = self.newer.iter().chain(self.older.iter());
        let after: Vec<_> = all.take_while(|(at, _)| *at > since).collect();
        let (oldest, _) = after.last()?;
        let whole = oldest.0 == since.0 + 1;
        let touched = after.iter().rev().flat_map(|(_, touched)| touched.iter());
        whole.then(|| touched.collect())
    }
}

/// That a transaction changed a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Touched {
    /// The kind of the resource.
    pub kind: Kind,
    /// Its key.
    pub key: String,
    /// The VPC it lives in or lived in before.
    pub vpc: Option<VpcId>,
}
