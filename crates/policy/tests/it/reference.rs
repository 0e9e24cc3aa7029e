//! A second evaluator: slow, without indexes, bits or compiled forms, straight from the rules.
//!
//! It reads policies as `serde_json` values, matches patterns by recursion on characters, and walks
//! every statement of every layer. It shares no code with the engine.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

/// The policies of a case, as texts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policies {
    pub(crate) identity: Vec<String>,
    pub(crate) boundary: Option<Vec<String>>,
    pub(crate) session: Option<Vec<String>>,
    pub(crate) resource: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) gateway: bool,
    pub(crate) service_control: Vec<Vec<String>>,
    pub(crate) resource_control: Vec<Vec<String>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) principal: String,
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) owner: String,
    /// Keys in lower case.
    pub(crate) context: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Allow,
    Implicit,
    Explicit,
}

/// Strongest naming of the caller: 0 none, 1 its account, 2 its role, 3 itself or everybody.
type Strength = u8;

pub(crate) fn decide(policies: &Policies, question: &Question) -> Outcome {
    let caller = Caller::of(&question.principal);
    let ask = |text: &str, place: Place| ask(text, place, question, &caller);
    let any = |texts: &[String]| -> (bool, bool) {
        let said: Vec<_> = texts
            .iter()
            .map(|text| ask(text, Place::Identity))
            .collect();
        (
            said.iter().any(|(deny, _)| *deny),
            said.iter().any(|(_, grant)| *grant > 0),
        )
    };
    let has_account = !caller.account.is_empty();
    let same_account = has_account && caller.account == question.owner;
    let owner_actions = [
        "s3:getbucketpolicy",
        "s3:putbucketpolicy",
        "s3:deletebucketpolicy",
    ];
    let repairs = caller.kind == "Account"
        && same_account
        && owner_actions.contains(&&*question.action.to_lowercase());

    let resource = policies
        .resource
        .as_deref()
        .map(|text| ask(text, Place::Resource));
    let endpoint = policies.endpoint.as_deref().map(|text| {
        let place = if policies.gateway {
            Place::Gateway
        } else {
            Place::Interface
        };
        ask(text, place)
    });
    let identity = any(&policies.identity);
    let boundary = policies.boundary.as_deref().map(any);
    let session = policies.session.as_deref().map(any);
    let scps: Vec<_> = if has_account {
        policies
            .service_control
            .iter()
            .map(|level| any(level))
            .collect()
    } else {
        Vec::new()
    };
    let rcps: Vec<(bool, bool)> = policies
        .resource_control
        .iter()
        .map(|level| {
            let said: Vec<_> = level
                .iter()
                .map(|text| ask(text, Place::Resource))
                .collect();
            (
                said.iter().any(|(deny, _)| *deny),
                said.iter().any(|(_, grant)| *grant > 0),
            )
        })
        .collect();

    let explicit = endpoint.is_some_and(|(deny, _)| deny)
        || resource.is_some_and(|(deny, _)| deny) && !repairs
        || identity.0
        || boundary.is_some_and(|(deny, _)| deny)
        || session.is_some_and(|(deny, _)| deny)
        || scps.iter().chain(&rcps).any(|(deny, _)| *deny);
    if explicit {
        return Outcome::Explicit;
    }
    let filtered = endpoint.is_some_and(|(_, grant)| grant == 0)
        || scps.iter().chain(&rcps).any(|(_, allow)| !allow);
    if filtered {
        return Outcome::Implicit;
    }
    let granted = resource.map_or(0, |(_, grant)| grant);
    let is_root = caller.kind == "Account";
    let within_limits = (is_root || boundary.is_none_or(|(_, allow)| allow))
        && session.is_none_or(|(_, allow)| allow);
    let identity_side = (is_root || identity.1) && within_limits;
    let allowed = if repairs {
        true
    } else if !has_account {
        granted > 0
    } else if same_account {
        identity_side || granted == 3 || granted == 2 && within_limits
    } else {
        identity_side && granted > 0
    };
    if allowed {
        Outcome::Allow
    } else {
        Outcome::Implicit
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Identity,
    Resource,
    Interface,
    Gateway,
}

struct Caller {
    kind: &'static str,
    /// The ARN it is named by; empty for anonymous callers.
    arn: String,
    /// What `aws:PrincipalArn` is.
    principal_arn: String,
    account: String,
}

impl Caller {
    fn of(text: &str) -> Caller {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        if text == "*" || parts.len() < 6 {
            let kind = if text == "*" { "Anonymous" } else { "Service" };
            let arn = if text == "*" {
                String::new()
            } else {
                text.to_owned()
            };
            return Caller {
                kind,
                arn,
                principal_arn: String::new(),
                account: String::new(),
            };
        }
        let account = parts[4].to_owned();
        let (kind, principal_arn) = if parts[5] == "root" {
            ("Account", text.to_owned())
        } else if parts[5].starts_with("user/") {
            ("User", text.to_owned())
        } else if let Some(rest) = parts[5].strip_prefix("assumed-role/") {
            let role = rest.split('/').next().unwrap();
            ("AssumedRole", format!("arn:aws:iam::{account}:role/{role}"))
        } else {
            ("FederatedUser", text.to_owned())
        };
        Caller {
            kind,
            arn: text.to_owned(),
            principal_arn,
            account,
        }
    }
}

/// Whether a Deny applies, and how strongly the Allows that apply name the caller.
fn ask(text: &str, place: Place, question: &Question, caller: &Caller) -> (bool, Strength) {
    let document: Value = serde_json::from_str(text).unwrap();
    let variables = document["Version"] == "2012-10-17";
    let service = question.action.split(':').next().unwrap();
    if matches!(place, Place::Interface | Place::Gateway) && !service.eq_ignore_ascii_case("s3") {
        return (false, 0);
    }
    let (mut deny, mut grant) = (false, 0);
    for statement in list(&document["Statement"]) {
        let evaluation = Evaluation {
            statement,
            place,
            question,
            caller,
            variables,
        };
        let strength = evaluation.strength();
        if strength > 0 && evaluation.action() && evaluation.resource() && evaluation.conditions() {
            if statement["Effect"] == "Deny" {
                deny = true;
            } else {
                grant = grant.max(strength);
            }
        }
    }
    (deny, if deny { 0 } else { grant })
}

/// An array's elements, or the one value.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        Value::Null => Vec::new(),
        value => vec![value],
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

struct Evaluation<'e> {
    statement: &'e Value,
    place: Place,
    question: &'e Question,
    caller: &'e Caller,
    variables: bool,
}

impl Evaluation<'_> {
    fn strength(&self) -> Strength {
        if self.place == Place::Identity {
            return 3;
        }
        let negated = self.statement.get("NotPrincipal").is_some();
        let element = &self.statement[if negated { "NotPrincipal" } else { "Principal" }];
        let mut strength = 0;
        match element {
            Value::String(_) => strength = 3,
            Value::Object(types) => {
                for (kind, values) in types {
                    for value in list(values) {
                        strength = strength.max(self.names(kind, value.as_str().unwrap()));
                    }
                }
            }
            _ => {}
        }
        match (negated, strength) {
            (false, strength) => strength,
            (true, 0) => 3,
            (true, _) => 0,
        }
    }

    fn names(&self, kind: &str, value: &str) -> Strength {
        let caller = self.caller;
        if kind == "Service" {
            return if caller.kind == "Service" && caller.arn == value {
                3
            } else {
                0
            };
        }
        if value == "*" {
            return 3;
        }
        let account = value
            .strip_prefix("arn:aws:iam::")
            .and_then(|v| v.strip_suffix(":root"));
        let account = account.unwrap_or(value);
        if account.len() == 12 {
            let only_root = self.place == Place::Gateway && caller.kind != "Account";
            return u8::from(account == caller.account && !only_root);
        }
        if caller.kind == "AssumedRole" && caller.principal_arn == value {
            return 2;
        }
        if caller.arn == value { 3 } else { 0 }
    }

    fn action(&self) -> bool {
        let negated = self.statement.get("NotAction").is_some();
        let element = &self.statement[if negated { "NotAction" } else { "Action" }];
        let asked = self.question.action.to_lowercase();
        let named = list(element).iter().any(|pattern| {
            glob(
                &wild(&text(pattern).to_lowercase()),
                &asked.chars().collect::<Vec<_>>(),
            )
        });
        named != negated
    }

    fn resource(&self) -> bool {
        let negated = self.statement.get("NotResource").is_some();
        let element = &self.statement[if negated { "NotResource" } else { "Resource" }];
        let mut unresolved = false;
        let mut named = false;
        for pattern in list(element) {
            let pattern = text(pattern);
            if pattern == "*" {
                named = true;
                continue;
            }
            // Variables only in the sixth part.
            let parts: Vec<&str> = pattern.splitn(6, ':').collect();
            let Some(last) = self.replaced(parts[5]) else {
                unresolved = true;
                continue;
            };
            let asked: Vec<&str> = self.question.resource.splitn(6, ':').collect();
            named |= asked.len() == 6
                && (0..5).all(|at| glob(&wild(parts[at]), &asked[at].chars().collect::<Vec<_>>()))
                && glob(&last, &asked[5].chars().collect::<Vec<_>>());
        }
        if negated && !named && unresolved {
            return self.statement["Effect"] == "Deny";
        }
        named != negated
    }

    fn conditions(&self) -> bool {
        let Some(operators) = self.statement["Condition"].as_object() else {
            return true;
        };
        operators.iter().all(|(operator, keys)| {
            keys.as_object()
                .unwrap()
                .iter()
                .all(|(key, values)| self.condition(operator, &key.to_lowercase(), &list(values)))
        })
    }

    fn condition(&self, operator: &str, key: &str, wanted: &[&Value]) -> bool {
        let (set, operator) = match operator.split_once(':') {
            Some((set, rest)) => (set, rest),
            None => ("", operator),
        };
        let (operator, if_exists) = match operator.strip_suffix("IfExists") {
            Some(rest) => (rest, true),
            None => (operator, false),
        };
        let values = self.values(key);
        if operator == "Null" {
            return wanted
                .iter()
                .any(|value| text(value) == values.is_empty().to_string());
        }
        let negated = operator.contains("Not");
        let positive = operator.replace("Not", "");
        if values.is_empty() {
            return match (if_exists, set) {
                (true, _) | (_, "ForAllValues") => true,
                (_, "ForAnyValue") => false,
                _ => negated,
            };
        }
        let passes = |value: &String| {
            wanted
                .iter()
                .any(|wanted| self.compare(&positive, &text(wanted), value))
                != negated
        };
        match set {
            "ForAllValues" => values.iter().all(passes),
            "ForAnyValue" => values.iter().any(passes),
            _ if values.len() > 1 => negated,
            _ => passes(&values[0]),
        }
    }

    /// What the request has under a key in lower case.
    fn values(&self, key: &str) -> Vec<String> {
        if let Some(values) = self.question.context.get(key) {
            return values.clone();
        }
        let caller = self.caller;
        let some = |text: &str| {
            if text.is_empty() {
                Vec::new()
            } else {
                vec![text.to_owned()]
            }
        };
        match key {
            "aws:principalarn" => some(&caller.principal_arn),
            "aws:principalaccount" => some(&caller.account),
            "aws:principaltype" => some(caller.kind),
            "aws:username" if caller.kind == "User" => some(caller.arn.rsplit('/').next().unwrap()),
            "aws:resourceaccount" => some(&self.question.owner),
            "s3:resourceaccount" if self.question.action.starts_with("s3:") => {
                some(&self.question.owner)
            }
            "aws:viaawsservice" => some("false"),
            "aws:principalisawsservice" => some(&(caller.kind == "Service").to_string()),
            _ => Vec::new(),
        }
    }

    /// A pattern with its variables replaced; `None` if one has no single value.
    fn replaced(&self, pattern: &str) -> Option<Vec<Symbol>> {
        if !self.variables {
            return Some(wild(pattern));
        }
        let mut symbols = Vec::new();
        let mut rest = pattern;
        while let Some(at) = rest.find("${") {
            let end = at + rest[at..].find('}').unwrap();
            symbols.extend(wild(&rest[..at]));
            let inner = &rest[at + 2..end];
            rest = &rest[end + 1..];
            if ["*", "?", "$"].contains(&inner) {
                symbols.push(Symbol::Char(inner.chars().next().unwrap()));
                continue;
            }
            let (name, default) = match inner.split_once(',') {
                Some((name, default)) => (name, Some(default.trim().trim_matches('\''))),
                None => (inner, None),
            };
            let values = self.values(&name.trim().to_lowercase());
            let value = match (values.as_slice(), default) {
                ([one], _) => one.clone(),
                ([], Some(default)) => default.to_owned(),
                (_, Some(default)) => default.to_owned(),
                _ => return None,
            };
            symbols.extend(value.chars().map(Symbol::Char));
        }
        symbols.extend(wild(rest));
        Some(symbols)
    }

    fn compare(&self, operator: &str, wanted: &str, value: &str) -> bool {
        let literal = || -> Option<String> {
            // Wildcards are characters here.
            let symbols = self.replaced(wanted)?;
            Some(symbols.iter().map(|symbol| symbol.plain()).collect())
        };
        let chars: Vec<char> = value.chars().collect();
        match operator {
            "StringEquals" => literal().as_deref() == Some(value),
            "StringEqualsIgnoreCase" => {
                literal().is_some_and(|wanted| wanted.to_lowercase() == value.to_lowercase())
            }
            "StringLike" => self
                .replaced(wanted)
                .is_some_and(|wanted| glob(&wanted, &chars)),
            "ArnEquals" | "ArnLike" => self.arn(wanted, value),
            "Bool" => {
                ["true", "false"].contains(&&*value.to_lowercase())
                    && literal().is_some_and(|wanted| wanted.eq_ignore_ascii_case(value))
            }
            "BinaryEquals" => match (bytes(wanted), bytes(value)) {
                (Some(wanted), Some(value)) => wanted == value,
                _ => false,
            },
            "IpAddress" => within(wanted, value),
            _ => {
                let parse = if operator.starts_with("Date") {
                    seconds
                } else {
                    number
                };
                let (Some(wanted), Some(value)) = (parse(wanted), parse(value)) else {
                    return false;
                };
                match operator
                    .trim_start_matches("Date")
                    .trim_start_matches("Numeric")
                {
                    "Equals" => value == wanted,
                    "LessThan" => value < wanted,
                    "LessThanEquals" => value <= wanted,
                    "GreaterThan" => value > wanted,
                    "GreaterThanEquals" => value >= wanted,
                    other => panic!("{other}"),
                }
            }
        }
    }

    fn arn(&self, wanted: &str, value: &str) -> bool {
        if wanted == "*" {
            return value.starts_with("arn:");
        }
        let Some(symbols) = self.replaced(wanted) else {
            return false;
        };
        let mut parts: Vec<Vec<Symbol>> = vec![Vec::new()];
        for symbol in symbols {
            if symbol == Symbol::Char(':') && parts.len() < 6 {
                parts.push(Vec::new());
            } else {
                parts.last_mut().unwrap().push(symbol);
            }
        }
        let values: Vec<&str> = value.splitn(6, ':').collect();
        parts.len() == 6
            && values.len() == 6
            && values[0] == "arn"
            && parts
                .iter()
                .zip(&values)
                .all(|(part, value)| glob(part, &value.chars().collect::<Vec<_>>()))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symbol {
    Char(char),
    Star,
    Any,
}

impl Symbol {
    fn plain(self) -> char {
        match self {
            Symbol::Char(c) => c,
            Symbol::Star => '*',
            Symbol::Any => '?',
        }
    }
}

fn wild(pattern: &str) -> Vec<Symbol> {
    let symbol = |c| match c {
        '*' => Symbol::Star,
        '?' => Symbol::Any,
        c => Symbol::Char(c),
    };
    pattern.chars().map(symbol).collect()
}

fn glob(pattern: &[Symbol], value: &[char]) -> bool {
    match pattern.split_first() {
        None => value.is_empty(),
        Some((Symbol::Star, rest)) => (0..=value.len()).any(|at| glob(rest, &value[at..])),
        Some((Symbol::Any, rest)) => !value.is_empty() && glob(rest, &value[1..]),
        Some((Symbol::Char(c), rest)) => value.first() == Some(c) && glob(rest, &value[1..]),
    }
}

fn number(text: &str) -> Option<f64> {
    let looks = text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    text.parse().ok().filter(|_| looks)
}

/// The few forms that the generator writes: `YYYY-MM-DD`, `…THH:MM:SSZ`, seconds.
fn seconds(text: &str) -> Option<f64> {
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let fields: Vec<i64> = date
        .split('-')
        .map_while(|field| field.parse().ok())
        .collect();
    let [year, month, day] = fields.as_slice() else {
        return number(text);
    };
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let months = [
        31,
        if leap(*year) { 29 } else { 28 },
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let days = (1970..*year)
        .map(|year| if leap(year) { 366 } else { 365 })
        .sum::<i64>()
        + months.iter().take(*month as usize - 1).sum::<i64>()
        + day
        - 1;
    let clock: Vec<i64> = time
        .trim_end_matches('Z')
        .split(':')
        .map(|f| f.parse().unwrap())
        .collect();
    Some((days * 86_400 + clock[0] * 3600 + clock[1] * 60 + clock[2]) as f64)
}

fn within(range: &str, address: &str) -> bool {
    let (base, prefix) = match range.split_once('/') {
        Some((base, prefix)) => (base, prefix.parse::<usize>().ok()),
        None => (range, Some(128)),
    };
    let bits = |text: &str| -> Option<String> {
        Some(match text.parse().ok()? {
            IpAddr::V4(v4) => v4
                .octets()
                .iter()
                .map(|byte| format!("{byte:08b}"))
                .collect(),
            IpAddr::V6(v6) => v6
                .octets()
                .iter()
                .map(|byte| format!("{byte:08b}"))
                .collect(),
        })
    };
    match (bits(base), bits(address), prefix) {
        (Some(base), Some(address), Some(prefix)) if base.len() == address.len() => {
            let prefix = prefix.min(base.len());
            base[..prefix] == address[..prefix]
        }
        _ => false,
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let body = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - body.len() > 2 {
        return None;
    }
    let mut bits = String::new();
    for c in body.chars() {
        bits += &format!("{:06b}", ALPHABET.find(c)?);
    }
    let whole = bits.len() / 8;
    Some(
        (0..whole)
            .map(|at| u8::from_str_radix(&bits[at * 8..at * 8 + 8], 2).unwrap())
            .collect(),
    )
}
