//! How many connections an endpoint has, over all its addresses: one that is flooded must not take what
//! the others need.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use adit_model::VpcEndpointId;
use tokio::sync::Semaphore;

use crate::connection::Via;

/// The free places of every endpoint that is listened for.
#[derive(Debug, Default)]
pub(crate) struct Crowd(Mutex<HashMap<VpcEndpointId, Weak<Semaphore>>>);

impl Crowd {
    /// The places that all listeners of a way share; none where only a listener's own count.
    pub(crate) fn places(&self, via: &Via, most: usize) -> Option<Arc<Semaphore>> {
        let Via::Endpoint(id) = via else {
            return None;
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = known.get(id).and_then(Weak::upgrade) {
            return Some(places);
        }
        known.retain(|_, places| places.strong_count() > 0);
        let places = Arc::new(Semaphore::new(most));
        known.insert(id.clone(), Arc::downgrade(&places));
        Some(places)
    }
}
