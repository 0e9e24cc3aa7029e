//! What an installation starts with: not an operation, since nobody is there yet to call one.

use std::sync::Arc;

use adit_model::*;
use ipnet::{IpNet, Ipv4Net};

use crate::context::Home;
use crate::ec2::{default_vpc, dhcp_options, network_acl};
use crate::ids::Ids;
use crate::refusal::Refusal;

/// What a new installation is to have.
#[derive(Debug)]
pub struct Bootstrap {
    /// Its first account.
    pub account: AccountId,
    /// The access key of the account's root user.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: Secret,
    /// Its Regions.
    pub regions: Vec<RegionStart>,
    /// Which of them answers when a caller names none.
    pub default_region: Region,
    /// Whether the account has a default VPC in every Region.
    pub default_vpc: bool,
    /// The clock.
    pub now: Millis,
    /// Where ids come from.
    pub ids: Ids,
}

/// A Region of a new installation.
#[derive(Debug, Clone)]
pub struct RegionStart {
    /// Its name.
    pub name: Region,
    /// Its zones, in order.
    pub zones: Vec<Zone>,
    /// The public addresses of S3: the entries of its prefix list.
    pub s3_prefixes: Vec<Ipv4Net>,
    /// The public addresses of DynamoDB: the entries of its prefix list. Without any there is no
    /// DynamoDB.
    pub dynamodb_prefixes: Vec<Ipv4Net>,
    /// Public addresses that instances can have.
    pub public_addresses: Ipv4Net,
}

/// Why an installation cannot start as it was told to.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The state has an installation.
    #[error("the state already has an installation, `{0}`")]
    NotEmpty(String),
    /// The default Region is none of the Regions.
    #[error("the default Region `{0}` is not among the Regions")]
    NoDefaultRegion(Region),
    /// A zone is listed under another Region's name.
    #[error("availability zone `{zone}` does not belong to Region `{region}`")]
    ForeignZone {
        /// The zone.
        zone: Zone,
        /// The Region under which it is listed.
        region: Region,
    },
    /// S3 of a Region has no address, so that nothing could lead there.
    #[error("Region `{0}` has no public address of S3")]
    NoPrefix(Region),
    /// A default VPC could not be made.
    #[error("cannot make the default VPC of Region `{region}`: {why}")]
    DefaultVpc {
        /// The Region.
        region: Region,
        /// What was wrong.
        why: String,
    },
}

/// Writes an installation with its Regions, its first account and that account's root key.
pub fn first_start(draft: &mut Draft, wish: &Bootstrap) -> Result<(), BootstrapError> {
    if let Some(there) = draft.installation() {
        return Err(BootstrapError::NotEmpty(there.id.clone()));
    }
    if !wish
        .regions
        .iter()
        .any(|region| region.name == wish.default_region)
    {
        return Err(BootstrapError::NoDefaultRegion(wish.default_region.clone()));
    }
    let mut ids = wish.ids.clone();
    draft.put(Installation {
        // Part of namespace names, and so short.
        id: ids.text("abcdefghijklmnopqrstuvwxyz0123456789", 8),
        default_region: wish.default_region.clone(),
        quotas: Default::default(),
    });
    put_sealing_key(draft, &mut ids);
    put_regions(draft, &wish.regions)?;
    draft.put(Account {
        id: wish.account.clone(),
        canonical_id: ids.canonical(),
        name: "main".to_string(),
        created: wish.now,
    });
    draft.put(AccessKey {
        id: wish.access_key_id.clone(),
        secret: wish.secret_access_key.clone(),
        account: wish.account.clone(),
        owner: KeyOwner::Root,
        active: true,
        created: wish.now,
    });
    for region in wish.regions.iter().filter(|_| wish.default_vpc) {
        let mut home = Home {
            account: wish.account.clone(),
            region: region.name.clone(),
            ids: &mut ids,
        };
        default_vpc::make(draft, &mut home).map_err(|Refusal { message: why, .. }| {
            BootstrapError::DefaultVpc {
                region: region.name.clone(),
                why,
            }
        })?;
    }
    Ok(())
}

/// Gives a state that an older version made what every state has by now. A state that has everything is
/// not touched.
pub fn complete(draft: &mut Draft, ids: &mut Ids, regions: &[RegionStart]) {
    put_sealing_key(draft, ids);
    complete_vpcs(draft, ids);
    complete_services(draft, regions);
}

/// Gives an installation what it seals session tokens and encoded messages with, if it has nothing
/// yet. Who has the state has it, and no one else.
fn put_sealing_key(draft: &mut Draft, ids: &mut Ids) {
    if draft.get::<SealingKey>(SealingKey::ID).is_none() {
        draft.put(SealingKey {
            id: SealingKey::ID.to_string(),
            // 64 hexadecimal digits: 256 bits.
            secret: Secret::new(ids.canonical()),
        });
    }
}

/// Gives VPCs of older states what every VPC has by now: a default network ACL that its subnets are
/// in, and the set of DHCP options that it names. A state that has everything is not touched.
fn complete_vpcs(draft: &mut Draft, ids: &mut Ids) {
    let vpcs: Vec<Arc<Vpc>> = draft.vpcs.values().cloned().collect();
    for vpc in vpcs {
        let mut home = Home {
            account: vpc.owner.clone(),
            region: vpc.region.clone(),
            ids: &mut *ids,
        };
        let default = dhcp_options::default_of(draft, &home);
        let there = draft.get::<DhcpOptions>(&vpc.dhcp_options).is_some();
        if !there && !vpc.dhcp_options.is_none() && vpc.dhcp_options != default {
            draft.edit::<Vpc>(&vpc.id, |vpc| vpc.dhcp_options = default);
        }
        if draft.in_vpc::<NetworkAcl>(&vpc.id).next().is_none() {
            network_acl::make_default(draft, &mut home, &vpc.id);
        }
        let subnets: Vec<Arc<Subnet>> = draft.in_vpc::<Subnet>(&vpc.id).cloned().collect();
        for subnet in subnets {
            if draft.network_acl_of(&subnet).is_none() {
                network_acl::join(draft, &mut *ids, &subnet);
            }
        }
    }
}

/// Gives Regions the lists of services that came after them. Blocks that something has already, since an
/// operator chose them, are not given a second meaning.
fn complete_services(draft: &mut Draft, regions: &[RegionStart]) {
    for wish in regions {
        if draft.get::<RegionInfo>(&wish.name).is_none() {
            continue;
        }
        for (service, blocks) in [
            ("s3", &wish.s3_prefixes),
            ("dynamodb", &wish.dynamodb_prefixes),
        ] {
            let name = format!("com.amazonaws.{}.{service}", wish.name);
            let there = draft.prefix_lists.values().any(|list| list.name == name);
            let free = blocks.iter().all(|block| is_free(draft, *block));
            if !there && free && !blocks.is_empty() {
                put_prefixes(draft, &wish.name, service, blocks);
            }
        }
    }
}

/// Whether no service and no Region has an address of a block.
fn is_free(intent: &Intent, block: Ipv4Net) -> bool {
    let lists = intent.prefix_lists.values();
    let services = lists.filter(|list| list.owner.is_none());
    let mut taken = services
        .flat_map(|list| list.ipv4())
        .chain(intent.regions.values().map(|r| r.public_addresses));
    !taken.any(|there| net::overlaps(there, block))
}

/// Adds Regions, or changes those there are to what is wished; what is as wished already stays
/// untouched, so that a restart writes nothing. Regions that are not named stay as they are.
pub fn put_regions(draft: &mut Draft, regions: &[RegionStart]) -> Result<(), BootstrapError> {
    for wish in regions {
        if let Some(zone) = wish.zones.iter().find(|zone| zone.region() != wish.name) {
            let (zone, region) = (zone.clone(), wish.name.clone());
            return Err(BootstrapError::ForeignZone { zone, region });
        }
        if wish.s3_prefixes.is_empty() {
            return Err(BootstrapError::NoPrefix(wish.name.clone()));
        }
        let region = RegionInfo {
            name: wish.name.clone(),
            zones: wish.zones.clone(),
            public_addresses: wish.public_addresses,
        };
        let as_wished = draft.get::<RegionInfo>(&wish.name).is_some_and(|there| {
            there.zones == region.zones && there.public_addresses == region.public_addresses
        });
        if !as_wished {
            draft.put(region);
        }
        put_prefixes(draft, &wish.name, "s3", &wish.s3_prefixes);
        if !wish.dynamodb_prefixes.is_empty() {
            put_prefixes(draft, &wish.name, "dynamodb", &wish.dynamodb_prefixes);
        }
    }
    Ok(())
}

fn put_prefixes(draft: &mut Draft, region: &Region, service: &str, blocks: &[Ipv4Net]) {
    let name = format!("com.amazonaws.{region}.{service}");
    let Some(id) = list_id(&name) else {
        return;
    };
    let there = draft.get::<PrefixList>(&id);
    if there.is_some_and(|list| list.ipv4().eq(blocks.iter().copied())) {
        return;
    }
    let entries = blocks.iter().copied().map(IpNet::V4).collect();
    draft.put(PrefixList::of_service(id, name, region.clone(), entries));
}

/// The id of a service's prefix list: AWS's own where it is known, else one that follows from its
/// name. Lists of services have the old form with eight digits [ec2-api §3].
fn list_id(name: &str) -> Option<PrefixListId> {
    let known = match name {
        "com.amazonaws.us-east-1.s3" => "pl-63a5400a".to_string(),
        "com.amazonaws.us-west-2.s3" => "pl-68a54001".to_string(),
        "com.amazonaws.us-east-1.dynamodb" => "pl-02cd2c6b".to_string(),
        "com.amazonaws.us-west-2.dynamodb" => "pl-00a54069".to_string(),
        other => {
            let what = format!("prefix list {other}");
            let digest = ring::digest::digest(&ring::digest::SHA256, what.as_bytes());
            let digits: String = digest
                .as_ref()
                .iter()
                .take(4)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            format!("pl-{digits}")
        }
    };
    known.parse().ok()
}
