//! What users, groups and roles have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use adit_model::*;
use adit_wire::{Value, map};

use super::time;
use crate::context::Ctx;
use crate::describe::tags;
use crate::input::Input;
use crate::refusal::Refusal;

/// A kind of entity that policies are attached to.
pub(crate) trait Entity: Resource + Clone {
    /// As messages name it.
    const NOUN: &'static str;
    /// The member that holds its name.
    const MEMBER: &'static str;
    /// Most characters that all its inline policies have together, white space apart.
    const INLINE: usize;

    /// Its name.
    fn name(&self) -> &str;
    /// Its path.
    fn path(&self) -> &str;
    /// Its inline policies.
    fn inline(&self) -> &BTreeMap<String, String>;
    /// The same, to be changed.
    fn inline_mut(&mut self) -> &mut BTreeMap<String, String>;
    /// ARNs of its managed policies.
    fn attached(&self) -> &BTreeSet<String>;
    /// The same, to be changed.
    fn attached_mut(&mut self) -> &mut BTreeSet<String>;
}

/// A kind of entity with a permissions boundary.
pub(crate) trait Bounded: Entity {
    /// The ARN of the boundary.
    fn boundary_mut(&mut self) -> &mut Option<String>;
}

macro_rules! entities {
    ($($type:ident $noun:literal $member:literal $inline:literal;)*) => {$(
        impl Entity for $type {
            const NOUN: &'static str = $noun;
            const MEMBER: &'static str = $member;
            const INLINE: usize = $inline;
            fn name(&self) -> &str { &self.name }
            fn path(&self) -> &str { &self.path }
            fn inline(&self) -> &BTreeMap<String, String> { &self.inline_policies }
            fn inline_mut(&mut self) -> &mut BTreeMap<String, String> { &mut self.inline_policies }
            fn attached(&self) -> &BTreeSet<String> { &self.attached }
            fn attached_mut(&mut self) -> &mut BTreeSet<String> { &mut self.attached }
        }
    )*};
}

entities! {
    User "user" "UserName" 2048;
    Group "group" "GroupName" 5120;
    Role "role" "RoleName" 10_240;
}

impl Bounded for User {
    fn boundary_mut(&mut self) -> &mut Option<String> {
        &mut self.boundary
    }
}

impl Bounded for Role {
    fn boundary_mut(&mut self) -> &mut Option<String> {
        &mut self.boundary
    }
}

/// The entity of the caller's account that a request names.
pub(crate) fn named<E: Entity>(
    input: &Input<'_>,
    intent: &Intent,
    ctx: &Ctx,
) -> Result<Arc<E>, Refusal> {
    find(intent, ctx, input.required(E::MEMBER)?)
}

/// The entity of the caller's account with a name.
pub(crate) fn find<E: Entity>(intent: &Intent, ctx: &Ctx, name: &str) -> Result<Arc<E>, Refusal> {
    let found = intent.get::<E>(identity_key(&ctx.caller.account, name));
    found.cloned().ok_or_else(|| {
        Refusal::new(
            "NoSuchEntity",
            format!("The {} with name {name} cannot be found.", E::NOUN),
        )
    })
}

/// Refuses a name that is in use, in whatever spelling.
pub(crate) fn refuse_taken<E: Entity>(
    intent: &Intent,
    ctx: &Ctx,
    name: &str,
) -> Result<(), Refusal> {
    if intent
        .get::<E>(identity_key(&ctx.caller.account, name))
        .is_none()
    {
        return Ok(());
    }
    let mut noun = E::NOUN.to_string();
    if let Some(first) = noun.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Err(Refusal::new(
        "EntityAlreadyExists",
        format!("{noun} with name {name} already exists."),
    ))
}

/// Every one of the caller's account, in order of names.
pub(crate) fn all<'a, R: Resource>(
    intent: &'a Intent,
    account: &'a AccountId,
) -> impl Iterator<Item = &'a Arc<R>> + use<'a, R> {
    let first = format!("{account}/");
    let rest = R::table(intent).range(first.clone()..);
    rest.take_while(move |(key, _)| key.starts_with(&first))
        .map(|(_, found)| found)
}

/// Those under the path prefix that a request asks for.
pub(crate) fn under<'a, E: Entity>(
    input: &Input<'a>,
    intent: &'a Intent,
    ctx: &'a Ctx,
) -> impl Iterator<Item = &'a Arc<E>> {
    let prefix = input.text("PathPrefix").unwrap_or("/");
    all::<E>(intent, &ctx.caller.account).filter(move |e| e.path().starts_with(prefix))
}

/// A user as shown; lists leave its tags out, as AWS's do.
pub(super) fn show_user(user: &User, whole: bool) -> Value {
    map! {
        "Path" => user.path.as_str(),
        "UserName" => user.name.as_str(),
        "UserId" => user.unique_id.as_str(),
        "Arn" => user.arn(),
        "CreateDate" => time(user.created),
        "PermissionsBoundary" => boundary(user.boundary.as_deref()).filter(|_| whole),
        "Tags" => (whole && !user.tags.is_empty()).then(|| tags(&user.tags)),
    }
}

/// A group as shown.
pub(super) fn show_group(group: &Group) -> Value {
    map! {
        "Path" => group.path.as_str(),
        "GroupName" => group.name.as_str(),
        "GroupId" => group.unique_id.as_str(),
        "Arn" => group.arn(),
        "CreateDate" => time(group.created),
    }
}

/// A role as shown; lists leave its tags and boundary out.
pub(super) fn show_role(role: &Role, whole: bool) -> Value {
    map! {
        "Path" => role.path.as_str(),
        "RoleName" => role.name.as_str(),
        "RoleId" => role.unique_id.as_str(),
        "Arn" => role.arn(),
        "CreateDate" => time(role.created),
        "AssumeRolePolicyDocument" => super::encoded(&role.trust),
        "Description" => role.description.as_deref(),
        "MaxSessionDuration" => i64::from(role.max_session),
        "PermissionsBoundary" => boundary(role.boundary.as_deref()).filter(|_| whole),
        "Tags" => (whole && !role.tags.is_empty()).then(|| tags(&role.tags)),
    }
}

/// A permissions boundary as shown.
pub(super) fn boundary(arn: Option<&str>) -> Option<Value> {
    let arn = arn?;
    Some(map! {
        "PermissionsBoundaryType" => "PermissionsBoundaryPolicy",
        "PermissionsBoundaryArn" => arn,
    })
}
