//! The Regions of an installation: their zones, and the virtual public addresses that each has.

use adit_model::{Region, Zone};
use ipnet::Ipv4Net;
use serde::Deserialize;

use super::{Config, ConfigError};

/// The virtual public addresses of Adit: 198.18.0.0/15 is set aside for testing networks
/// (RFC 2544), so it never shadows an address that somebody wants to reach.
const SERVICE_SPACE: [u8; 2] = [198, 18];
const INSTANCE_SPACE: [u8; 2] = [198, 19];
/// How many Regions fit into these spaces.
const MOST_REGIONS: usize = 32;

/// One Region.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionConfig {
    /// Its name.
    pub name: Region,
    /// Its zones by letter: `["a", "b", "c"]`.
    #[serde(default)]
    pub zones: Vec<String>,
    /// The virtual public blocks of S3.
    #[serde(default)]
    pub s3_prefixes: Vec<Ipv4Net>,
    /// The block from which instances get public addresses.
    pub public_addresses: Option<Ipv4Net>,
}

/// One Region with nothing left open.
#[derive(Debug, Clone)]
pub struct RegionPlan {
    /// Its name.
    pub name: Region,
    /// Its zones.
    pub zones: Vec<Zone>,
    /// The virtual public blocks of S3.
    pub s3_prefixes: Vec<Ipv4Net>,
    /// The virtual public block of DynamoDB.
    pub dynamodb: Ipv4Net,
    /// The block from which instances get public addresses.
    pub public_addresses: Ipv4Net,
}

impl Config {
    /// Every Region with its defaults filled in, and the default Region.
    pub fn regions(&self) -> Result<(Vec<RegionPlan>, Region), ConfigError> {
        let bad = |why: String| ConfigError::Inconsistent(why);
        let default = match (&self.default_region, self.region.first()) {
            (Some(name), _) => name.clone(),
            (None, Some(first)) => first.name.clone(),
            (None, None) => "us-east-1"
                .parse()
                .map_err(|e: adit_model::IdError| bad(e.to_string()))?,
        };
        let mut named = self.region.clone();
        if named.is_empty() {
            let (zones, s3_prefixes) = (Vec::new(), Vec::new());
            named.push(RegionConfig {
                name: default.clone(),
                zones,
                s3_prefixes,
                public_addresses: None,
            });
        }
        if named.len() > MOST_REGIONS {
            return Err(bad(format!(
                "{} Regions; the most is {MOST_REGIONS}",
                named.len()
            )));
        }
        let mut plans: Vec<RegionPlan> = Vec::new();
        for (index, region) in named.iter().enumerate() {
            if plans.iter().any(|p| p.name == region.name) {
                return Err(bad(format!("Region `{}` stands twice", region.name)));
            }
            plans.push(plan(index as u8, region)?);
        }
        check_apart(&plans)?;
        if !plans.iter().any(|p| p.name == default) {
            return Err(bad(format!(
                "default_region `{default}` is not among the Regions"
            )));
        }
        Ok((plans, default))
    }
}

fn plan(index: u8, region: &RegionConfig) -> Result<RegionPlan, ConfigError> {
    let bad = |why: String| ConfigError::Inconsistent(why);
    let letters = match region.zones.is_empty() {
        true => vec!["a".to_string(), "b".into(), "c".into()],
        false => region.zones.clone(),
    };
    let mut zones = Vec::new();
    for letter in letters {
        let zone: Zone = format!("{}{letter}", region.name).parse().map_err(|_| {
            bad(format!(
                "zone `{letter}` of Region `{}` is not a letter",
                region.name
            ))
        })?;
        if zones.contains(&zone) {
            return Err(bad(format!(
                "zone `{letter}` of Region `{}` stands twice",
                region.name
            )));
        }
        zones.push(zone);
    }
    // Eight /24 each: six for S3 in two blocks of different size, as AWS's lists have, and one for
    // DynamoDB.
    let block = |space: [u8; 2], third: u8, length: u8| {
        let base = std::net::Ipv4Addr::new(space[0], space[1], index * 8 + third, 0);
        Ipv4Net::new(base, length).map_err(|e| bad(e.to_string()))
    };
    let s3_prefixes = match region.s3_prefixes.is_empty() {
        true => vec![block(SERVICE_SPACE, 0, 22)?, block(SERVICE_SPACE, 4, 23)?],
        false => region.s3_prefixes.iter().map(Ipv4Net::trunc).collect(),
    };
    let public_addresses = match region.public_addresses {
        Some(block) => block.trunc(),
        None => block(INSTANCE_SPACE, 0, 21)?,
    };
    Ok(RegionPlan {
        name: region.name.clone(),
        zones,
        s3_prefixes,
        dynamodb: block(SERVICE_SPACE, 6, 24)?,
        public_addresses,
    })
}

/// No two blocks may share an address: the address says the Region.
fn check_apart(plans: &[RegionPlan]) -> Result<(), ConfigError> {
    let blocks: Vec<(&Region, Ipv4Net)> = plans
        .iter()
        .flat_map(|p| {
            p.s3_prefixes
                .iter()
                .chain([&p.public_addresses, &p.dynamodb])
                .map(move |b| (&p.name, *b))
        })
        .collect();
    for (i, (region, block)) in blocks.iter().enumerate() {
        for (other, with) in blocks.iter().skip(i + 1) {
            if adit_model::net::overlaps(*block, *with) {
                return Err(ConfigError::Inconsistent(format!(
                    "block {block} of Region `{region}` overlaps {with} of Region `{other}`"
                )));
            }
        }
    }
    Ok(())
}
