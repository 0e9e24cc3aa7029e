//! Managed policies: the account's own with their versions, and AWS's, which everybody has.

use std::sync::Arc;

use adit_model::*;
use adit_policy::PolicyKind;
use adit_wire::{Value, map};

use super::entity::all;
use super::{
    check_arn, check_document, check_name, check_path, conflict, encoded, page, page_of_kinds,
    tagged, time,
};
use crate::context::{Answer, Ctx, View};
use crate::describe::tags;
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

/// When AWS's policies are said to be made: IAM's first day with managed policies, 6 February 2015.
const AWS_CREATED: Millis = 1_423_248_000_000;

/// A policy that a request can name.
enum Found {
    Own(Arc<ManagedPolicy>),
    Aws(&'static AwsManagedPolicy),
}

/// The last part of a policy's ARN.
pub(super) fn name_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}

/// The path in a policy's ARN, `/` at least.
pub(super) fn path_of(arn: &str) -> &str {
    let rest = arn
        .find(":policy")
        .and_then(|at| arn.get(at + 7..))
        .unwrap_or("/");
    rest.rfind('/')
        .and_then(|at| rest.get(..=at))
        .unwrap_or("/")
}

/// The account's own policy with this ARN.
fn find_own(intent: &Intent, account: &AccountId, arn: &str) -> Option<Arc<ManagedPolicy>> {
    let found = intent.get::<ManagedPolicy>(identity_key(account, name_of(arn)))?;
    (found.arn() == arn).then(|| found.clone())
}

/// The document in force of a policy that the account can use.
pub(crate) fn document(intent: &Intent, account: &AccountId, arn: &str) -> Option<String> {
    match AwsManagedPolicy::find(arn) {
        Some(policy) => Some(policy.document.to_string()),
        None => find_own(intent, account, arn).map(|policy| policy.document().to_string()),
    }
}

fn none(arn: &str) -> Refusal {
    Refusal::new("NoSuchEntity", format!("Policy {arn} was not found."))
}

/// The account's own policy that a request names; AWS's cannot be changed.
pub(super) fn own(
    input: &Input<'_>,
    intent: &Intent,
    ctx: &Ctx,
) -> Result<Arc<ManagedPolicy>, Refusal> {
    match find(input, intent, ctx)? {
        Found::Own(policy) => Ok(policy),
        Found::Aws(_) => Err(Refusal::new(
            "AccessDenied",
            "Cannot perform the operation on a policy that is managed by AWS.",
        )),
    }
}

fn find(input: &Input<'_>, intent: &Intent, ctx: &Ctx) -> Result<Found, Refusal> {
    let arn = input.required("PolicyArn")?;
    check_arn(arn)?;
    if let Some(policy) = AwsManagedPolicy::find(arn) {
        return Ok(Found::Aws(policy));
    }
    let own = find_own(intent, &ctx.caller.account, arn);
    own.map(Found::Own).ok_or_else(|| none(arn))
}

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let name = input.required("PolicyName")?;
    check_name("PolicyName", name, 128)?;
    let path = input.text("Path").unwrap_or("/");
    check_path("Path", path)?;
    let document = input.required("PolicyDocument")?;
    check_document(document, PolicyKind::Identity, ctx)?;
    let account = ctx.caller.account.clone();
    if draft
        .get::<ManagedPolicy>(identity_key(&account, name))
        .is_some()
    {
        return Err(Refusal::new(
            "EntityAlreadyExists",
            format!("A policy called {name} already exists. Duplicate names are not allowed."),
        ));
    }
    let version = PolicyVersion {
        document: document.to_string(),
        created: ctx.now,
    };
    let policy = draft.put(ManagedPolicy {
        account,
        name: name.to_string(),
        path: path.to_string(),
        unique_id: ctx.ids.unique("ANPA"),
        description: input.text("Description").map(str::to_string),
        versions: [(1, version)].into(),
        default: 1,
        next: 2,
        tags: tagged::read(input)?,
        created: ctx.now,
        updated: ctx.now,
    });
    Ok(Answer::from(
        map! { "Policy" => show(draft, ctx, &policy, Shown::Made) },
    ))
}

/// How many of the account's users, groups and roles have a policy, and how many it limits.
fn usage(intent: &Intent, account: &AccountId, arn: &str) -> (i64, i64) {
    let mut usage = (0, 0);
    let mut add = |attached: bool, limits: bool| {
        usage.0 += i64::from(attached);
        usage.1 += i64::from(limits);
    };
    for user in all::<User>(intent, account) {
        add(
            user.attached.contains(arn),
            user.boundary.as_deref() == Some(arn),
        );
    }
    for role in all::<Role>(intent, account) {
        add(
            role.attached.contains(arn),
            role.boundary.as_deref() == Some(arn),
        );
    }
    for group in all::<Group>(intent, account) {
        add(group.attached.contains(arn), false);
    }
    usage
}

/// Where a policy is shown: AWS tells more or less of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// By the operation that makes it: no description, tags if it has some.
    Made,
    /// By the operation that is about it: all.
    Got,
    /// Among others: neither description nor tags.
    Listed,
}

fn show(intent: &Intent, ctx: &Ctx, policy: &ManagedPolicy, how: Shown) -> Value {
    let with_tags = match how {
        Shown::Made => !policy.tags.is_empty(),
        Shown::Got => true,
        Shown::Listed => false,
    };
    let arn = policy.arn();
    let (attached, limits) = usage(intent, &ctx.caller.account, &arn);
    map! {
        "PolicyName" => policy.name.as_str(),
        "PolicyId" => policy.unique_id.as_str(),
        "Arn" => arn,
        "Path" => policy.path.as_str(),
        "DefaultVersionId" => version_id(policy.default),
        "AttachmentCount" => attached,
        "PermissionsBoundaryUsageCount" => limits,
        "IsAttachable" => true,
        "Description" => policy.description.as_deref().filter(|_| how == Shown::Got),
        "CreateDate" => time(policy.created),
        "UpdateDate" => time(policy.updated),
        "Tags" => with_tags.then(|| tags(&policy.tags)),
    }
}

fn show_aws(intent: &Intent, ctx: &Ctx, policy: &AwsManagedPolicy, whole: bool) -> Value {
    let arn = policy.arn();
    let (attached, limits) = usage(intent, &ctx.caller.account, &arn);
    map! {
        "PolicyName" => policy.name,
        "PolicyId" => aws_id(policy),
        "Arn" => arn,
        "Path" => "/",
        "DefaultVersionId" => "v1",
        "AttachmentCount" => attached,
        "PermissionsBoundaryUsageCount" => limits,
        "IsAttachable" => true,
        "Description" => whole.then_some(policy.description),
        "CreateDate" => time(AWS_CREATED),
        "UpdateDate" => time(AWS_CREATED),
        "Tags" => whole.then(|| Value::List(Vec::new())),
    }
}

/// An id that follows from the name: the same in every installation.
fn aws_id(policy: &AwsManagedPolicy) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, policy.arn().as_bytes());
    let letters = digest.as_ref().iter().take(16);
    let letters = letters.map(|byte| char::from(b'A' + byte % 26));
    format!("ANPA{}", letters.collect::<String>())
}

fn version_id(number: u32) -> String {
    format!("v{number}")
}

pub(crate) fn get(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let shown = match find(input, view.intent, ctx)? {
        Found::Own(policy) => show(view.intent, ctx, &policy, Shown::Got),
        Found::Aws(policy) => show_aws(view.intent, ctx, policy, true),
    };
    Ok(map! { "Policy" => shown })
}

pub(crate) fn list(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let scope = input.text("Scope").unwrap_or("All");
    let prefix = input.text("PathPrefix").unwrap_or("/");
    let only_attached = input.flag("OnlyAttached", false);
    let limits_only = input.text("PolicyUsageFilter") == Some("PermissionsBoundary");
    let own = all::<ManagedPolicy>(view.intent, &ctx.caller.account);
    let own = own.filter(|policy| scope != "AWS" && policy.path.starts_with(prefix));
    let own = own.map(|policy| (policy.arn(), Found::Own(policy.clone())));
    let aws = AWS_MANAGED
        .iter()
        .filter(|_| scope != "Local" && prefix == "/");
    let aws = aws.map(|policy| (policy.arn(), Found::Aws(policy)));
    let mut wanted: Vec<(String, Found)> = own.chain(aws).collect();
    if only_attached || limits_only {
        wanted.retain(|(arn, _)| {
            let (attached, limits) = usage(view.intent, &ctx.caller.account, arn);
            (!only_attached || attached + limits > 0) && (!limits_only || limits > 0)
        });
    }
    wanted.sort_by(|a, b| a.0.cmp(&b.0));
    page(
        input,
        "Policies",
        wanted.into_iter(),
        |(arn, _)| arn.clone(),
        |(_, found)| match found {
            Found::Own(policy) => show(view.intent, ctx, &policy, Shown::Listed),
            Found::Aws(policy) => show_aws(view.intent, ctx, policy, false),
        },
    )
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let policy = own(input, draft, ctx)?;
    let (attached, limits) = usage(draft, &ctx.caller.account, &policy.arn());
    if attached + limits > 0 {
        return Err(Refusal::new(
            "DeleteConflict",
            "Cannot delete a policy attached to entities.",
        ));
    }
    if policy.versions.len() > 1 {
        return Err(Refusal::new(
            "DeleteConflict",
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
        ));
    }
    draft.remove::<ManagedPolicy>(policy.key());
    Ok(Answer::done())
}

/// The number in a version's id.
fn number(input: &Input<'_>) -> Result<u32, Refusal> {
    let text = input.required("VersionId")?;
    let digits = text
        .strip_prefix('v')
        .filter(|digits| !digits.starts_with(['0', '+']));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| {
            super::constraint(
                "VersionId",
                text,
                r"Member must satisfy regular expression pattern: v[1-9][0-9]*(\.[A-Za-z0-9-]*)?",
            )
        })
}

fn no_version(arn: &str, number: u32) -> Refusal {
    Refusal::new(
        "NoSuchEntity",
        format!("Policy {arn} version v{number} does not exist or is not attachable."),
    )
}

fn show_version(number: u32, version: &PolicyVersion, default: u32, whole: bool) -> Value {
    map! {
        "Document" => whole.then(|| encoded(&version.document)),
        "VersionId" => version_id(number),
        "IsDefaultVersion" => number == default,
        "CreateDate" => time(version.created),
    }
}

/// AWS's policies have one version here.
fn aws_version(policy: &AwsManagedPolicy) -> PolicyVersion {
    PolicyVersion {
        document: policy.document.to_string(),
        created: AWS_CREATED,
    }
}

pub(crate) fn create_version(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let policy = own(input, draft, ctx)?;
    let document = input.required("PolicyDocument")?;
    check_document(document, PolicyKind::Identity, ctx)?;
    quotas::VERSIONS_PER_POLICY.check(draft, || policy.versions.len())?;
    let number = policy.next;
    let now = ctx.now;
    let version = PolicyVersion {
        document: document.to_string(),
        created: now,
    };
    let becomes_default = input.flag("SetAsDefault", false);
    let default = if becomes_default {
        number
    } else {
        policy.default
    };
    let shown = show_version(number, &version, default, false);
    draft.edit::<ManagedPolicy>(policy.key(), |policy| {
        policy.versions.insert(number, version);
        policy.next = number.saturating_add(1);
        policy.default = default;
        policy.updated = now;
    });
    Ok(Answer::from(map! { "PolicyVersion" => shown }))
}

pub(crate) fn get_version(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let number = number(input)?;
    let shown = match find(input, view.intent, ctx)? {
        Found::Own(policy) => policy
            .versions
            .get(&number)
            .map(|version| show_version(number, version, policy.default, true)),
        Found::Aws(policy) => (number == 1).then(|| show_version(1, &aws_version(policy), 1, true)),
    };
    match shown {
        Some(shown) => Ok(map! { "PolicyVersion" => shown }),
        None => Err(no_version(input.required("PolicyArn")?, number)),
    }
}

pub(crate) fn list_versions(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let (versions, default) = match find(input, view.intent, ctx)? {
        Found::Own(policy) => (policy.versions.clone(), policy.default),
        Found::Aws(policy) => ([(1, aws_version(policy))].into(), 1),
    };
    page(
        input,
        "Versions",
        versions.iter().rev(),
        // Newest first: the key goes down while the number goes up.
        |(number, _)| format!("{:010}", u32::MAX - **number),
        |(number, version)| show_version(*number, version, default, false),
    )
}

pub(crate) fn delete_version(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let policy = own(input, draft, ctx)?;
    let number = number(input)?;
    if !policy.versions.contains_key(&number) {
        return Err(no_version(&policy.arn(), number));
    }
    if number == policy.default {
        return Err(conflict(
            "the default version of a policy cannot be deleted",
        ));
    }
    draft.edit::<ManagedPolicy>(policy.key(), |policy| {
        policy.versions.remove(&number);
    });
    Ok(Answer::done())
}

pub(crate) fn set_default(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let policy = own(input, draft, ctx)?;
    let number = number(input)?;
    if !policy.versions.contains_key(&number) {
        return Err(no_version(&policy.arn(), number));
    }
    let now = ctx.now;
    draft.edit::<ManagedPolicy>(policy.key(), |policy| {
        policy.default = number;
        policy.updated = now;
    });
    Ok(Answer::done())
}

/// Who has a policy.
pub(crate) fn list_entities(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    find(input, view.intent, ctx)?;
    let arn = input.required("PolicyArn")?;
    let limits = input.text("PolicyUsageFilter") == Some("PermissionsBoundary");
    let prefix = input.text("PathPrefix").unwrap_or("/");
    let wanted = |kind: &str| {
        input
            .text("EntityFilter")
            .is_none_or(|filter| filter == kind)
    };
    let account = &ctx.caller.account;
    let mut found: Vec<(String, Value)> = Vec::new();
    let mut add = |kind: &str, name: &str, path: &str, has: bool, id: &str| {
        if has && path.starts_with(prefix) && wanted(kind) {
            let shown = map! { format!("{kind}Name") => name, format!("{kind}Id") => id };
            found.push((format!("{kind}/{name}"), shown));
        }
    };
    let has = |attached: &std::collections::BTreeSet<String>, boundary: Option<&str>| match limits {
        true => boundary == Some(arn),
        false => attached.contains(arn),
    };
    for user in all::<User>(view.intent, account) {
        let has = has(&user.attached, user.boundary.as_deref());
        add("User", &user.name, &user.path, has, &user.unique_id);
    }
    for group in all::<Group>(view.intent, account) {
        let has = has(&group.attached, None);
        add("Group", &group.name, &group.path, has, &group.unique_id);
    }
    for role in all::<Role>(view.intent, account) {
        let has = has(&role.attached, role.boundary.as_deref());
        add("Role", &role.name, &role.path, has, &role.unique_id);
    }
    page_of_kinds(
        input,
        found,
        &[
            ("User/", "PolicyUsers"),
            ("Group/", "PolicyGroups"),
            ("Role/", "PolicyRoles"),
        ],
    )
}
