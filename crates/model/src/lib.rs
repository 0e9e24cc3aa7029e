//! The words of Adit: ids, ARNs, CIDRs, resources, Intent.
