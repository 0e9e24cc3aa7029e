//! The first state of an installation: its account, root key and Regions.

use adit_api::Ids;
use adit_api::bootstrap::{self, Bootstrap};
use adit_model::{AccountId, Draft};
use adit_store::{Author, Store};

use super::{UpError, UpOptions, now_millis};
use crate::config::{Config, RegionPlan};
use crate::planes::net::chain;

/// What a first start, and a reset, writes.
#[derive(Clone)]
pub struct FirstState {
    account: AccountId,
    root_key: (String, String),
    regions: Vec<RegionPlan>,
    default_region: adit_model::Region,
    default_vpc: bool,
}

impl FirstState {
    pub(super) fn of(options: &UpOptions, config: &Config) -> Result<FirstState, UpError> {
        let mut ids = Ids::random();
        let account = match &options.account {
            Some(text) => text.parse().map_err(|_| {
                UpError::Option(format!(
                    "--account `{text}` is not an account id: twelve digits"
                ))
            })?,
            None => {
                let digits = ids.digits() % 900_000_000_000 + 100_000_000_000;
                format!("{digits:012}")
                    .parse()
                    .map_err(|_| UpError::Option("account".into()))?
            }
        };
        if let Some((id, secret)) = &options.root_key {
            let word = |t: &str| {
                t.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"+/=_-".contains(&b))
            };
            if !(16..=128).contains(&id.len()) || !word(id) {
                return Err(UpError::Option(
                    "ADIT_ROOT_ACCESS_KEY_ID must have 16 to 128 letters and digits".into(),
                ));
            }
            if !(8..=256).contains(&secret.len()) || !word(secret) {
                return Err(UpError::Option(
                    "ADIT_ROOT_SECRET_ACCESS_KEY must have 8 to 256 letters, digits and +/=".into(),
                ));
            }
        }
        let root_key = options
            .root_key
            .clone()
            .unwrap_or_else(|| (ids.unique("AKIA"), ids.secret()));
        let (regions, default_region) = config.regions()?;
        Ok(FirstState {
            account,
            root_key,
            regions,
            default_region,
            default_vpc: options.default_vpc,
        })
    }

    /// Makes the first state, if no other node was faster.
    pub(super) async fn begin(&self, store: &Store) -> Result<(), UpError> {
        self.write(store, false).await
    }

    /// Makes the first state again: everything else goes.
    pub async fn reset(&self, store: &Store) -> Result<(), UpError> {
        self.write(store, true).await
    }

    async fn write(&self, store: &Store, again: bool) -> Result<(), UpError> {
        let author = Author {
            who: "adit",
            operation: "adit:FirstStart",
        };
        let written = store
            .write(author, |draft| {
                if !again && draft.installation().is_some() {
                    return Ok(());
                }
                draft.clear();
                bootstrap::first_start(draft, &self.bootstrap())
            })
            .await;
        written.map(|_| ()).map_err(|e| UpError::Open {
            what: "the first state",
            why: chain(&e),
        })
    }

    /// Gives a state that an older version made what every state has by now.
    pub(super) async fn complete(&self, store: &Store) -> Result<(), UpError> {
        let regions: Vec<_> = self.regions.iter().map(region).collect();
        let complete = |draft: &mut Draft| bootstrap::complete(draft, &mut Ids::random(), &regions);
        let mut trial = Draft::new(&store.intent());
        complete(&mut trial);
        if trial.is_unchanged() {
            return Ok(());
        }
        let author = Author {
            who: "adit",
            operation: "adit:Complete",
        };
        // Another node may have done it meanwhile; then this writes nothing.
        let done = store.write(author, |draft| {
            complete(draft);
            Ok::<_, std::convert::Infallible>(())
        });
        done.await.map(|_| ()).map_err(|e| UpError::Open {
            what: "what an older version left",
            why: chain(&e),
        })
    }

    fn bootstrap(&self) -> Bootstrap {
        Bootstrap {
            account: self.account.clone(),
            access_key_id: self.root_key.0.clone(),
            secret_access_key: adit_model::Secret::new(self.root_key.1.clone()),
            regions: self.regions.iter().map(region).collect(),
            default_region: self.default_region.clone(),
            default_vpc: self.default_vpc,
            now: now_millis(),
            ids: Ids::random(),
        }
    }
}

fn region(plan: &RegionPlan) -> bootstrap::RegionStart {
    bootstrap::RegionStart {
        name: plan.name.clone(),
        zones: plan.zones.clone(),
        s3_prefixes: plan.s3_prefixes.clone(),
        dynamodb_prefixes: vec![plan.dynamodb],
        public_addresses: plan.public_addresses,
    }
}
