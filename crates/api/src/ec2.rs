//! EC2: VPCs, their parts, and VPC endpoints. One file per kind of resource.

pub(crate) mod vpc;
