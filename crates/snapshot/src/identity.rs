//! Who may act, built once: compiled policies of users, groups and roles, shared by their keys.
//!
//! A managed policy is compiled once for all who have it, a group's policies once for all its users.
//! A change rebuilds those whom it touches, and nobody else.

use std::sync::{Arc, LazyLock};

use adit_model::*;
use adit_policy::{Policy, PolicyKind, Principal};

use crate::build::{PolicyState, Snapshot, Views, put};
use crate::session::Session;

/// Policies and their names, for records: `user ana policy p`.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// The policies.
    pub policies: Vec<Arc<Policy>>,
    /// Their names, in step.
    pub names: Vec<String>,
    /// Why one of them does not compile: then whoever has it may do nothing (fail closed).
    pub broken: Option<String>,
}

impl Named {
    fn push(&mut self, name: String, state: &PolicyState) {
        match state {
            PolicyState::Ready(policy) => {
                self.policies.push(policy.clone());
                self.names.push(name);
            }
            PolicyState::Broken(why) => self.broken = Some(format!("{name}: {why}")),
        }
    }

    fn extend(&mut self, other: &Named) {
        self.policies.extend(other.policies.iter().cloned());
        self.names.extend(other.names.iter().cloned());
        if self.broken.is_none() {
            self.broken.clone_from(&other.broken);
        }
    }
}

/// What a user, a role or an account's root user is and may do.
#[derive(Debug, Clone)]
pub struct IdentityView {
    /// The account.
    pub account: AccountId,
    /// `arn:aws:iam::ACCOUNT:root`, the user's or the role's.
    pub arn: String,
    /// The user, when it is one.
    pub user: Option<Arc<User>>,
    /// The role, when it is one.
    pub role: Option<Arc<Role>>,
    /// Its identity policies: inline, managed, and those of its groups.
    pub identity: Named,
    /// Its permissions boundary, if it has one.
    pub boundary: Option<Vec<Arc<Policy>>>,
    /// The trust policy of a role.
    pub trust: Option<PolicyState>,
}

/// Credentials and everything known of whom they speak for.
#[derive(Debug, Clone)]
pub struct KeyView {
    /// The key. That of a session is in no intent: it follows from the session's token.
    pub key: Arc<AccessKey>,
    /// The ARN of the caller: the root user's, the user's, or the session's.
    pub arn: String,
    /// The caller as policies see it.
    pub principal: Principal<'static>,
    /// The user, when it is one.
    pub user: Option<Arc<User>>,
    /// Whose rights these are.
    pub view: Arc<IdentityView>,
    /// `aws:PrincipalTag/…`: the identity's tags, under the session's.
    pub tags: Tags,
    /// What a session adds; none for long-term keys.
    pub session: Option<Session>,
    /// Why a policy does not compile: then the caller may do nothing (fail closed).
    pub broken: Option<String>,
}

impl KeyView {
    /// Identity policies.
    pub fn policies(&self) -> &[Arc<Policy>] {
        &self.view.identity.policies
    }

    /// The permissions boundary.
    pub fn boundary(&self) -> Option<&[Arc<Policy>]> {
        self.view.boundary.as_deref()
    }

    /// Session policies; none when there is no session, or one that is not limited.
    pub fn session_policies(&self) -> Option<&[Arc<Policy>]> {
        self.session.as_ref()?.policies.as_deref()
    }

    /// The caller's unique id, as `GetCallerIdentity` and `aws:userid` show it.
    pub fn user_id(&self) -> String {
        let account = || self.key.account.to_string();
        self.principal
            .user_id()
            .map_or_else(account, str::to_string)
    }
}

/// AWS's own managed policies, compiled once.
fn aws_managed() -> Views<PolicyState> {
    static COMPILED: LazyLock<Views<PolicyState>> = LazyLock::new(|| {
        let mut all = Views::default();
        for policy in AWS_MANAGED {
            let state = PolicyState::of(policy.document, PolicyKind::Identity);
            put(&mut all, &policy.arn(), Some(state));
        }
        all
    });
    COMPILED.clone()
}

impl Snapshot {
    /// A role and its rights.
    pub fn role(&self, account: &AccountId, name: &str) -> Option<&Arc<IdentityView>> {
        self.roles.get(&identity_key(account, name))
    }

    /// A user and its rights.
    pub fn user(&self, account: &AccountId, name: &str) -> Option<&Arc<IdentityView>> {
        self.users.get(&identity_key(account, name))
    }

    /// The root user of an account.
    pub fn root(&self, account: &AccountId) -> Arc<IdentityView> {
        Arc::new(IdentityView {
            account: account.clone(),
            arn: format!("arn:aws:iam::{account}:root"),
            user: None,
            role: None,
            identity: Named::default(),
            boundary: None,
            trust: None,
        })
    }

    /// A managed policy by its ARN, compiled; of the account's own or of AWS's.
    pub fn managed_policy(&self, arn: &str) -> Option<&PolicyState> {
        self.managed.get(arn).map(|state| &**state)
    }

    /// Builds everybody, from nothing.
    pub(crate) fn build_identities(&mut self) {
        self.managed = aws_managed();
        let intent = self.intent.clone();
        for key in intent.managed_policies.keys() {
            self.put_managed(key);
        }
        for key in intent.groups.keys() {
            self.put_group(key);
        }
        for key in intent.users.keys() {
            self.put_user(key);
        }
        for key in intent.roles.keys() {
            self.set_role(key);
        }
        for key in intent.access_keys.keys() {
            self.set_key(key);
        }
        self.identities = self.generation;
    }

    /// Follows a change of an identity, or of what identities share.
    pub(crate) fn follow_identity(&mut self, kind: Kind, key: &str) {
        match kind {
            Kind::ManagedPolicy => {
                for arn in self.put_managed(key) {
                    self.set_holders_of(&arn);
                }
            }
            Kind::Group => self.set_group(key),
            Kind::User => self.set_user(key),
            Kind::Role => self.set_role(key),
            Kind::AccessKey => self.set_key(key),
            Kind::Account | Kind::SealingKey => {}
            _ => return,
        }
        self.identities = self.generation;
    }

    /// Compiles a managed policy; answers the ARNs that it has or had.
    fn put_managed(&mut self, key: &str) -> Vec<String> {
        let policy = self.intent.get::<ManagedPolicy>(key).cloned();
        // A policy made again under its name may have another path, and so another ARN.
        let old = self.managed_arns.get(key).map(|arn| arn.to_string());
        if let Some(old) = &old {
            put(&mut self.managed, old, None);
        }
        let arn = policy.as_ref().map(|policy| policy.arn());
        put(&mut self.managed_arns, key, arn.clone());
        if let (Some(policy), Some(arn)) = (policy, &arn) {
            let state = PolicyState::of(policy.document(), PolicyKind::Identity);
            put(&mut self.managed, arn, Some(state));
        }
        old.into_iter().chain(arn).collect()
    }

    /// Everybody who has a managed policy.
    fn set_holders_of(&mut self, arn: &str) {
        let intent = self.intent.clone();
        let has = |attached: &std::collections::BTreeSet<String>| attached.contains(arn);
        let limits = |boundary: &Option<String>| boundary.as_deref() == Some(arn);
        for (key, group) in intent.groups.iter() {
            if has(&group.attached) {
                self.set_group(key);
            }
        }
        for (key, user) in intent.users.iter() {
            if has(&user.attached) || limits(&user.boundary) {
                self.set_user(key);
            }
        }
        for (key, role) in intent.roles.iter() {
            if has(&role.attached) || limits(&role.boundary) {
                self.set_role(key);
            }
        }
    }

    fn put_group(&mut self, key: &str) {
        let view = self.intent.get::<Group>(key).map(|group| {
            let what = format!("group {}", group.name);
            self.named(&what, &group.inline_policies, &group.attached)
        });
        put(&mut self.groups, key, view);
    }

    /// A group's policies, and with them its users'.
    fn set_group(&mut self, key: &str) {
        self.put_group(key);
        let intent = self.intent.clone();
        for (user_key, user) in intent.users.iter() {
            let mut groups = user.groups.iter();
            if groups.any(|name| identity_key(&user.account, name) == key) {
                self.set_user(user_key);
            }
        }
    }

    fn put_user(&mut self, key: &str) {
        let view = self.intent.get::<User>(key).map(|user| {
            let what = format!("user {}", user.name);
            let mut identity = self.named(&what, &user.inline_policies, &user.attached);
            for name in &user.groups {
                if let Some(group) = self.groups.get(&identity_key(&user.account, name)) {
                    identity.extend(group);
                }
            }
            IdentityView {
                account: user.account.clone(),
                arn: user.arn(),
                user: Some(user.clone()),
                role: None,
                boundary: self.boundary(user.boundary.as_deref(), &mut identity),
                identity,
                trust: None,
            }
        });
        put(&mut self.users, key, view);
    }

    /// A user, and what its keys may do.
    fn set_user(&mut self, key: &str) {
        self.put_user(key);
        self.set_keys_of(key);
    }

    fn set_role(&mut self, key: &str) {
        let view = self.intent.get::<Role>(key).map(|role| {
            let what = format!("role {}", role.name);
            let mut identity = self.named(&what, &role.inline_policies, &role.attached);
            IdentityView {
                account: role.account.clone(),
                arn: role.arn(),
                user: None,
                role: Some(role.clone()),
                boundary: self.boundary(role.boundary.as_deref(), &mut identity),
                identity,
                trust: Some(PolicyState::of(&role.trust, PolicyKind::Trust)),
            }
        });
        put(&mut self.roles, key, view);
    }

    fn named(
        &self,
        what: &str,
        inline: &std::collections::BTreeMap<String, String>,
        attached: &std::collections::BTreeSet<String>,
    ) -> Named {
        let mut named = Named::default();
        for (name, text) in inline {
            let state = PolicyState::of(text, PolicyKind::Identity);
            named.push(format!("{what} policy {name}"), &state);
        }
        for arn in attached {
            match self.managed.get(arn) {
                Some(state) => named.push(format!("managed policy {arn}"), state),
                None => named.broken = Some(format!("managed policy {arn}: there is none")),
            }
        }
        named
    }

    /// A boundary that is not there, or does not compile, allows nothing.
    fn boundary(&self, arn: Option<&str>, identity: &mut Named) -> Option<Vec<Arc<Policy>>> {
        let arn = arn?;
        Some(match self.managed.get(arn).map(|state| &**state) {
            Some(PolicyState::Ready(policy)) => vec![policy.clone()],
            _ => {
                identity.broken = Some(format!("permissions boundary {arn} cannot be read"));
                Vec::new()
            }
        })
    }

    fn set_key(&mut self, id: &str) {
        let view = self.intent.get::<AccessKey>(id).and_then(|key| {
            let view = match &key.owner {
                KeyOwner::Root => self.root(&key.account),
                KeyOwner::User(name) => self.user(&key.account, name)?.clone(),
                KeyOwner::Session => return None,
            };
            self.key_of(key.clone(), view)
        });
        put(&mut self.keys, id, view);
    }

    /// A user as the caller that a key of some other system stands for: with the user's rights, and
    /// without a secret, so that nothing can be verified with it. None when there is no such user.
    pub fn user_of(&self, arn: &str, access_key_id: &str) -> Option<KeyView> {
        let rest = arn.strip_prefix("arn:aws:iam::")?;
        let (account, path) = rest.split_once(":user/")?;
        let account: AccountId = account.parse().ok()?;
        let name = path.rsplit('/').next()?;
        let view = self.user(&account, name).filter(|view| view.arn == arn)?;
        let key = AccessKey {
            id: access_key_id.to_owned(),
            secret: Secret::new(String::new()),
            owner: KeyOwner::User(name.to_owned()),
            account,
            active: true,
            created: 0,
        };
        self.key_of(Arc::new(key), view.clone())
    }

    /// The caller that a long-term key speaks for.
    fn key_of(&self, key: Arc<AccessKey>, view: Arc<IdentityView>) -> Option<KeyView> {
        let mut principal = Principal::parse(&view.arn).ok()?.into_owned();
        if let Some(user) = &view.user {
            principal = principal.with_user_id(user.unique_id.clone());
        }
        Some(KeyView {
            arn: view.arn.clone(),
            principal: self.with_canonical_id(principal, &key.account),
            user: view.user.clone(),
            tags: view
                .user
                .as_ref()
                .map(|u| u.tags.clone())
                .unwrap_or_default(),
            session: None,
            broken: view.identity.broken.clone(),
            key,
            view,
        })
    }

    pub(crate) fn with_canonical_id(
        &self,
        principal: Principal<'static>,
        account: &AccountId,
    ) -> Principal<'static> {
        match self.intent.get::<Account>(account) {
            Some(account) => principal.with_canonical_id(account.canonical_id.clone()),
            None => principal,
        }
    }

    fn set_keys_of(&mut self, user: &str) {
        let is_owner = |key: &&Arc<AccessKey>| match &key.owner {
            KeyOwner::User(name) => identity_key(&key.account, name) == user,
            KeyOwner::Root | KeyOwner::Session => false,
        };
        let keys = self.intent.access_keys.values().filter(is_owner);
        for key in keys.map(|key| key.id.clone()).collect::<Vec<_>>() {
            self.set_key(&key);
        }
    }
}

#[cfg(test)]
mod tests;
