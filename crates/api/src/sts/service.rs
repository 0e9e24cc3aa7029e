//! Sessions of roles that let a service of Adit's own act for them.

use adit_model::*;
use adit_snapshot::session::{self, Claims, SessionOf};

use super::temporary_id;
use crate::authorise::nonce;
use crate::ids::Ids;

/// Credentials with which a service of Adit's acts with the rights of a role that trusts it.
#[derive(Debug)]
pub struct ServiceSession {
    /// The access key id.
    pub access_key_id: String,
    /// Its secret and the session token.
    pub issued: session::Issued,
}

impl ServiceSession {
    /// A session of the role until `expires`; none while the installation has no sealing key.
    pub fn new(
        intent: &Intent,
        role: &Role,
        name: &str,
        issued: Millis,
        expires: Millis,
    ) -> Option<ServiceSession> {
        let claims = Claims {
            account: role.account.clone(),
            of: SessionOf::Role {
                name: role.name.clone(),
                id: role.unique_id.clone(),
                session: name.to_string(),
            },
            issued,
            expires,
            policy: None,
            policy_arns: Vec::new(),
            tags: Tags::new(),
            transitive: Vec::new(),
            source_identity: None,
        };
        let mut ids = Ids::random();
        let id = temporary_id(&role.account, ids.digits());
        let issued = session::issue(intent, &id, &claims, nonce(&mut ids))?;
        Some(ServiceSession {
            access_key_id: id,
            issued,
        })
    }
}
