//! What would be decided: the same engine, asked with policies and keys of the caller's choosing.

mod position;

use std::sync::Arc;

use adit_model::*;
use adit_policy::{
    Action, Context, Decision, Effect, Element, Layer, Layers, Outcome, Policy, PolicyKind,
    Principal, Request, Trace,
};
use adit_wire::{Value, map};

use super::entity::{Entity, find};
use super::{managed_policy, page};
use crate::context::{Ctx, View};
use crate::input::Input;
use crate::refusal::Refusal;

/// Most (action, resource) pairs of one simulation.
const PAIRS: usize = 10_000;

/// A policy of a simulation.
struct Source {
    policy: Arc<Policy>,
    id: String,
    kind: &'static str,
}

/// What is simulated.
struct Simulation {
    identity: Vec<Source>,
    boundary: Option<Vec<Arc<Policy>>>,
    resource: Option<Source>,
    principal: Principal<'static>,
    owner: String,
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new("InvalidInput", message)
}

fn compile(text: &str, kind: PolicyKind, what: &str) -> Result<Arc<Policy>, Refusal> {
    let compiled = Policy::compile(text, kind);
    compiled
        .map(Arc::new)
        .map_err(|errors| invalid(format!("{what}: {errors}")))
}

fn source(text: &str, id: String, kind: &'static str) -> Result<Source, Refusal> {
    let policy = compile(text, PolicyKind::Identity, &id)?;
    Ok(Source { policy, id, kind })
}

/// The policies that are passed in a list.
fn passed(
    input: &Input<'_>,
    member: &'static str,
    kind: PolicyKind,
) -> Result<Vec<Source>, Refusal> {
    let texts = input.get(member).list().iter().filter_map(Value::str);
    texts
        .zip(1..)
        .map(|(text, n)| {
            let id = format!("{member}.{n}");
            let policy = compile(text, kind, &id)?;
            Ok(Source {
                policy,
                id,
                kind: "none",
            })
        })
        .collect()
}

/// The policies of an entity, inline and managed.
fn of_entity<E: Entity>(
    intent: &Intent,
    account: &AccountId,
    entity: &E,
    noun: &'static str,
) -> Result<Vec<Source>, Refusal> {
    let mut found = Vec::new();
    for (name, text) in entity.inline() {
        found.push(source(
            text,
            format!("{noun}_{}_{name}", entity.name()),
            noun,
        )?);
    }
    for arn in entity.attached() {
        let text = managed_policy::document(intent, account, arn);
        let kind = match AwsManagedPolicy::find(arn) {
            Some(_) => "aws-managed",
            None => "user-managed",
        };
        let text = text.ok_or_else(|| invalid(format!("{arn}: there is none")))?;
        found.push(source(
            &text,
            managed_policy::name_of(arn).to_string(),
            kind,
        )?);
    }
    Ok(found)
}

/// Whose policies `PolicySourceArn` means.
struct Whose {
    policies: Vec<Source>,
    boundary: Option<String>,
    principal: String,
}

fn whose(input: &Input<'_>, intent: &Intent, ctx: &Ctx) -> Result<Whose, Refusal> {
    let arn = input.required("PolicySourceArn")?;
    let account = &ctx.caller.account;
    let wrong = || {
        invalid(format!(
            "Invalid Entity Arn: {arn} does not clearly define entity type and name."
        ))
    };
    let rest = arn
        .strip_prefix(&format!("arn:aws:iam::{account}:"))
        .ok_or_else(wrong)?;
    let name = rest.rsplit('/').next().unwrap_or_default();
    let kind = rest.split('/').next().unwrap_or_default();
    match kind {
        "user" => {
            let user = find::<User>(intent, ctx, name)?;
            let mut policies = of_entity(intent, account, &*user, "user")?;
            for name in &user.groups {
                let group = find::<Group>(intent, ctx, name)?;
                policies.extend(of_entity(intent, account, &*group, "group")?);
            }
            Ok(Whose {
                policies,
                boundary: user.boundary.clone(),
                principal: user.arn(),
            })
        }
        "group" => {
            let group = find::<Group>(intent, ctx, name)?;
            Ok(Whose {
                policies: of_entity(intent, account, &*group, "group")?,
                boundary: None,
                principal: somebody(account),
            })
        }
        "role" => {
            let role = find::<Role>(intent, ctx, name)?;
            Ok(Whose {
                policies: of_entity(intent, account, &*role, "role")?,
                boundary: role.boundary.clone(),
                principal: role.arn(),
            })
        }
        _ => Err(wrong()),
    }
}

/// A user that is nobody in particular.
fn somebody(account: &AccountId) -> String {
    format!("arn:aws:iam::{account}:user/simulated")
}

pub(crate) fn principal(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let whose = whose(input, view.intent, ctx)?;
    let boundary = match &whose.boundary {
        None => None,
        Some(arn) => {
            let text = managed_policy::document(view.intent, &ctx.caller.account, arn);
            let text = text.ok_or_else(|| invalid(format!("{arn}: there is none")))?;
            Some(vec![compile(&text, PolicyKind::Boundary, arn)?])
        }
    };
    run(input, ctx, whose.policies, boundary, &whose.principal)
}

pub(crate) fn custom(input: &Input<'_>, _: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    run(input, ctx, Vec::new(), None, &somebody(&ctx.caller.account))
}

fn run(
    input: &Input<'_>,
    ctx: &Ctx,
    mut identity: Vec<Source>,
    mut boundary: Option<Vec<Arc<Policy>>>,
    principal: &str,
) -> Result<Value, Refusal> {
    identity.extend(passed(input, "PolicyInputList", PolicyKind::Identity)?);
    let limits = passed(
        input,
        "PermissionsBoundaryPolicyInputList",
        PolicyKind::Boundary,
    )?;
    if !limits.is_empty() {
        boundary = Some(limits.into_iter().map(|source| source.policy).collect());
    }
    let resource = match input.text("ResourcePolicy") {
        None => None,
        Some(text) => Some(Source {
            policy: compile(text, PolicyKind::Resource, "ResourcePolicy")?,
            id: "ResourcePolicy".to_string(),
            kind: "resource",
        }),
    };
    let caller = input.text("CallerArn").unwrap_or(principal);
    let principal = Principal::parse(caller)
        .map_err(|error| invalid(format!("CallerArn: {error}")))?
        .into_owned();
    let account = ctx.caller.account.as_str();
    // A whole ARN names the owner, or its account alone.
    let owner = input.text("ResourceOwner").unwrap_or(account);
    let owner = owner.split(':').nth(4).unwrap_or(owner).to_string();
    let simulation = Simulation {
        identity,
        boundary,
        resource,
        principal,
        owner,
    };
    let context = context(input)?;
    let actions = actions(input)?;
    let mut resources = input.texts("ResourceArns");
    if resources.is_empty() {
        resources.push("*");
    }
    if actions.len().saturating_mul(resources.len()) > PAIRS {
        return Err(invalid(format!(
            "At most {PAIRS} pairs of action and resource are simulated."
        )));
    }
    let pairs = actions
        .iter()
        .flat_map(|action| resources.iter().map(move |resource| (*action, *resource)));
    page(
        input,
        "EvaluationResults",
        pairs.enumerate(),
        |(n, _)| format!("{n:08}"),
        |(_, (action, resource))| simulation.evaluate(action, resource, &context),
    )
}

fn actions<'a>(input: &Input<'a>) -> Result<Vec<&'a str>, Refusal> {
    let actions = input.texts("ActionNames");
    match actions.iter().find(|action| !action.contains(':')) {
        Some(wrong) => Err(invalid(format!("Invalid Action name: {wrong}"))),
        None if actions.is_empty() => Err(Refusal::missing("ActionNames")),
        None => Ok(actions),
    }
}

/// The keys that the caller says the request has.
fn context<'a>(input: &Input<'a>) -> Result<Context<'a>, Refusal> {
    let mut context = Context::new();
    for entry in input.get("ContextEntries").list() {
        let name = entry.get("ContextKeyName").str().unwrap_or_default();
        if name.is_empty() {
            return Err(invalid("A context entry has no key name."));
        }
        let values: Vec<String> = entry
            .get("ContextKeyValues")
            .strings()
            .map(str::to_string)
            .collect();
        context.set(name, values);
    }
    Ok(context)
}

impl Simulation {
    fn evaluate(&self, action: &str, resource: &str, context: &Context<'_>) -> Value {
        let identity: Vec<Arc<Policy>> = self.identity.iter().map(|s| s.policy.clone()).collect();
        let layers = Layers {
            identity: &identity,
            boundary: self.boundary.as_deref(),
            resource: self.resource.as_ref().map(|source| &*source.policy),
            ..Layers::default()
        };
        let request = Request {
            principal: &self.principal,
            action: Action::from(action),
            resource,
            resource_account: Some(&self.owner),
            context,
        };
        let mut trace = Trace::default();
        let decision = adit_policy::decide(&layers, &request, Some(&mut trace));
        let word = match decision {
            Decision::Allow => "allowed",
            Decision::ExplicitDeny(_) => "explicitDeny",
            Decision::ImplicitDeny(_) => "implicitDeny",
        };
        let matched = self.matched(&trace, &decision);
        let missing = missing(&trace);
        let boundary = self.boundary.is_some().then(|| {
            let allows = |layer: &adit_policy::LayerTrace| {
                layer.layer == Layer::Boundary && layer.outcome == Outcome::Allow
            };
            map! { "AllowedByPermissionsBoundary" => trace.layers.iter().any(allows) }
        });
        let specific = map! {
            "EvalResourceName" => resource,
            "EvalResourceDecision" => word,
            "MatchedStatements" => matched.clone(),
            "MissingContextValues" => missing.clone(),
            "PermissionsBoundaryDecisionDetail" => boundary.clone(),
        };
        map! {
            "EvalActionName" => action,
            "EvalResourceName" => resource,
            "EvalDecision" => word,
            "MatchedStatements" => matched,
            "MissingContextValues" => missing,
            "PermissionsBoundaryDecisionDetail" => boundary,
            "ResourceSpecificResults" => Value::List(vec![specific]),
        }
    }

    /// The statements that decided: those that deny, else those that allow.
    fn matched(&self, trace: &Trace, decision: &Decision) -> Value {
        let effect = match decision {
            Decision::ExplicitDeny(_) => Effect::Deny,
            _ => Effect::Allow,
        };
        let mut found = Vec::new();
        for layer in &trace.layers {
            let source = |at: usize| match layer.layer {
                Layer::Identity => self.identity.get(at),
                Layer::Resource => self.resource.as_ref(),
                _ => None,
            };
            for statement in &layer.statements {
                if statement.mismatch.is_some() || statement.effect != effect {
                    continue;
                }
                let Some(source) = source(statement.policy) else {
                    continue;
                };
                let place = position::of(source.policy.text(), statement.statement);
                let show = |(line, column): (i64, i64)| map! { "Line" => line, "Column" => column };
                found.push(map! {
                    "SourcePolicyId" => source.id.as_str(),
                    "SourcePolicyType" => source.kind,
                    "StartPosition" => place.map(|place| show(place.0)),
                    "EndPosition" => place.map(|place| show(place.1)),
                });
            }
        }
        Value::List(found)
    }
}

/// The keys that statements ask for and the simulation does not have.
fn missing(trace: &Trace) -> Value {
    let mut names: Vec<String> = Vec::new();
    for statement in trace.layers.iter().flat_map(|layer| &layer.statements) {
        names.extend(statement.absent_keys.iter().cloned());
        if let Some(mismatch) = &statement.mismatch
            && mismatch.element == Element::Condition
            && mismatch.actual.is_none()
        {
            names.extend(mismatch.key.clone());
        }
    }
    names.sort_by_key(|name| name.to_ascii_lowercase());
    names.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
    names
        .iter()
        .map(|name| Value::from(name.as_str()))
        .collect()
}

/// The condition keys of an entity's policies and of those passed.
pub(crate) fn keys_of_principal(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let mut sources = whose(input, view.intent, ctx)?.policies;
    sources.extend(passed(input, "PolicyInputList", PolicyKind::Identity)?);
    Ok(keys(&sources))
}

/// The condition keys of the policies passed.
pub(crate) fn keys_of_custom(input: &Input<'_>, _: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    let sources = passed(input, "PolicyInputList", PolicyKind::Identity)?;
    Ok(keys(&sources))
}

fn keys(sources: &[Source]) -> Value {
    let all = sources
        .iter()
        .flat_map(|source| source.policy.condition_keys());
    let mut names: Vec<String> = all.collect();
    names.sort_by_key(|name| name.to_ascii_lowercase());
    names.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
    let names: Value = names
        .iter()
        .map(|name| Value::from(name.as_str()))
        .collect();
    map! { "ContextKeyNames" => names }
}
