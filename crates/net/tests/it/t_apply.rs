//! Applying: idempotence, drift and its repair, changes that leave the rest alone, refusals.

use crate::harness::{Outcome, Test};
use crate::lab::{Lab, lab};
use crate::topology::{Vpc, internet};

pub(crate) const TESTS: &[Test] = &[("apply::whole_topology_settles", whole_topology_settles)];

fn whole_topology_settles() -> Outcome {
    let lab = lab!();
    let start = std::time::Instant::now();
    lab.settle("internet", &internet());
    for (letter, number) in [('a', 1), ('b', 2)] {
        let vpc = Vpc::whole(letter, number).build();
        let applied = lab.settle(&format!("vpc-{letter}"), &vpc);
        assert!(applied.steps > 100);
        let again = lab
            .agent()
            .reconcile(&format!("vpc-{letter}"), &vpc)
            .unwrap();
        assert_eq!((again.steps, again.touched), (0, vec![]));
    }
    eprintln!("{:?}", start.elapsed());
    Outcome::Passed
}
