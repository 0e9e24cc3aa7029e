//! Log groups: there is no CloudWatch, so each is a directory of files in the state directory.

use std::path::{Path, PathBuf};

/// The directory of all log groups, in the state directory.
pub(crate) const FOLDER: &str = "log-groups";

/// The directory of an account's group in a Region, below that of all groups. No part of a group's
/// name leads elsewhere.
pub(crate) fn directory(account: &str, region: &str, group: &str) -> PathBuf {
    let parts = group.split('/').filter(|part| !part.is_empty());
    let safe = parts.filter(|part| !matches!(*part, "." | ".."));
    safe.fold(Path::new(account).join(region), |path, part| {
        path.join(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_stays_below_its_directory() {
        for (group, path) in [
            ("flows", "1/r/flows"),
            ("/aws/vpc//x", "1/r/aws/vpc/x"),
            ("../../etc/..", "1/r/etc"),
        ] {
            assert_eq!(directory("1", "r", group), Path::new(path), "{group}");
        }
    }
}
