//! Whether S3 counts a resource policy as public.
//!
//! A policy is taken for public; it is not only if every Allow is limited to *fixed* values (no
//! wildcard, no variable) of who may call or where from.

use crate::compiled::{Compiled, Condition, Flags, NO_TOKENS, Shape, Statement, Text};
use crate::document::PrincipalForm;
use crate::keys::{self, Key};
use crate::kind::PolicyKind;
use crate::operator::{Set, Test};
use crate::trace::Effect;

/// Keys that limit an Allow when they have fixed values.
const LIMITING: &[Key] = &[
    keys::PRINCIPAL_ORG_ID,
    keys::SOURCE_ARN,
    keys::SOURCE_VPC,
    keys::SOURCE_VPCE,
    keys::SOURCE_OWNER,
    keys::SOURCE_ACCOUNT,
    keys::USER_ID,
    keys::S3_DATA_ACCESS_POINT_ARN,
    keys::S3_DATA_ACCESS_POINT_ACCOUNT,
    keys::PRINCIPAL_ARN,
    keys::PRINCIPAL_ACCOUNT,
];

/// Only the policies of buckets and access points can be public.
pub(crate) fn is_public(compiled: &Compiled, kind: PolicyKind) -> bool {
    if !matches!(kind, PolicyKind::Bucket | PolicyKind::AccessPoint) {
        return false;
    }
    let is_open = |statement: &Statement| {
        let mut conditions = compiled.conditions_of(statement).iter();
        statement.effect == Effect::Allow
            && !names_principals(compiled, statement)
            && !conditions.any(|condition| limits(compiled, condition))
    };
    compiled.statements.iter().any(is_open)
}

fn names_principals(compiled: &Compiled, statement: &Statement) -> bool {
    let is_fixed = |form: PrincipalForm, text: &str| form != PrincipalForm::Everyone && text != "*";
    !statement.flags.has(Flags::NOT_PRINCIPAL)
        && compiled
            .principals_of(statement)
            .iter()
            .all(|entry| is_fixed(entry.form, compiled.get(entry.text)))
}

fn limits(compiled: &Compiled, condition: &Condition) -> bool {
    let operator = condition.operator;
    let is_positive = !operator.negated && !operator.if_exists && operator.set != Set::All;
    let Some(key) = condition.key.filter(|_| is_positive) else {
        return false;
    };
    let texts = compiled.values_of(condition);
    if texts.is_empty() {
        // It never matches.
        return true;
    }
    match operator.test {
        Test::IpAddress => key == keys::SOURCE_IP && narrow(compiled, condition),
        Test::StringEquals | Test::StringEqualsIgnoreCase | Test::StringLike | Test::ArnLike => {
            LIMITING.contains(&key) && texts.iter().all(|text| is_fixed(compiled, key, text))
        }
        _ => false,
    }
}

/// Address ranges not wider than /8 (IPv4) or /32 (IPv6).
fn narrow(compiled: &Compiled, condition: &Condition) -> bool {
    compiled
        .typed_of(condition, &compiled.ranges)
        .iter()
        .flatten()
        .all(|range| range.is_private() || range.prefix() >= if range.is_v6() { 32 } else { 8 })
}

fn is_fixed(compiled: &Compiled, key: Key, text: &Text) -> bool {
    if text.tokens != NO_TOKENS {
        return false;
    }
    let value = compiled.get(text.span);
    let has_wildcard = !matches!(text.shape, Shape::Exact | Shape::Never);
    match key {
        // Any access point of one account counts as fixed.
        keys::S3_DATA_ACCESS_POINT_ARN => {
            let account = value.split(':').nth(4).unwrap_or_default();
            !account.is_empty() && !account.contains(['*', '?'])
        }
        // Every session of one role is public, any other fixed id is not.
        keys::USER_ID if has_wildcard => false,
        _ => !has_wildcard,
    }
}

#[cfg(test)]
mod tests {
    use crate::{Policy, PolicyKind};

    fn is_public(statement: &str) -> bool {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"s3:GetObject",
                "Resource":"arn:aws:s3:::b/*",{statement}}}}}"#
        );
        Policy::compile(&text, PolicyKind::Bucket)
            .unwrap()
            .is_public()
    }

    #[test]
    fn only_fixed_values_limit() {
        for (statement, expected) in [
            (r#""Principal":"*""#, true),
            (r#""Principal":{"AWS":"111122223333"}"#, false),
            (r#""Principal":{"AWS":["111122223333","*"]}"#, true),
            (r#""NotPrincipal":{"AWS":"111122223333"}"#, true),
            (
                r#""Principal":"*","Condition":{"StringEquals":{"aws:SourceVpc":"vpc-91237329"}}"#,
                false,
            ),
            (
                r#""Principal":"*","Condition":{"StringLike":{"aws:SourceVpc":"vpc-*"}}"#,
                true,
            ),
            (
                r#""Principal":"*","Condition":{"StringEqualsIfExists":{"aws:SourceVpc":"vpc-1"}}"#,
                true,
            ),
            (
                r#""Principal":"*","Condition":{"StringNotEquals":{"aws:SourceVpc":"vpc-1"}}"#,
                true,
            ),
            (
                r#""Principal":"*","Condition":{"StringEquals":{"aws:sourceVpce":"vpce-1"}}"#,
                false,
            ),
            (
                r#""Principal":"*","Condition":{"StringEquals":{"aws:SourceVpc":"${aws:x}"}}"#,
                true,
            ),
            (
                r#""Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#,
                false,
            ),
            (
                r#""Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":"0.0.0.0/1"}}"#,
                true,
            ),
            (
                r#""Principal":"*","Condition":{"StringEquals":{"aws:UserAgent":"x"}}"#,
                true,
            ),
            (
                r#""Principal":"*","Condition":{"ArnLike":{"s3:DataAccessPointArn":
                    "arn:aws:s3:us-east-1:111122223333:accesspoint/*"}}"#,
                false,
            ),
            (
                r#""Principal":"*","Condition":{"StringEquals":{"s3:DataAccessPointAccount":
                    "111122223333"}}"#,
                false,
            ),
        ] {
            assert_eq!(is_public(statement), expected, "{statement}");
        }
    }
}
