//! The draft of the next intent, inside one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Generation, Intent, Kind, Resource, Touched, body};
use crate::id::VpcId;

/// One changed row: what the store must write (`None`: delete it).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The kind of the resource.
    pub kind: Kind,
    /// Its key.
    pub key: String,
    /// Its new body.
    pub body: Option<String>,
}

/// A private intent that is being changed inside one transaction.
///
/// Dropping a draft leaves no mark. Reads through a draft see its own changes.
#[derive(Debug)]
pub struct Draft {
    intent: Intent,
    changes: BTreeMap<(Kind, String), Option<String>>,
    touched: Vec<Touched>,
}

impl std::ops::Deref for Draft {
    type Target = Intent;
    fn deref(&self) -> &Intent {
        &self.intent
    }
}

impl Draft {
    /// A draft of the generation after `base`.
    pub fn new(base: &Intent) -> Draft {
        let mut intent = base.clone();
        intent.generation = Generation(base.generation.0 + 1);
        Draft {
            intent,
            changes: BTreeMap::new(),
            touched: Vec::new(),
        }
    }

    /// Adds a resource or replaces the one with the same key.
    pub fn put<R: Resource>(&mut self, resource: R) -> Arc<R> {
        let resource = Arc::new(resource);
        let key = resource.key();
        let old = R::table(&self.intent).get(&key).cloned();
        if let Some(old) = &old {
            self.touch(&key, &**old);
        }
        self.touch(&key, &*resource);
        self.changes
            .insert((R::KIND, key.clone()), Some(body(&*resource)));
        self.intent.insert(key, old.as_ref(), resource.clone());
        resource
    }

    /// Removes a resource; `None` when there was none.
    pub fn remove<R: Resource>(&mut self, key: impl AsRef<str>) -> Option<Arc<R>> {
        let old = R::table(&self.intent).get(key.as_ref()).cloned()?;
        self.touch(key.as_ref(), &*old);
        self.intent.forget(&old);
        self.changes
            .insert((R::KIND, key.as_ref().to_string()), None);
        Some(old)
    }

    /// Changes a resource in place; `None` when there is none.
    pub fn edit<R: Resource + Clone>(
        &mut self,
        key: impl AsRef<str>,
        change: impl FnOnce(&mut R),
    ) -> Option<Arc<R>> {
        let mut resource = R::clone(&**R::table(&self.intent).get(key.as_ref())?);
        change(&mut resource);
        Some(self.put(resource))
    }

    /// Whether anything changed.
    pub fn is_unchanged(&self) -> bool {
        self.changes.is_empty()
    }

    /// The new intent, and what to write to make it durable.
    pub fn finish(mut self) -> (Intent, Vec<Change>) {
        let changes = self
            .changes
            .into_iter()
            .map(|((kind, key), body)| Change { kind, key, body })
            .collect();
        // One resource may have been touched several times.
        self.touched.sort_unstable();
        self.touched.dedup();
        let intent = &mut self.intent;
        intent.recent.push(intent.generation, self.touched.into());
        (self.intent, changes)
    }

    fn touch<R: Resource>(&mut self, key: &str, resource: &R) {
        let of = |vpc: Option<&VpcId>| Touched {
            kind: R::KIND,
            key: key.to_string(),
            vpc: vpc.cloned(),
        };
        self.touched.push(of(resource.vpc()));
        if let Some(other) = resource.other_vpc() {
            self.touched.push(of(Some(other)));
        }
    }
}
