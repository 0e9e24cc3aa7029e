//! Writes down when access keys were last used.

use std::sync::Arc;
use std::time::Duration;

use adit_gateway::Gateway;
use adit_model::{AccessKey, Draft, KeyUse, Millis};
use adit_plane::uses::Uses;
use adit_store::{Author, Store};

/// How often what was noted is looked at.
const PERIOD: Duration = Duration::from_secs(60);
/// How old what is written down must be before it is worth a transaction, in milliseconds.
const STALE: Millis = 15 * 60 * 1000;

/// Follows the uses that the API address and the front door note, until the process ends.
pub(crate) async fn run(store: Arc<Store>, gateway: Gateway, control: Arc<Uses>) {
    loop {
        tokio::time::sleep(PERIOD).await;
        let mut noted = gateway.uses().take();
        noted.extend(control.take());
        write(&store, noted).await;
    }
}

/// Writes those that are news, in one transaction; none, if none are.
async fn write(store: &Store, noted: Vec<KeyUse>) {
    let intent = store.intent();
    let is_news = |used: &KeyUse| {
        let written = intent.get::<KeyUse>(&used.key);
        written.is_none_or(|written| used.at.saturating_sub(written.at) >= STALE)
    };
    let news: Vec<KeyUse> = noted.into_iter().filter(is_news).collect();
    if news.is_empty() {
        return;
    }
    let author = Author {
        who: "adit",
        operation: "adit:NoteKeyUse",
    };
    let written = store.write(author, |draft: &mut Draft| {
        for used in &news {
            // The key may have been deleted since, or used in two places.
            let newer = draft
                .get::<KeyUse>(&used.key)
                .is_some_and(|there| there.at >= used.at);
            if draft.get::<AccessKey>(&used.key).is_some() && !newer {
                draft.put(used.clone());
            }
        }
        Ok::<_, std::convert::Infallible>(())
    });
    if let Err(error) = written.await {
        tracing::warn!(%error, "could not write down when access keys were used");
    }
}

#[cfg(test)]
mod tests {
    use adit_model::{KeyOwner, Secret};

    use super::*;

    #[tokio::test]
    async fn a_use_is_written_once_in_a_quarter_of_an_hour() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let author = Author {
            who: "test",
            operation: "test",
        };
        let made = store.write(author, |draft| {
            draft.put(AccessKey {
                id: "A".into(),
                secret: Secret::new("s"),
                account: "123456789012".parse().unwrap(),
                owner: KeyOwner::Root,
                active: true,
                created: 0,
            });
            Ok::<_, std::convert::Infallible>(())
        });
        made.await.unwrap();
        let used = |key: &str, at: Millis| KeyUse {
            key: key.into(),
            at,
            service: "s3".into(),
            region: "us-east-1".into(),
        };
        let at = || store.intent().get::<KeyUse>("A").map(|used| used.at);
        write(&store, vec![used("A", 1_000), used("gone", 1_000)]).await;
        assert_eq!(at(), Some(1_000));
        assert_eq!(store.intent().key_uses.size(), 1);
        let before = store.intent().generation;
        write(&store, vec![used("A", 2_000)]).await;
        assert_eq!(
            store.intent().generation,
            before,
            "nothing worth a transaction"
        );
        write(
            &store,
            vec![used("A", 1_000 + STALE), used("A", 500 + STALE)],
        )
        .await;
        assert_eq!(at(), Some(1_000 + STALE));
    }
}
