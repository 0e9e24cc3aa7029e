//! Who may have endpoints to a service [privatelink §2].

use adit_model::*;
use adit_wire::{Map, Value, list, map};

use super::configuration::find;
use crate::context::{Answer, Caller, Ctx, View};
use crate::describe::{Query, is_tag_filter};
use crate::input::Input;
use crate::refusal::Refusal;

/// Whether a caller may have endpoints to a service: the provider, and whoever is permitted.
pub(super) fn allows(service: &EndpointService, caller: &Caller) -> bool {
    service.owner == caller.account || {
        let own = caller.key.principal.principal_arn();
        let mut permitted = service.permissions.keys();
        permitted.any(|principal| covers(principal, &caller.account, own))
    }
}

/// Whether a principal is the caller: everybody, its account, or its user or role, whose ARN may be
/// written with its path or without.
fn covers(principal: &str, account: &AccountId, own: Option<&str>) -> bool {
    principal == "*"
        || principal == format!("arn:aws:iam::{account}:root")
        || own.is_some_and(|own| principal == own || principal == without_path(own))
}

/// The ARN of a user or role without its path.
fn without_path(arn: &str) -> String {
    match (arn.split_once('/'), arn.rsplit_once('/')) {
        (Some((kind, _)), Some((_, name))) => format!("{kind}/{name}"),
        _ => arn.to_string(),
    }
}

/// The kind of a principal; `None` for what cannot be permitted.
fn kind(principal: &str) -> Option<&'static str> {
    if principal == "*" {
        return Some("All");
    }
    let rest = principal.strip_prefix("arn:aws:iam::")?;
    let (account, resource) = rest.split_once(':')?;
    account.parse::<AccountId>().ok()?;
    match resource.split_once('/') {
        None if resource == "root" => Some("Account"),
        Some(("user", name)) if !name.is_empty() => Some("User"),
        Some(("role", name)) if !name.is_empty() => Some("Role"),
        _ => None,
    }
}

pub(crate) fn modify(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let mut service = EndpointService::clone(&*find(draft, ctx, input.required("ServiceId")?)?);
    let (add, remove) = (
        input.texts("AddAllowedPrincipals"),
        input.texts("RemoveAllowedPrincipals"),
    );
    if add.is_empty() && remove.is_empty() {
        return Err(Refusal::missing("AddAllowedPrincipals"));
    }
    for principal in &remove {
        service.permissions.remove(*principal);
    }
    let mut added = Vec::new();
    for principal in add {
        let Some(kind) = kind(principal) else {
            let principal: String = principal.chars().take(256).collect();
            return Err(Refusal::new(
                "UnknownPrincipalType.Unsupported",
                format!(
                    "The principal '{principal}' is not supported: give *, an account, a user or a role."
                ),
            ));
        };
        if service.permissions.contains_key(principal) {
            continue;
        }
        let id = VpcEndpointServicePermissionId::from_digits(ctx.ids.digits());
        added.push(map! {
            "PrincipalType" => kind,
            "Principal" => principal,
            "ServicePermissionId" => id.as_str(),
            "ServiceId" => service.id.as_str(),
        });
        service.permissions.insert(principal.to_string(), id);
    }
    draft.put(service);
    Ok(Answer::from(map! {
        "AddedPrincipals" => Value::List(added),
        "ReturnValue" => true,
    }))
}

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let service = find(view.intent, ctx, input.required("ServiceId")?)?;
    let query = Query::of(input, false, &(5..=1000), |name| {
        matches!(name, "principal" | "principal-type") || is_tag_filter(name)
    })?;
    let type_of = |principal: &str| kind(principal).unwrap_or("Service");
    let wanted = service.permissions.iter().filter(|(principal, _)| {
        query.matches(|name| match name {
            "principal" => vec![principal.to_string()],
            "principal-type" => vec![type_of(principal).to_string()],
            _ => Vec::new(),
        })
    });
    let (items, next) = query.page(
        wanted,
        |(principal, _)| principal.to_string(),
        |(principal, id)| {
            map! {
                "PrincipalType" => type_of(principal),
                "Principal" => principal,
                "ServicePermissionId" => id.as_str(),
                "Tags" => list![],
                "ServiceId" => service.id.as_str(),
            }
        },
    );
    let mut output = Map::new();
    output.push("AllowedPrincipals", Value::List(items));
    output.push("NextToken", next);
    Ok(Value::Map(output))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_have_kinds() {
        for (principal, expected) in [
            ("*", Some("All")),
            ("arn:aws:iam::123456789012:root", Some("Account")),
            ("arn:aws:iam::123456789012:user/ann", Some("User")),
            ("arn:aws:iam::123456789012:role/r", Some("Role")),
            ("arn:aws:iam::123456789012:group/g", None),
            ("arn:aws:iam::12345:root", None),
            ("arn:aws:iam::123456789012:user/", None),
            ("123456789012", None),
            ("", None),
        ] {
            assert_eq!(kind(principal), expected, "{principal}");
        }
    }

    #[test]
    fn principals_cover_callers() {
        let account: AccountId = "123456789012".parse().unwrap();
        let user = "arn:aws:iam::123456789012:user/team/ann";
        let role = "arn:aws:iam::123456789012:role/ops/reader";
        for (principal, caller, covered) in [
            ("*", user, true),
            ("arn:aws:iam::123456789012:root", user, true),
            ("arn:aws:iam::210987654321:root", user, false),
            ("arn:aws:iam::123456789012:user/team/ann", user, true),
            ("arn:aws:iam::123456789012:user/ann", user, true),
            ("arn:aws:iam::123456789012:user/other/ann", user, false),
            ("arn:aws:iam::123456789012:user/team", user, false),
            ("arn:aws:iam::123456789012:role/ops/reader", role, true),
            ("arn:aws:iam::123456789012:role/reader", role, true),
            ("arn:aws:iam::123456789012:user/reader", role, false),
        ] {
            let own = Some(caller);
            assert_eq!(
                covers(principal, &account, own),
                covered,
                "{principal} {caller}"
            );
        }
        assert!(!covers(
            "arn:aws:iam::123456789012:user/ann",
            &account,
            None
        ));
    }
}
