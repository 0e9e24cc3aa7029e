//! Installations with many interface endpoints, for the bench of names and for tests of their index.

use adit_model::*;

/// Endpoints in one VPC.
const PER_VPC: u64 = 250;

/// An id of which nothing but its digits is known.
pub(crate) fn id<T: std::str::FromStr>(prefix: &str, n: u64) -> T
where
    T::Err: std::fmt::Debug,
{
    format!("{prefix}{n:017x}").parse().unwrap()
}

pub(crate) fn zone_of(letter: char) -> Zone {
    format!("us-east-1{letter}").parse().unwrap()
}

pub(crate) fn region() -> Region {
    "us-east-1".parse().unwrap()
}

pub(crate) fn owner() -> AccountId {
    "111122223333".parse().unwrap()
}

/// The id of endpoint `n`: spread, so that neighbours share nothing.
pub(crate) fn endpoint_id(n: u64) -> VpcEndpointId {
    VpcEndpointId::from_digits(u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// The random part of the names of endpoint `n`.
pub(crate) fn suffix(n: u64) -> String {
    format!("{:08x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32)
}

/// An installation of one Region with `count` endpoints in two zones each, whose private names are
/// off, in as many VPCs as that takes.
pub(crate) fn installation(count: u64) -> Draft {
    let mut draft = Draft::new(&Intent::default());
    draft.put(Installation {
        id: "bench".into(),
        default_region: region(),
        quotas: Default::default(),
    });
    draft.put(RegionInfo {
        name: region(),
        zones: vec![zone_of('a'), zone_of('b')],
        public_addresses: "198.19.0.0/21".parse().unwrap(),
    });
    draft.put(PrefixList::of_service(
        "pl-63a5400a".parse().unwrap(),
        "com.amazonaws.us-east-1.s3".into(),
        region(),
        vec!["198.18.0.0/22".parse().unwrap()],
    ));
    for n in 0..count {
        if n % PER_VPC == 0 {
            put_vpc(&mut draft, n / PER_VPC);
        }
        put_endpoint(&mut draft, n);
    }
    draft
}

/// VPC `n` with a subnet in each of two zones.
pub(crate) fn put_vpc(draft: &mut Draft, n: u64) {
    draft.put(Vpc {
        id: id("vpc-", n),
        owner: owner(),
        region: region(),
        cidrs: vec![VpcCidr {
            association: id("vpc-cidr-assoc-", n),
            cidr: "10.0.0.0/16".parse().unwrap(),
        }],
        ipv6: Vec::new(),
        dns_support: true,
        dns_hostnames: true,
        is_default: false,
        tenancy: "default".into(),
        dhcp_options: id("dopt-", 1),
        tags: Tags::new(),
    });
    for (at, letter) in [(0, 'a'), (1, 'b')] {
        draft.put(Subnet {
            id: id("subnet-", n * 2 + at),
            vpc: id("vpc-", n),
            owner: owner(),
            zone: zone_of(letter),
            cidr: format!("10.0.{at}.0/24").parse().unwrap(),
            ipv6: None,
            map_public_ip: false,
            assign_ipv6: false,
            default_for_az: false,
            tags: Tags::new(),
        });
    }
}

/// Endpoint `n`, in the VPC that its number says.
pub(crate) fn put_endpoint(draft: &mut Draft, n: u64) {
    let vpc = n / PER_VPC;
    let last = u8::try_from(n % PER_VPC).unwrap() + 4;
    for at in 0..2u8 {
        draft.put(NetworkInterface {
            id: id("eni-", n * 2 + u64::from(at)),
            vpc: id("vpc-", vpc),
            subnet: id("subnet-", vpc * 2 + u64::from(at)),
            owner: owner(),
            private_ip: [10, 0, at, last].into(),
            secondary: Vec::new(),
            ipv6: Vec::new(),
            public_ip: None,
            mac: [2, 0, 0, 0, at, last],
            groups: Vec::new(),
            description: String::new(),
            source_dest_check: true,
            user: InterfaceUser::Endpoint {
                endpoint: endpoint_id(n),
                attachment: id("eni-attach-", n * 2 + u64::from(at)),
            },
            created: 0,
            tags: Tags::new(),
        });
    }
    draft.put(VpcEndpoint {
        id: endpoint_id(n),
        vpc: id("vpc-", vpc),
        owner: owner(),
        service: "com.amazonaws.us-east-1.s3".into(),
        service_region: None,
        kind: EndpointKind::Interface {
            interfaces: vec![id("eni-", n * 2), id("eni-", n * 2 + 1)],
            subnets: vec![id("subnet-", vpc * 2), id("subnet-", vpc * 2 + 1)],
            groups: Vec::new(),
            dns_suffix: suffix(n),
            private_dns: false,
            inbound_only: false,
        },
        policy: DEFAULT_INTERFACE_POLICY.into(),
        number: u16::from(last),
        changed: Generation(1),
        created: 0,
        client_token: None,
        address_type: AddressType::Ipv4,
        dns_record: None,
        connection: None,
        tags: Tags::new(),
    });
}
