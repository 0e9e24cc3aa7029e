//! Elastic Load Balancing, version 2: as much of network load balancers as endpoint services need.

pub(crate) mod load_balancer;
