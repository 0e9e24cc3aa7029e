//! Temporary credentials: sessions of roles, users and federated users.
//!
//! A session is nowhere stored. Its token *is* it: what the session was given, sealed with the
//! installation's own key (AES-256-GCM) and bound to its access key id; its secret access key
//! follows from both. So issuing one costs no transaction and ten thousand of them no memory, a
//! token cannot be forged or moved to another key id, and every node of an installation can check
//! it. Only *who* is in a token, never what they may do: the role's or user's policies are looked up
//! at each use, so a changed policy is in force at once, and a deleted role (or another one made
//! under its name) ends its sessions. What a session lasts is in the token and checked at each use.
//!
//! What was checked is kept in a small cache of tokens that held; strangers cannot fill it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use adit_model::*;
use adit_policy::{Policy, PolicyKind, Principal};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::build::{PolicyState, Snapshot};
use crate::identity::{IdentityView, KeyView};

/// Most sessions whose checked form is kept.
const KEPT: usize = 1024;
/// Longest token that is looked at; those that are issued are shorter.
const LONGEST: usize = 16 << 10;
/// The first byte of a token: its form.
const FORM: u8 = 1;

/// What a session was given when it began. Sealed, this is its token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The account.
    pub account: AccountId,
    /// Whose session it is.
    pub of: SessionOf,
    /// When it was issued.
    pub issued: Millis,
    /// When it ends.
    pub expires: Millis,
    /// The session policy that was passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// ARNs of managed policies that were passed as session policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy_arns: Vec<String>,
    /// Session tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: Tags,
    /// Which of the tags go along when the session assumes another role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transitive: Vec<String>,
    /// `aws:SourceIdentity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<String>,
}

/// Whose session it is. Unique ids tell an identity from a later one of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionOf {
    /// The account's root user, by `GetSessionToken`.
    Root,
    /// A user, by `GetSessionToken`.
    User {
        /// Its name.
        name: String,
        /// Its unique id.
        id: String,
    },
    /// Whoever assumed a role.
    Role {
        /// The role's name.
        name: String,
        /// The role's unique id.
        id: String,
        /// The session's name.
        session: String,
    },
    /// A federated user, with the rights of the user who vouched for it.
    Federated {
        /// The vouching user's name and unique id; none: the root user.
        user: Option<(String, String)>,
        /// The federated user's name.
        name: String,
    },
}

/// What a session adds to an identity.
#[derive(Debug, Clone)]
pub struct Session {
    /// What it was given.
    pub claims: Arc<Claims>,
    /// Session policies, compiled; none: it is not limited.
    pub policies: Option<Vec<Arc<Policy>>>,
}

/// Fresh randomness for one sealing, never used twice.
pub type Nonced = [u8; NONCE_LEN];

/// Why credentials are nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// No such key, or an inactive one.
    #[error("no such access key")]
    Unknown,
    /// A token that is not this installation's, not this key's, or of somebody who is gone.
    #[error("the session token is not valid")]
    InvalidToken,
    /// A session that is over.
    #[error("the session has ended")]
    Expired,
}

/// What the installation seals with, per purpose.
struct Keys {
    token: LessSafeKey,
    message: LessSafeKey,
    secret: hmac::Key,
}

impl Keys {
    fn of(intent: &Intent) -> Option<Keys> {
        let key = intent.get::<SealingKey>(SealingKey::ID)?;
        let root = hmac::Key::new(hmac::HMAC_SHA256, key.secret.expose().as_bytes());
        let derive = |purpose: &str| hmac::sign(&root, purpose.as_bytes());
        let sealing = |purpose: &str| {
            let key = UnboundKey::new(&AES_256_GCM, derive(purpose).as_ref()).ok()?;
            Some(LessSafeKey::new(key))
        };
        Some(Keys {
            token: sealing("session token")?,
            message: sealing("authorization message")?,
            secret: hmac::Key::new(hmac::HMAC_SHA256, derive("session secret").as_ref()),
        })
    }

    /// Forty characters that follow from key id and nonce.
    fn secret(&self, id: &str, nonce: &[u8]) -> Secret {
        let mut context = hmac::Context::with_key(&self.secret);
        context.update(id.as_bytes());
        context.update(nonce);
        let mut text = STANDARD.encode(context.sign().as_ref());
        text.truncate(40);
        Secret::new(text)
    }
}

/// Form, nonce, ciphertext and tag, as base64.
fn seal(key: &LessSafeKey, bound_to: &str, text: &[u8], nonce: Nonced) -> Option<String> {
    let mut sealed = text.to_vec();
    let place = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(place, Aad::from(bound_to.as_bytes()), &mut sealed)
        .ok()?;
    let mut all = vec![FORM];
    all.extend_from_slice(&nonce);
    all.extend_from_slice(&sealed);
    Some(STANDARD.encode(all))
}

fn open(key: &LessSafeKey, bound_to: &str, text: &str) -> Option<(Nonced, Vec<u8>)> {
    if text.len() > LONGEST {
        return None;
    }
    let all = STANDARD.decode(text).ok()?;
    let (form, rest) = all.split_first()?;
    let nonce: Nonced = rest.get(..NONCE_LEN)?.try_into().ok()?;
    let mut sealed = rest.get(NONCE_LEN..)?.to_vec();
    if *form != FORM {
        return None;
    }
    let place = Nonce::assume_unique_for_key(nonce);
    let opened = key
        .open_in_place(place, Aad::from(bound_to.as_bytes()), &mut sealed)
        .ok()?;
    Some((nonce, opened.to_vec()))
}

/// Temporary credentials as they are handed out, once.
#[derive(Debug)]
pub struct Issued {
    /// The signing secret.
    pub secret: Secret,
    /// The session token.
    pub token: Secret,
}

/// Credentials for a session. `id` is a fresh access key id and `nonce` fresh randomness. `None` when
/// the installation has no sealing key.
pub fn issue(intent: &Intent, id: &str, claims: &Claims, nonce: Nonced) -> Option<Issued> {
    let keys = Keys::of(intent)?;
    let text = serde_json::to_vec(claims).ok()?;
    Some(Issued {
        token: Secret::new(seal(&keys.token, id, &text, nonce)?),
        secret: keys.secret(id, &nonce),
    })
}

/// Seals a message for callers of one account, to be opened by [`open_message`] of this installation
/// alone.
pub fn seal_message(
    intent: &Intent,
    account: &AccountId,
    text: &str,
    nonce: Nonced,
) -> Option<String> {
    let key = Keys::of(intent)?.message;
    seal(&key, account.as_str(), text.as_bytes(), nonce)
}

/// Opens what [`seal_message`] sealed for the account.
pub fn open_message(intent: &Intent, account: &AccountId, sealed: &str) -> Option<String> {
    let (_, text) = open(&Keys::of(intent)?.message, account.as_str(), sealed)?;
    String::from_utf8(text).ok()
}

impl Snapshot {
    /// The caller that a token speaks for, whatever the time.
    fn session(&self, id: &str, token: &str) -> Option<KeyView> {
        let keys = Keys::of(&self.intent)?;
        let (nonce, text) = open(&keys.token, id, token)?;
        let claims: Claims = serde_json::from_slice(&text).ok()?;
        let account = &claims.account;
        let same = |view: &&Arc<IdentityView>, id: &str| {
            let user = view.user.as_ref().map(|user| &user.unique_id);
            let role = view.role.as_ref().map(|role| &role.unique_id);
            user.or(role).is_some_and(|own| own == id)
        };
        let user = |name: &str, id: &str| self.user(account, name).filter(|view| same(view, id));
        let view = match &claims.of {
            SessionOf::Root => {
                self.intent.get::<Account>(account)?;
                self.root(account)
            }
            SessionOf::Federated { user: None, .. } => {
                self.intent.get::<Account>(account)?;
                self.vouched_by_root(account)?
            }
            SessionOf::User { name, id } => user(name, id)?.clone(),
            SessionOf::Federated {
                user: Some((name, id)),
                ..
            } => user(name, id)?.clone(),
            SessionOf::Role { name, id, .. } => {
                let role = self.role(account, name).filter(|view| same(view, id));
                role?.clone()
            }
        };
        self.session_of(id, keys.secret(id, &nonce), claims, view)
    }

    /// What root's federated users may do before their session policies limit it: everything.
    fn vouched_by_root(&self, account: &AccountId) -> Option<Arc<IdentityView>> {
        let all = "arn:aws:iam::aws:policy/AdministratorAccess";
        let PolicyState::Ready(policy) = self.managed_policy(all)? else {
            return None;
        };
        let mut view = IdentityView::clone(&self.root(account));
        view.identity.policies.push(policy.clone());
        view.identity.names.push(format!("managed policy {all}"));
        Some(Arc::new(view))
    }

    fn session_of(
        &self,
        id: &str,
        secret: Secret,
        claims: Claims,
        view: Arc<IdentityView>,
    ) -> Option<KeyView> {
        let account = claims.account.clone();
        let principal = match &claims.of {
            SessionOf::Root => Principal::parse(&view.arn).ok()?.into_owned(),
            SessionOf::User { id, .. } => Principal::parse(&view.arn)
                .ok()?
                .into_owned()
                .with_user_id(id.clone()),
            SessionOf::Role { name, id, session } => {
                let arn = format!("arn:aws:sts::{account}:assumed-role/{name}/{session}");
                Principal::session(arn, view.arn.clone(), account.to_string())
                    .with_user_id(format!("{id}:{session}"))
            }
            SessionOf::Federated { name, .. } => {
                let arn = format!("arn:aws:sts::{account}:federated-user/{name}");
                Principal::parse(&arn).ok()?.into_owned()
            }
        };
        let mut broken = view.identity.broken.clone();
        let policies = self.session_policies(&claims, &mut broken);
        let own = view.role.as_ref().map(|role| &role.tags);
        let own = own.or(view.user.as_ref().map(|user| &user.tags));
        let mut tags = match claims.of {
            SessionOf::Federated { .. } => Tags::new(),
            _ => own.cloned().unwrap_or_default(),
        };
        for (name, value) in &claims.tags {
            tags.retain(|there, _| !there.eq_ignore_ascii_case(name));
            tags.insert(name.clone(), value.clone());
        }
        let user = match claims.of {
            SessionOf::User { .. } => view.user.clone(),
            _ => None,
        };
        let owner = match &user {
            Some(user) => KeyOwner::User(user.name.clone()),
            None if claims.of == SessionOf::Root => KeyOwner::Root,
            None => KeyOwner::Session,
        };
        Some(KeyView {
            key: Arc::new(AccessKey {
                id: id.to_string(),
                secret,
                account: account.clone(),
                owner,
                active: true,
                created: claims.issued,
            }),
            arn: principal.arn().to_string(),
            principal: self.with_canonical_id(principal, &account),
            user,
            view,
            tags,
            session: Some(Session {
                claims: Arc::new(claims),
                policies,
            }),
            broken,
        })
    }

    /// The policies that limit a session; none when it is not limited.
    fn session_policies(
        &self,
        claims: &Claims,
        broken: &mut Option<String>,
    ) -> Option<Vec<Arc<Policy>>> {
        let limited = claims.policy.is_some()
            || !claims.policy_arns.is_empty()
            // A federated user has what was passed for it, and nothing without.
            || matches!(claims.of, SessionOf::Federated { .. });
        if !limited {
            return None;
        }
        let mut policies = Vec::new();
        let inline = claims.policy.iter();
        let inline = inline.map(|text| PolicyState::of(text, PolicyKind::Session));
        let managed = claims.policy_arns.iter().map(|arn| {
            let gone = || PolicyState::Broken(format!("session policy {arn}: there is none"));
            self.managed_policy(arn).cloned().unwrap_or_else(gone)
        });
        for state in inline.chain(managed) {
            match state {
                PolicyState::Ready(policy) => policies.push(policy),
                PolicyState::Broken(why) => *broken = Some(why),
            }
        }
        Some(policies)
    }
}

/// Sessions that were checked already.
#[derive(Default)]
pub struct Sessions {
    kept: RwLock<HashMap<String, Kept>>,
}

/// A session as it was at a generation of the identities.
struct Kept {
    token: Box<str>,
    identities: Generation,
    view: Arc<KeyView>,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions")
    }
}

impl Sessions {
    /// Whose credentials these are. `token` is the session token that came with the request.
    ///
    /// # Errors
    /// [`SignerError`]
    pub fn signer(
        &self,
        snapshot: &Snapshot,
        id: &str,
        token: Option<&str>,
        now: Millis,
    ) -> Result<Arc<KeyView>, SignerError> {
        let Some(token) = token else {
            let known = snapshot.key(id).filter(|view| view.key.active);
            return known.cloned().ok_or(SignerError::Unknown);
        };
        let view = match self.find(snapshot, id, token) {
            Some(view) => view,
            None => {
                let view = snapshot.session(id, token);
                let view = Arc::new(view.ok_or(SignerError::InvalidToken)?);
                self.keep(snapshot, id, token, view.clone(), now);
                view
            }
        };
        match &view.session {
            Some(session) if now < session.claims.expires => Ok(view),
            _ => Err(SignerError::Expired),
        }
    }

    fn find(&self, snapshot: &Snapshot, id: &str, token: &str) -> Option<Arc<KeyView>> {
        // A poisoned lock holds whole entries only: reading on is sound.
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(id)?;
        // Both were sealed by us: comparing them tells nobody anything.
        let same = *found.token == *token && found.identities == snapshot.identities;
        same.then(|| found.view.clone())
    }

    fn keep(&self, snapshot: &Snapshot, id: &str, token: &str, view: Arc<KeyView>, now: Millis) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            let lives = |kept: &Kept| {
                let session = kept.view.session.as_ref();
                session.is_some_and(|session| now < session.claims.expires)
            };
            kept.retain(|_, kept| lives(kept));
        }
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(
            id.to_string(),
            Kept {
                token: token.into(),
                identities: snapshot.identities,
                view,
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::build;

    const ID: &str = "ASIAABCDEFGHIJKLMNOP";

    fn account() -> AccountId {
        "123456789012".parse().unwrap()
    }

    fn role(unique_id: &str) -> Role {
        Role {
            account: account(),
            name: "R".into(),
            path: "/p/".into(),
            unique_id: unique_id.into(),
            description: None,
            trust: r#"{"Version":"2012-10-17","Statement":[]}"#.into(),
            max_session: 3600,
            inline_policies: BTreeMap::new(),
            attached: Default::default(),
            boundary: None,
            tags: Tags::from([("team".into(), "red".into())]),
            created: 0,
        }
    }

    fn world(secret: &str, role: Option<Role>) -> Snapshot {
        let mut draft = Draft::new(&Intent::default());
        draft.put(SealingKey {
            id: SealingKey::ID.into(),
            secret: Secret::new(secret),
        });
        if let Some(role) = role {
            draft.put(role);
        }
        build(&Arc::new(draft.finish().0))
    }

    fn claims() -> Claims {
        Claims {
            account: account(),
            of: SessionOf::Role {
                name: "R".into(),
                id: "AROA1".into(),
                session: "s".into(),
            },
            issued: 1_000,
            expires: 5_000,
            policy: None,
            policy_arns: Vec::new(),
            tags: Tags::from([("Team".into(), "blue".into())]),
            transitive: Vec::new(),
            source_identity: None,
        }
    }

    #[test]
    fn a_session_is_its_token() {
        let world = world("a", Some(role("AROA1")));
        let issued = issue(&world.intent, ID, &claims(), [7; 12]).unwrap();
        let sessions = Sessions::default();
        let token = issued.token.expose();
        for _ in 0..2 {
            let view = sessions.signer(&world, ID, Some(token), 2_000).unwrap();
            assert_eq!(view.arn, "arn:aws:sts::123456789012:assumed-role/R/s");
            assert_eq!(
                view.principal.principal_arn(),
                Some("arn:aws:iam::123456789012:role/p/R")
            );
            assert_eq!(view.user_id(), "AROA1:s");
            assert_eq!(view.key.secret, issued.secret);
            assert_eq!(
                view.tags,
                claims().tags,
                "a session's tag wins over the role's"
            );
        }
        assert_eq!(
            sessions.signer(&world, ID, Some(token), 5_000).unwrap_err(),
            SignerError::Expired
        );
        assert_eq!(
            sessions.signer(&world, ID, None, 2_000).unwrap_err(),
            SignerError::Unknown
        );
    }

    #[test]
    fn a_token_holds_for_its_key_and_installation_alone() {
        let world = world("a", Some(role("AROA1")));
        let issued = issue(&world.intent, ID, &claims(), [7; 12]).unwrap();
        let token = issued.token.expose();
        let ask = |world: &Snapshot, id: &str, token: &str| {
            Sessions::default()
                .signer(world, id, Some(token), 2_000)
                .map(|_| ())
        };
        let invalid = Err(SignerError::InvalidToken);
        assert_eq!(ask(&world, "ASIAABCDEFGHIJKLMNOQ", token), invalid);
        assert_eq!(
            ask(&super::tests::world("b", Some(role("AROA1"))), ID, token),
            invalid
        );
        let mut sealed = STANDARD.decode(token).unwrap();
        for at in 0..sealed.len() {
            sealed[at] ^= 1;
            assert_eq!(
                ask(&world, ID, &STANDARD.encode(&sealed)),
                invalid,
                "byte {at}"
            );
            sealed[at] ^= 1;
        }
        for text in ["", "x", "AQ==", token.get(..20).unwrap()] {
            assert_eq!(ask(&world, ID, text), invalid);
        }
    }

    #[test]
    fn a_session_ends_with_its_role() {
        let sessions = Sessions::default();
        let before = world("a", Some(role("AROA1")));
        let issued = issue(&before.intent, ID, &claims(), [7; 12]).unwrap();
        let ask = |world: &Snapshot| sessions.signer(world, ID, Some(issued.token.expose()), 2_000);
        assert!(ask(&before).is_ok());
        let mut draft = Draft::new(&before.intent);
        draft.remove::<Role>(identity_key(&account(), "r"));
        let gone = before.next(&Arc::new(draft.finish().0));
        assert_eq!(ask(&gone).unwrap_err(), SignerError::InvalidToken);
        // Another role of the same name is another role.
        let mut draft = Draft::new(&gone.intent);
        draft.put(role("AROA2"));
        let again = gone.next(&Arc::new(draft.finish().0));
        assert_eq!(ask(&again).unwrap_err(), SignerError::InvalidToken);
    }

    #[test]
    fn messages_are_opened_where_they_were_sealed() {
        let world = world("a", None);
        let sealed = seal_message(&world.intent, &account(), "words", [1; 12]).unwrap();
        let open = |world: &Snapshot| open_message(&world.intent, &account(), &sealed);
        assert_eq!(open(&world).as_deref(), Some("words"));
        let other = "210987654321".parse().unwrap();
        assert_eq!(open_message(&world.intent, &other, &sealed), None);
        assert_eq!(open(&super::tests::world("b", None)), None);
        // A message is no token.
        assert!(world.session("", &sealed).is_none());
    }

    #[test]
    fn i13_what_is_issued_does_not_print() {
        let issued = issue(&world("a", None).intent, ID, &claims(), [7; 12]).unwrap();
        let printed = format!("{issued:?}");
        assert!(!printed.contains(issued.token.expose()), "{printed}");
        assert!(!printed.contains(issued.secret.expose()), "{printed}");
    }
}
