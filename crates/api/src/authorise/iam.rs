//! What calls of IAM touch: the user, group, role or policy that they name.

use adit_model::*;
use adit_wire::Value;

use super::{Call, Touch};
use crate::refusal::Refusal;

/// Operations that are about the caller when they name nobody.
const OWN: &[&str] = &[
    "GetUser",
    "CreateAccessKey",
    "ListAccessKeys",
    "UpdateAccessKey",
    "DeleteAccessKey",
];

/// The entity a call is about: of those that it names the one that changes.
pub(super) fn derive<'a>(call: &Call<'a>) -> Vec<Touch<'a>> {
    let input = call.input;
    let account = call.account();
    let path = |kind: &str| {
        let makes = call.row.name.starts_with("Create") && call.row.name.ends_with(kind);
        input.text("Path").filter(|_| makes)
    };
    let entity = |kind: &str, path: &str, name: &str| {
        Touch::on(format!("arn:aws:iam::{account}:{kind}{path}{name}"))
    };
    let key = |name: &str| identity_key(account, name);
    let intent = call.intent();
    let mut touch = if let Some(name) = input.text("GroupName") {
        match intent.get::<Group>(key(name)) {
            Some(group) => Touch::on(group.arn()),
            None => entity("group", path("Group").unwrap_or("/"), name),
        }
    } else if let Some(name) = input.text("RoleName") {
        match intent.get::<Role>(key(name)) {
            Some(role) => with_tags(Touch::on(role.arn()), &role.tags),
            None => entity("role", path("Role").unwrap_or("/"), name),
        }
    } else if let Some(name) = input.text("UserName") {
        match intent.get::<User>(key(name)) {
            Some(user) => with_tags(Touch::on(user.arn()), &user.tags),
            None => entity("user", path("User").unwrap_or("/"), name),
        }
    } else if OWN.contains(&call.row.name)
        && let Some(user) = &call.ctx.caller.key.user
    {
        with_tags(Touch::on(user.arn()), &user.tags)
    } else if let Some(source) = input.text("PolicySourceArn") {
        Touch::on(source)
    } else if let Some(arn) = input.text("PolicyArn") {
        let name = arn.rsplit('/').next().unwrap_or_default();
        match intent.get::<ManagedPolicy>(key(name)) {
            Some(policy) if policy.arn() == arn => with_tags(Touch::on(arn), &policy.tags),
            _ => Touch::on(arn),
        }
    } else if let Some(name) = input
        .text("PolicyName")
        .filter(|_| call.row.name == "CreatePolicy")
    {
        entity("policy", path("Policy").unwrap_or("/"), name)
    } else {
        return Vec::new();
    };
    touch.key_some("iam:PolicyARN", input.text("PolicyArn"));
    touch.key_some("iam:PermissionsBoundary", input.text("PermissionsBoundary"));
    let tags = input.get("Tags").list().iter();
    touch.request_tags(tags.filter_map(|tag: &Value| {
        Some((
            tag.get("Key").str()?,
            tag.get("Value").str().unwrap_or_default(),
        ))
    }));
    let gone: Vec<String> = input.get("TagKeys").strings().map(str::to_string).collect();
    if !gone.is_empty() {
        touch.key("aws:TagKeys", gone);
    }
    vec![touch]
}

/// Whose access key a call is about.
pub(crate) fn key_owner<'a>(call: &Call<'a>) -> Result<Vec<Touch<'a>>, Refusal> {
    let id = call.input.required("AccessKeyId")?;
    let key = call.intent().get::<AccessKey>(id);
    let name = key.and_then(|key| match &key.owner {
        KeyOwner::User(name) if key.account == *call.account() => Some(name),
        _ => None,
    });
    let user = name.and_then(|name| {
        call.intent()
            .get::<User>(identity_key(call.account(), name))
    });
    Ok(vec![match user {
        Some(user) => with_tags(Touch::on(user.arn()), &user.tags),
        None => Touch::on("*"),
    }])
}

fn with_tags<'a>(mut touch: Touch<'a>, tags: &Tags) -> Touch<'a> {
    for (name, value) in tags {
        touch.key(format!("aws:ResourceTag/{name}"), value.clone());
        touch.key(format!("iam:ResourceTag/{name}"), value.clone());
    }
    touch
}
