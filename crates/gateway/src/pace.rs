//! Whether a client moves bytes fast enough to be waited for.

use std::time::Duration;

/// Holds one direction of a body against a least average speed. Only time spent waiting for the client
/// counts: what is slow here or behind never counts against it.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// Bytes a second; 0: any speed will do.
    least: u32,
    /// How long is waited before it is judged.
    window: Duration,
    waited: Duration,
    moved: u64,
}

impl Pace {
    pub(crate) fn new(least: u32, window: Duration) -> Pace {
        Pace {
            least,
            window,
            waited: Duration::ZERO,
            moved: 0,
        }
    }

    /// Notes that `bytes` moved after a wait of `waited`. False when the client was too slow over a whole
    /// window of waiting: what it did fast before does not buy it time to be slow.
    pub(crate) fn keeps(&mut self, waited: Duration, bytes: usize) -> bool {
        self.waited += waited;
        self.moved = self.moved.saturating_add(bytes as u64);
        if self.waited < self.window || self.least == 0 {
            return true;
        }
        let due = u128::from(self.least) * self.waited.as_millis() / 1000;
        let kept = u128::from(self.moved) >= due;
        (self.waited, self.moved) = (Duration::ZERO, 0);
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_client_that_dribbles_is_found_out() {
        let mut pace = Pace::new(240, 10 * SECOND);
        let judged = (1..=30).position(|_| !pace.keeps(SECOND, 1));
        assert_eq!(judged, Some(9));
        // What came fast before does not help.
        let mut pace = Pace::new(240, 10 * SECOND);
        assert!(pace.keeps(10 * SECOND, 1 << 30));
        assert_eq!((1..=30).position(|_| !pace.keeps(SECOND, 1)), Some(9));
    }

    #[test]
    fn others_are_left_alone() {
        let mut slow = Pace::new(240, 10 * SECOND);
        assert!((0..1000).all(|_| slow.keeps(SECOND, 240)));
        // Bytes that are there at once cost no wait, however slowly they are taken.
        let mut ready = Pace::new(240, 10 * SECOND);
        assert!((0..1000).all(|_| ready.keeps(Duration::ZERO, 1)));
        let mut off = Pace::new(0, 10 * SECOND);
        assert!((0..1000).all(|_| off.keeps(SECOND, 0)));
    }
}
