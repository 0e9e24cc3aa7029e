//! Address arithmetic that the API, the builder and the planes share.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// The `n`-th address of a block, if the block has one.
pub fn nth(net: Ipv4Net, n: u32) -> Option<Ipv4Addr> {
    let size = 1u64 << (32 - net.prefix_len());
    (u64::from(n) < size).then(|| Ipv4Addr::from(u32::from(net.network()).wrapping_add(n)))
}

/// Whether two blocks share an address.
pub fn overlaps(a: Ipv4Net, b: Ipv4Net) -> bool {
    a.contains(&b) || b.contains(&a)
}

/// Addresses of a subnet that no interface may have: network, router, DNS, reserved, broadcast
/// [ec2-api §16].
pub fn is_reserved(subnet: Ipv4Net, address: Ipv4Addr) -> bool {
    let offset = u32::from(address).wrapping_sub(u32::from(subnet.network()));
    offset < 4 || address == subnet.broadcast()
}

/// How many addresses of a subnet interfaces may have.
pub fn usable(subnet: Ipv4Net) -> u32 {
    (1u64 << (32 - subnet.prefix_len())).saturating_sub(5) as u32
}

/// The lowest address of `subnet` that is neither reserved nor `taken`.
pub fn first_free(subnet: Ipv4Net, taken: impl Fn(Ipv4Addr) -> bool) -> Option<Ipv4Addr> {
    // AWS spreads addresses; the lowest free one makes demonstrations readable. Ten is left to the
    // first interface so that hand-picked low addresses rarely collide.
    let size = 1u64 << (32 - subnet.prefix_len());
    let offsets = (10..size as u32).chain(4..10.min(size as u32));
    offsets
        .filter_map(|n| nth(subnet, n))
        .find(|a| !is_reserved(subnet, *a) && !taken(*a))
}

/// Where a subnet's router answers: its base plus one.
pub fn router(subnet: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(subnet.network()).wrapping_add(1))
}

/// Where a VPC's resolver answers: the base of its primary block plus two.
pub fn resolver(vpc: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(vpc.network()).wrapping_add(2))
}

/// The link-local address at which every VPC's resolver answers too.
pub const RESOLVER_LINK_LOCAL: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 253);

/// Where the resolver of a VPC with an IPv6 block answers over IPv6, as AWS's for Nitro instances.
pub const RESOLVER_IPV6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253);

/// Where the IPv6 blocks of VPCs come from: a unique local range of the installation's own, so
/// that no address of it can be mistaken for one of the public internet (RFC 4193).
pub const IPV6_POOL: Ipv6Net =
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xad17, 0, 0, 0, 0, 0, 0), 32);

/// How long the prefix of a VPC's IPv6 block is.
pub const IPV6_VPC_PREFIX: u8 = 56;

/// Where the public addresses of services are over IPv6: each has the IPv4 address that it goes
/// with as its last four bytes, so that both say the same Region.
pub const IPV6_PUBLIC: Ipv6Net =
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xad18, 0, 0, 0, 0, 0, 0), 96);

/// The public IPv6 address that goes with a service's public IPv4 address.
pub fn public_ipv6(address: Ipv4Addr) -> Ipv6Addr {
    let base = u128::from(IPV6_PUBLIC.network());
    Ipv6Addr::from(base | u128::from(u32::from(address)))
}

/// The public IPv6 block that goes with a service's public IPv4 block.
pub fn public_ipv6_block(block: Ipv4Net) -> Ipv6Net {
    let network = public_ipv6(block.network());
    Ipv6Net::new(network, 96 + block.prefix_len()).unwrap_or_else(|_| Ipv6Net::from(network))
}

/// The public IPv4 address that goes with a public IPv6 address; `None` when it is none of a service.
pub fn public_ipv4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., a, b, c, d] = address.octets();
    let address = IPV6_PUBLIC.contains(&address).then_some([a, b, c, d]);
    address.map(Ipv4Addr::from)
}

/// Where a subnet's router answers over IPv6: its base plus one.
pub fn router_ipv6(subnet: Ipv6Net) -> Ipv6Addr {
    Ipv6Addr::from(u128::from(subnet.network()).wrapping_add(1))
}

/// The `n`-th block with a prefix of `length` inside a block; `None` when there are fewer.
pub fn nth_ipv6_block(pool: Ipv6Net, length: u8, n: u128) -> Option<Ipv6Net> {
    let spare = length.checked_sub(pool.prefix_len())?;
    let shift = 128u8.checked_sub(length)?;
    if spare < 128 && n >> spare != 0 {
        return None;
    }
    let offset = n.checked_shl(u32::from(shift)).unwrap_or(0);
    let base = u128::from(pool.network());
    Ipv6Net::new(Ipv6Addr::from(base | offset), length).ok()
}

/// Whether two blocks share an address.
pub fn overlaps_ipv6(a: Ipv6Net, b: Ipv6Net) -> bool {
    a.contains(&b) || b.contains(&a)
}

/// Addresses of a subnet that no interface may have: the first four and the last.
pub fn is_reserved_ipv6(subnet: Ipv6Net, address: Ipv6Addr) -> bool {
    let offset = u128::from(address).wrapping_sub(u128::from(subnet.network()));
    offset < 4 || address == subnet.broadcast()
}

/// The lowest address of a subnet's IPv6 block that is neither reserved nor `taken`; looks at no more
/// addresses than are taken and a few.
pub fn first_free_ipv6(subnet: Ipv6Net, taken: impl Fn(Ipv6Addr) -> bool) -> Option<Ipv6Addr> {
    // Ten is left to the first interface, as with IPv4.
    let size = 1u128.checked_shl(u32::from(128 - subnet.prefix_len()))?;
    let base = u128::from(subnet.network());
    let all = (10..size).map(|n| Ipv6Addr::from(base | n));
    let mut free = all.filter(|address| !is_reserved_ipv6(subnet, *address) && !taken(*address));
    free.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_go_in_pairs() {
        let v4: Ipv4Addr = "198.18.0.10".parse().unwrap();
        assert_eq!(public_ipv6(v4).to_string(), "fd00:ad18::c612:a");
        assert_eq!(public_ipv4(public_ipv6(v4)), Some(v4));
        assert_eq!(public_ipv4("fd00:ad17::c612:a".parse().unwrap()), None);
        let block = public_ipv6_block("198.18.4.0/23".parse().unwrap());
        assert_eq!(block.to_string(), "fd00:ad18::c612:400/119");
        assert!(!overlaps_ipv6(IPV6_POOL, IPV6_PUBLIC));
    }

    #[test]
    fn free_ipv6_addresses_are_found_in_order() {
        let net: Ipv6Net = "fd00:ad17:0:1::/64".parse().unwrap();
        let first = first_free_ipv6(net, |_| false).unwrap();
        assert_eq!(first.to_string(), "fd00:ad17:0:1::a");
        let next = first_free_ipv6(net, |address| address == first).unwrap();
        assert_eq!(next.to_string(), "fd00:ad17:0:1::b");
        let small: Ipv6Net = "fd00::/124".parse().unwrap();
        let mut taken = std::collections::BTreeSet::new();
        while let Some(address) = first_free_ipv6(small, |a| taken.contains(&a)) {
            taken.insert(address);
        }
        assert_eq!(taken.len(), 5, "from ten to fourteen");
    }

    #[test]
    fn a_slash_24_has_251_usable_addresses() {
        let net: Ipv4Net = "10.0.1.0/24".parse().unwrap();
        assert_eq!(usable(net), 251);
        let free = (0..256)
            .filter_map(|n| nth(net, n))
            .filter(|a| !is_reserved(net, *a))
            .count();
        assert_eq!(free, 251);
    }

    #[test]
    fn first_free_uses_every_address_and_then_none() {
        let net: Ipv4Net = "10.0.1.0/28".parse().unwrap();
        let mut taken = std::collections::BTreeSet::new();
        while let Some(address) = first_free(net, |a| taken.contains(&a)) {
            assert!(net.contains(&address) && !is_reserved(net, address));
            assert!(taken.insert(address));
        }
        assert_eq!(taken.len(), 11);
    }

    #[test]
    fn ipv6_blocks_of_a_pool_are_distinct_and_inside() {
        let first = nth_ipv6_block(IPV6_POOL, IPV6_VPC_PREFIX, 0).unwrap();
        assert_eq!(first.to_string(), "fd00:ad17::/56");
        let last = nth_ipv6_block(IPV6_POOL, IPV6_VPC_PREFIX, (1 << 24) - 1).unwrap();
        assert_eq!(last.to_string(), "fd00:ad17:ffff:ff00::/56");
        assert!(IPV6_POOL.contains(&last) && !overlaps_ipv6(first, last));
        assert_eq!(nth_ipv6_block(IPV6_POOL, IPV6_VPC_PREFIX, 1 << 24), None);
        assert_eq!(nth_ipv6_block(IPV6_POOL, 31, 0), None);
    }
}
