//! When access keys were last used, until it is written down.
//!
//! Noting is for the hot path: a key that was noted a moment ago is not noted again. Writing down is
//! for a task that takes what is due every now and then, so that a used key costs one transaction in
//! a quarter of an hour at most, whatever the number of its requests.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use adit_model::{KeyUse, Millis};

/// How long a noted use stands for those that follow, in milliseconds.
const MOMENT: Millis = 60_000;

/// Uses that were noted and not taken yet.
#[derive(Debug, Default)]
pub struct Uses {
    noted: RwLock<HashMap<String, KeyUse>>,
}

impl Uses {
    /// Notes that a long-term key signed a request that was found genuine.
    pub fn note(&self, key: &str, service: &str, region: &str, now: Millis) {
        let is_recent = |noted: &KeyUse| now.saturating_sub(noted.at) < MOMENT;
        {
            // A poisoned lock holds whole entries only: reading on is sound.
            let noted = self.noted.read().unwrap_or_else(PoisonError::into_inner);
            if noted.get(key).is_some_and(is_recent) {
                return;
            }
        }
        let mut noted = self.noted.write().unwrap_or_else(PoisonError::into_inner);
        noted.insert(
            key.to_string(),
            KeyUse {
                key: key.to_string(),
                at: now,
                service: service.to_string(),
                region: region.to_string(),
            },
        );
    }

    /// Takes what was noted.
    pub fn take(&self) -> Vec<KeyUse> {
        let mut noted = self.noted.write().unwrap_or_else(PoisonError::into_inner);
        noted.drain().map(|(_, noted)| noted).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_noted_once_in_a_while_and_taken_once() {
        let uses = Uses::default();
        uses.note("A", "s3", "us-east-1", 1_000);
        uses.note("A", "ec2", "us-east-1", 2_000);
        uses.note("B", "ec2", "eu-west-1", 2_000);
        uses.note("B", "iam", "us-east-1", 62_000);
        let mut taken = uses.take();
        taken.sort_by(|a, b| a.key.cmp(&b.key));
        let said: Vec<_> = taken
            .iter()
            .map(|use_| (use_.service.as_str(), use_.at))
            .collect();
        assert_eq!(said, [("s3", 1_000), ("iam", 62_000)]);
        assert!(uses.take().is_empty());
    }
}
