//! What an installation starts with.

use adit_api::Ids;
use adit_api::bootstrap::{self, BootstrapError, put_regions};
use adit_model::{Draft, Intent, KeyOwner, NetworkAcl, PrefixList, RegionInfo, SealingKey};
use adit_wire::map;

use crate::world::*;

#[test]
fn a_first_start_is_complete_and_repeatable() {
    let started = |default_vpc| {
        let mut draft = Draft::new(&Intent::default());
        bootstrap::first_start(&mut draft, &first(default_vpc)).unwrap();
        draft.finish().0
    };
    let intent = started(false);
    assert_eq!(
        intent.installation().unwrap().default_region.as_str(),
        "us-east-1"
    );
    let list = intent.get::<PrefixList>("pl-63a5400a").unwrap();
    assert_eq!((list.name.as_str(), list.entries.len()), (S3, 2));
    assert_eq!(
        (
            intent.regions.size(),
            intent.prefix_lists.size(),
            intent.vpcs.size()
        ),
        (2, 2, 0)
    );
    let key = intent.access_keys.get(ROOT).unwrap();
    assert_eq!(
        (key.owner.clone(), key.secret.expose()),
        (KeyOwner::Root, "root secret")
    );
    assert_eq!(intent.accounts.get(ACCOUNT).unwrap().canonical_id.len(), 64);
    assert_eq!(
        started(true).dump(),
        started(true).dump(),
        "the same ids give the same state"
    );
    let other = intent
        .prefix_lists
        .values()
        .find(|list| list.name.contains("eu-west-1"))
        .unwrap();
    assert_eq!(other.id.digits().len(), 8);
}

#[test]
fn every_region_can_have_a_default_vpc() {
    let world = World::starting(&first(true));
    for (region, subnets) in [("us-east-1", 3), ("eu-west-1", 2)] {
        world.go_to(region);
        let vpcs = world.ec2("DescribeVpcs", map! {});
        assert_eq!(text(one(&vpcs, "Vpcs"), "CidrBlock"), "172.31.0.0/16");
        assert_eq!(one(&vpcs, "Vpcs").get("IsDefault").bool(), Some(true));
        assert_eq!(
            world
                .ec2("DescribeSubnets", map! {})
                .get("Subnets")
                .list()
                .len(),
            subnets
        );
    }
}

#[test]
fn what_cannot_start_says_why() {
    let fresh = || Draft::new(&Intent::default());
    let mut wish = first(false);
    wish.default_region = "ap-south-1".parse().unwrap();
    let error = bootstrap::first_start(&mut fresh(), &wish).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the default Region `ap-south-1` is not among the Regions"
    );
    let mut wish = first(false);
    wish.regions[0].zones.push("eu-west-1a".parse().unwrap());
    let error = bootstrap::first_start(&mut fresh(), &wish).unwrap_err();
    assert!(
        matches!(error, BootstrapError::ForeignZone { .. }),
        "{error}"
    );
    let mut wish = first(false);
    wish.regions[1].s3_prefixes.clear();
    let error = bootstrap::first_start(&mut fresh(), &wish).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Region `eu-west-1` has no public address of S3"
    );
    let mut draft = fresh();
    bootstrap::first_start(&mut draft, &first(false)).unwrap();
    let error = bootstrap::first_start(&mut draft, &first(false)).unwrap_err();
    assert!(matches!(error, BootstrapError::NotEmpty(_)), "{error}");
}

#[test]
fn regions_follow_their_configuration() {
    let mut draft = Draft::new(&Intent::default());
    bootstrap::first_start(&mut draft, &first(false)).unwrap();
    let intent = draft.finish().0;
    let mut draft = Draft::new(&intent);
    let mut regions = first(false).regions;
    put_regions(&mut draft, &regions).unwrap();
    assert!(draft.is_unchanged(), "a restart writes nothing");
    regions[1]
        .s3_prefixes
        .push("198.18.48.0/24".parse().unwrap());
    regions[0].zones.pop();
    put_regions(&mut draft, &regions).unwrap();
    assert_eq!(draft.get::<RegionInfo>("us-east-1").unwrap().zones.len(), 2);
    let list = draft
        .prefix_lists
        .values()
        .find(|list| list.name.contains("eu-west-1"))
        .unwrap();
    assert_eq!(list.entries.len(), 2);
}

#[test]
fn an_older_state_gets_what_it_lacks() {
    let mut wish = first(true);
    wish.regions[0].dynamodb_prefixes = vec!["198.18.6.0/24".parse().unwrap()];
    // In the other Region somebody has given the block to S3.
    wish.regions[1].dynamodb_prefixes = vec!["198.18.32.0/24".parse().unwrap()];
    let mut draft = Draft::new(&Intent::default());
    let mut as_before = first(true);
    as_before.regions[0].s3_prefixes = vec!["198.18.0.0/22".parse().unwrap()];
    bootstrap::first_start(&mut draft, &as_before).unwrap();
    let acls: Vec<_> = draft.network_acls.keys().cloned().collect();
    for acl in acls {
        draft.remove::<NetworkAcl>(acl);
    }
    draft.remove::<SealingKey>(SealingKey::ID);
    let lists = draft.prefix_lists.size();
    let intent = draft.finish().0;

    let mut draft = Draft::new(&intent);
    bootstrap::complete(&mut draft, &mut Ids::seeded(7), &wish.regions);
    let list = draft.get::<PrefixList>("pl-02cd2c6b").unwrap();
    assert_eq!(list.name, "com.amazonaws.us-east-1.dynamodb");
    assert_eq!(list.entries.len(), 1);
    assert_eq!(draft.prefix_lists.size(), lists + 1);
    assert_eq!(draft.network_acls.size(), draft.vpcs.size());
    assert!(draft.get::<SealingKey>(SealingKey::ID).is_some());

    let mut draft = Draft::new(&draft.finish().0);
    bootstrap::complete(&mut draft, &mut Ids::seeded(8), &wish.regions);
    assert!(draft.is_unchanged(), "a restart writes nothing");
}
