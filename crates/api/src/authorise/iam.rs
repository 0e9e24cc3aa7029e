//! What calls of IAM touch: the user, group, role or policy that they name.

use adit_model::*;
use adit_wire::Value;

use super::{Call, Touch};

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
    let mut touch = if let Some(name) = input.text("UserName")
        && input.text("GroupName").is_none()
    {
        match call
            .intent()
            .get::<User>(format!("{account}/{}", name.to_lowercase()))
        {
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
        Touch::on(arn)
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

fn with_tags<'a>(mut touch: Touch<'a>, tags: &Tags) -> Touch<'a> {
    for (name, value) in tags {
        touch.key(format!("aws:ResourceTag/{name}"), value.clone());
        touch.key(format!("iam:ResourceTag/{name}"), value.clone());
    }
    touch
}
