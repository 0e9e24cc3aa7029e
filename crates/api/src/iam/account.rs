//! The account as a whole: its alias, its summary, and everything that says who may what.

use adit_model::*;
use adit_wire::{Map, Value, list, map};

use super::entity::{Entity, all, boundary};
use super::{attached, constraint, encoded, page, page_of_kinds, time};
use crate::context::{Answer, Ctx, View};
use crate::describe::tags;
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

pub(crate) fn create_alias(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let alias = input.required("AccountAlias")?;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ends = alias.starts_with('-') || alias.ends_with('-') || alias.contains("--");
    if !(3..=63).contains(&alias.len()) || !alias.chars().all(fits) || ends {
        return Err(constraint(
            "AccountAlias",
            alias,
            r"Member must satisfy regular expression pattern: ^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$",
        ));
    }
    let mut others = draft.account_aliases.values();
    if others.any(|other| other.alias == alias && other.account != ctx.caller.account) {
        return Err(Refusal::new(
            "EntityAlreadyExists",
            format!("The account alias {alias} already exists."),
        ));
    }
    draft.put(AccountAlias {
        account: ctx.caller.account.clone(),
        alias: alias.to_string(),
    });
    Ok(Answer::done())
}

pub(crate) fn delete_alias(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let alias = input.required("AccountAlias")?;
    let there = draft.get::<AccountAlias>(&ctx.caller.account);
    if there.is_none_or(|there| there.alias != alias) {
        return Err(Refusal::new(
            "NoSuchEntity",
            format!("The account alias with name {alias} cannot be found."),
        ));
    }
    draft.remove::<AccountAlias>(&ctx.caller.account);
    Ok(Answer::done())
}

pub(crate) fn list_aliases(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let alias = view.intent.get::<AccountAlias>(&ctx.caller.account);
    page(
        input,
        "AccountAliases",
        alias.into_iter(),
        |alias| alias.alias.clone(),
        |alias| Value::from(alias.alias.as_str()),
    )
}

/// How much there is, and how much there may be. Only what Adit has is counted.
pub(crate) fn summary(_: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let (intent, account) = (view.intent, &ctx.caller.account);
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let versions: usize = all::<ManagedPolicy>(intent, account)
        .map(|p| p.versions.len())
        .sum();
    let keys = intent.access_keys.values();
    let root_keys = keys
        .filter(|key| key.account == *account && key.owner == KeyOwner::Root)
        .count();
    let mut all_counts = Map::new();
    for (name, value) in [
        ("Users", count(all::<User>(intent, account).count())),
        ("Groups", count(all::<Group>(intent, account).count())),
        ("Roles", count(all::<Role>(intent, account).count())),
        (
            "Policies",
            count(all::<ManagedPolicy>(intent, account).count()),
        ),
        ("PolicyVersionsInUse", count(versions)),
        ("AccountAccessKeysPresent", i64::from(root_keys > 0)),
        ("AccountMFAEnabled", 0),
        ("AccountSigningCertificatesPresent", 0),
        (
            "AccessKeysPerUserQuota",
            quotas::ACCESS_KEYS_PER_USER.limit(intent),
        ),
        ("GroupsPerUserQuota", quotas::GROUPS_PER_USER.limit(intent)),
        (
            "AttachedPoliciesPerUserQuota",
            quotas::POLICIES_PER_IDENTITY.limit(intent),
        ),
        (
            "AttachedPoliciesPerGroupQuota",
            quotas::POLICIES_PER_IDENTITY.limit(intent),
        ),
        (
            "AttachedPoliciesPerRoleQuota",
            quotas::POLICIES_PER_IDENTITY.limit(intent),
        ),
        (
            "VersionsPerPolicyQuota",
            quotas::VERSIONS_PER_POLICY.limit(intent),
        ),
        ("UserPolicySizeQuota", count(User::INLINE)),
        ("GroupPolicySizeQuota", count(Group::INLINE)),
        ("RolePolicySizeQuota", count(Role::INLINE)),
        ("PolicySizeQuota", 6144),
        ("AssumeRolePolicySizeQuota", 2048),
    ] {
        all_counts.push(name, value);
    }
    Ok(map! { "SummaryMap" => Value::Map(all_counts) })
}

/// Everything that says who may what, in one paged list of four kinds.
pub(crate) fn authorization_details(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let (intent, account) = (view.intent, &ctx.caller.account);
    let filter = input.texts("Filter");
    let wanted = |kind: &str| filter.is_empty() || filter.contains(&kind);
    let mut found: Vec<(String, Value)> = Vec::new();
    if wanted("Group") {
        for group in all::<Group>(intent, account) {
            found.push((format!("GroupDetailList/{}", group.name), show_group(group)));
        }
    }
    if wanted("Role") {
        for role in all::<Role>(intent, account) {
            found.push((format!("RoleDetailList/{}", role.name), show_role(role)));
        }
    }
    if wanted("User") {
        for user in all::<User>(intent, account) {
            found.push((format!("UserDetailList/{}", user.name), show_user(user)));
        }
    }
    if wanted("LocalManagedPolicy") {
        for policy in all::<ManagedPolicy>(intent, account) {
            found.push((format!("Policies/{}", policy.name), show_policy(policy)));
        }
    }
    if wanted("AWSManagedPolicy") {
        for policy in AWS_MANAGED {
            let version = list![map! {
                "Document" => encoded(policy.document),
                "VersionId" => "v1",
                "IsDefaultVersion" => true,
            }];
            let shown = map! {
                "PolicyName" => policy.name,
                "Arn" => policy.arn(),
                "Path" => "/",
                "DefaultVersionId" => "v1",
                "IsAttachable" => true,
                "PolicyVersionList" => version,
            };
            found.push((format!("Policies/aws/{}", policy.name), shown));
        }
    }
    page_of_kinds(
        input,
        found,
        &[
            ("UserDetailList/", "UserDetailList"),
            ("GroupDetailList/", "GroupDetailList"),
            ("RoleDetailList/", "RoleDetailList"),
            ("Policies/", "Policies"),
        ],
    )
}

/// Inline policies in full.
fn inline<E: Entity>(entity: &E) -> Value {
    let all = entity.inline().iter();
    all.map(|(name, text)| map! { "PolicyName" => name, "PolicyDocument" => encoded(text) })
        .collect()
}

fn managed<E: Entity>(entity: &E) -> Value {
    entity
        .attached()
        .iter()
        .map(|arn| attached::show(arn))
        .collect()
}

fn show_user(user: &User) -> Value {
    map! {
        "Path" => user.path.as_str(),
        "UserName" => user.name.as_str(),
        "UserId" => user.unique_id.as_str(),
        "Arn" => user.arn(),
        "CreateDate" => time(user.created),
        "UserPolicyList" => inline(user),
        "GroupList" => user.groups.iter().map(Value::from).collect::<Value>(),
        "AttachedManagedPolicies" => managed(user),
        "PermissionsBoundary" => boundary(user.boundary.as_deref()),
        "Tags" => tags(&user.tags),
    }
}

fn show_group(group: &Group) -> Value {
    map! {
        "Path" => group.path.as_str(),
        "GroupName" => group.name.as_str(),
        "GroupId" => group.unique_id.as_str(),
        "Arn" => group.arn(),
        "CreateDate" => time(group.created),
        "GroupPolicyList" => inline(group),
        "AttachedManagedPolicies" => managed(group),
    }
}

fn show_role(role: &Role) -> Value {
    map! {
        "Path" => role.path.as_str(),
        "RoleName" => role.name.as_str(),
        "RoleId" => role.unique_id.as_str(),
        "Arn" => role.arn(),
        "CreateDate" => time(role.created),
        "AssumeRolePolicyDocument" => encoded(&role.trust),
        "InstanceProfileList" => list![],
        "RolePolicyList" => inline(role),
        "AttachedManagedPolicies" => managed(role),
        "PermissionsBoundary" => boundary(role.boundary.as_deref()),
        "Tags" => tags(&role.tags),
    }
}

fn show_policy(policy: &ManagedPolicy) -> Value {
    let versions = policy.versions.iter().rev().map(|(number, version)| {
        map! {
            "Document" => encoded(&version.document),
            "VersionId" => format!("v{number}"),
            "IsDefaultVersion" => *number == policy.default,
            "CreateDate" => time(version.created),
        }
    });
    map! {
        "PolicyName" => policy.name.as_str(),
        "PolicyId" => policy.unique_id.as_str(),
        "Arn" => policy.arn(),
        "Path" => policy.path.as_str(),
        "DefaultVersionId" => format!("v{}", policy.default),
        "IsAttachable" => true,
        "Description" => policy.description.as_deref(),
        "CreateDate" => time(policy.created),
        "UpdateDate" => time(policy.updated),
        "PolicyVersionList" => versions.collect::<Value>(),
    }
}
