//! What the planes have reached: the one source of every state that is shown (I9).

use std::collections::BTreeMap;

use adit_model::{Generation, VpcId};

/// What every plane of this node reports.
#[derive(Debug, Clone, Default)]
pub struct StatusBoard {
    planes: BTreeMap<&'static str, Status>,
}

/// What one plane reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// The newest generation it has realised, except for what `faults` names.
    pub reached: Generation,
    /// What it could not realise.
    pub faults: Vec<PlaneFault>,
}

/// Something that a plane could not realise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaneFault {
    /// The VPC concerned; none when it is the plane as a whole.
    pub vpc: Option<VpcId>,
    /// What went wrong, for people.
    pub what: String,
}

impl StatusBoard {
    /// A board on which these planes must report before anything is shown as available.
    pub fn expecting(planes: &[&'static str]) -> StatusBoard {
        StatusBoard {
            planes: planes
                .iter()
                .map(|name| (*name, Status::default()))
                .collect(),
        }
    }

    /// Takes a plane's report; an older one than the last is ignored (I8).
    pub fn report(&mut self, plane: &'static str, status: Status) {
        let held = self.planes.entry(plane).or_default();
        if status.reached >= held.reached {
            *held = status;
        }
    }

    /// The generation that every plane has reached.
    pub fn reached(&self) -> Generation {
        self.planes
            .values()
            .map(|status| status.reached)
            .min()
            .unwrap_or_default()
    }

    /// Whether no plane runs at all: then nothing will ever be in force, and waiting is pointless.
    pub fn is_idle(&self) -> bool {
        self.planes.is_empty()
    }

    /// Whether something of a VPC that `changed` last touched is in force.
    pub fn in_force(&self, vpc: &VpcId, changed: Generation) -> bool {
        self.reached() >= changed && self.fault(vpc).is_none()
    }

    /// Why a VPC is not as stated, if it is not.
    pub fn fault(&self, vpc: &VpcId) -> Option<&PlaneFault> {
        let faults = self.planes.values().flat_map(|status| &status.faults);
        faults
            .into_iter()
            .find(|fault| fault.vpc.as_ref().is_none_or(|at| at == vpc))
    }

    /// Every plane's report.
    pub fn planes(&self) -> impl Iterator<Item = (&'static str, &Status)> {
        self.planes.iter().map(|(name, status)| (*name, status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i9_nothing_is_in_force_before_every_plane_has_reached_it() {
        let vpc = VpcId::from_digits(1);
        let mut board = StatusBoard::expecting(&["net", "gateway"]);
        let at = |reached| Status {
            reached: Generation(reached),
            faults: Vec::new(),
        };
        board.report("net", at(5));
        assert!(!board.in_force(&vpc, Generation(5)));
        board.report("gateway", at(4));
        assert!(board.in_force(&vpc, Generation(4)) && !board.in_force(&vpc, Generation(5)));
    }

    #[test]
    fn i8_never_backwards() {
        let mut board = StatusBoard::expecting(&["net"]);
        board.report(
            "net",
            Status {
                reached: Generation(5),
                faults: Vec::new(),
            },
        );
        board.report(
            "net",
            Status {
                reached: Generation(3),
                faults: Vec::new(),
            },
        );
        assert_eq!(board.reached(), Generation(5));
    }

    #[test]
    fn a_fault_holds_back_its_vpc_alone() {
        let (a, b) = (VpcId::from_digits(1), VpcId::from_digits(2));
        let mut board = StatusBoard::expecting(&["net"]);
        let fault = PlaneFault {
            vpc: Some(a.clone()),
            what: "no".into(),
        };
        board.report(
            "net",
            Status {
                reached: Generation(1),
                faults: vec![fault],
            },
        );
        assert!(!board.in_force(&a, Generation(1)) && board.in_force(&b, Generation(1)));
    }
}
