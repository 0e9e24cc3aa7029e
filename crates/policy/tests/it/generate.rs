//! Random policies and requests from small alphabets, so that they often meet.

use std::collections::BTreeMap;

use crate::reference::{Policies, Question};

/// A small deterministic generator (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    pub(crate) fn pick<'p, T: ?Sized>(&mut self, from: &[&'p T]) -> &'p T {
        from[self.below(from.len())]
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

const ACCOUNTS: [&str; 2] = ["111122223333", "444455556666"];

const CALLERS: [&str; 11] = [
    "arn:aws:sts::111122223333:assumed-role/dev/s1",
    "arn:aws:sts::111122223333:assumed-role/dev/s1",
    "*",
    "vpce.amazonaws.com",
    "arn:aws:iam::111122223333:root",
    "arn:aws:iam::444455556666:root",
    "arn:aws:iam::111122223333:user/ana",
    "arn:aws:iam::444455556666:user/team/bob",
    "arn:aws:sts::111122223333:assumed-role/dev/s1",
    "arn:aws:sts::444455556666:assumed-role/dev/s2",
    "arn:aws:sts::111122223333:federated-user/fed",
];

const PRINCIPALS: [&str; 16] = [
    r#"{"AWS":"arn:aws:iam::111122223333:role/dev"}"#,
    r#"{"AWS":"arn:aws:iam::111122223333:role/dev"}"#,
    r#""*""#,
    r#""*""#,
    r#"{"AWS":"*"}"#,
    r#"{"AWS":"111122223333"}"#,
    r#"{"AWS":["444455556666"]}"#,
    r#"{"AWS":"arn:aws:iam::111122223333:root"}"#,
    r#"{"AWS":"arn:aws:iam::111122223333:user/ana"}"#,
    r#"{"AWS":["arn:aws:iam::444455556666:user/team/bob","arn:aws:iam::111122223333:user/ana"]}"#,
    r#"{"AWS":"arn:aws:iam::111122223333:role/dev"}"#,
    r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/dev/s1"}"#,
    r#"{"AWS":["arn:aws:sts::444455556666:assumed-role/dev/s2","111122223333"]}"#,
    r#"{"AWS":"arn:aws:sts::111122223333:federated-user/fed"}"#,
    r#"{"Service":"vpce.amazonaws.com"}"#,
    r#"{"Service":["ec2.amazonaws.com"],"AWS":"arn:aws:iam::444455556666:role/dev"}"#,
];

const ACTIONS: [&str; 10] = [
    "s3:GetObject",
    "s3:getobject",
    "s3:GetObjectVersion",
    "s3:PutObject",
    "s3:ListBucket",
    "s3:PutBucketPolicy",
    "s3:DeleteBucketPolicy",
    "s3:Unheard",
    "ec2:CreateVpcEndpoint",
    "sts:AssumeRole",
];

const ACTION_PATTERNS: [&str; 14] = [
    "*",
    "s3:*",
    "s3:*",
    "S3:Get*",
    "s3:GetObject",
    "s3:GetObject",
    "s3:?etObject*",
    "s3:PutObject",
    "s3:*Bucket*",
    "s3:List*",
    "s3:Un*d",
    "ec2:*VpcEndpoint*",
    "*:*Role",
    "s3:P*t*P*y",
];

const RESOURCES: [&str; 12] = [
    "arn:aws:s3:::a",
    "arn:aws:s3:::a/x",
    "arn:aws:s3:::a/ana/x",
    "arn:aws:s3:::a/team/blue/x:y",
    "arn:aws:s3:::a/*",
    "arn:aws:s3:::b",
    "arn:aws:s3:::b/x",
    "arn:aws:s3:::ab/é",
    "arn:aws:s3:::b/longer/key/with/é/in/it",
    "arn:aws:s3:eu-west-1:111122223333:accesspoint/p/object/x",
    "arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1",
    "*",
];

const RESOURCE_PATTERNS: [&str; 26] = [
    "*",
    "arn:aws:s3:::*",
    "arn:aws:s3:::a",
    "arn:aws:s3:::a",
    "arn:aws:s3:::a/*",
    "arn:aws:s3:::a/*",
    "arn:aws:s3:::a*",
    "arn:aws:s3:::a/x",
    "arn:aws:s3:::a/ana/*",
    "arn:aws:s3:::a/*/x",
    "arn:aws:s3:::a/*x*y",
    "arn:aws:s3:::b",
    "arn:aws:s3:::b/*",
    "arn:aws:s3:::b/longer/key/*",
    "arn:aws:s3:::b/longer/*/?/in/it",
    "arn:aws:s3:::?/x",
    "arn:aws:s3:::*/x",
    "arn:aws:s3:::a/${aws:username}/*",
    "arn:aws:s3:::a/team/${aws:PrincipalTag/team}/*",
    "arn:aws:s3:::a/team/${aws:PrincipalTag/team, 'blue'}/*",
    "arn:aws:s3:::a/${*}",
    "arn:aws:s3:::${my:any}/x",
    "arn:aws:s3:*:111122223333:accesspoint/p/object/*",
    "arn:aws:ec2:*:111122223333:*/*",
    "arn:*:*:*:*:*",
    "arn:aws:s3:::b/longer/key/with/?/in/it",
];

/// Keys with values that requests have and values that policies want.
const KEYS: [(&str, &[&str], &[&str]); 14] = [
    (
        "aws:SourceVpce",
        &["vpce-1", "vpce-2", ""],
        &["vpce-1", "vpce-2", "vpce-*", "v*1", "VPCE-1"],
    ),
    (
        "aws:SourceVpc",
        &["vpc-1", "vpc-2"],
        &["vpc-1", "vpc-*", "vpc-?"],
    ),
    (
        "aws:PrincipalTag/team",
        &["blue", "red", "*", "bl?e"],
        &["blue", "r*", "${aws:username}", "${my:any}"],
    ),
    ("aws:username", &["ana", "eva"], &["ana", "e?a", "${*}"]),
    ("aws:TagKeys", &["a", "b", "c"], &["a", "b", "*"]),
    (
        "my:any",
        &["x", "true", "7", "2026-01-01", "10.0.0.1", "d29y"],
        &["x", "${my:any}", "${made:up}", "${made:up, 'x'}"],
    ),
    (
        "my:number",
        &["1", "1.5", "-2", "ten", "100"],
        &["1", "1.50", "-2", "7", "x"],
    ),
    (
        "my:date",
        &["2026-01-01", "2026-01-01T00:00:01Z", "1767225600", "never"],
        &["2026-01-01", "1767225601", "2025-12-31T23:59:59Z", "x"],
    ),
    (
        "my:bool",
        &["true", "FALSE", "x"],
        &["true", "false", "${my:any}"],
    ),
    (
        "my:address",
        &["10.0.0.1", "10.1.0.1", "2001:db8::1", "x"],
        &["10.0.0.0/16", "10.0.0.1", "2001:db8::/32", "0.0.0.0/0", "x"],
    ),
    (
        "my:binary",
        &["d29ybGQ=", "YmFy", "x"],
        &["d29ybGQ=", "YmFy", "??"],
    ),
    (
        "my:arn",
        &[
            "arn:aws:s3:::a/x",
            "arn:aws:iam::111122223333:user/ana",
            "x",
        ],
        &[
            "arn:aws:s3:::a/*",
            "arn:aws:iam::*:user/*",
            "${aws:PrincipalArn}",
            "*",
            "x",
        ],
    ),
    (
        "aws:PrincipalArn",
        &["arn:aws:iam::111122223333:user/ana"],
        &[
            "arn:aws:iam::111122223333:role/dev",
            "arn:aws:iam::*:user/ana",
        ],
    ),
    (
        "aws:PrincipalAccount",
        &["111122223333"],
        &["111122223333", "444455556666", "1*"],
    ),
];

const OPERATORS: [&str; 27] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnNotEquals",
    "ArnLike",
    "ArnNotLike",
    "Null",
];

fn quoted_list(random: &mut Random, from: &[&str], most: usize) -> String {
    let count = 1 + random.below(most);
    let values: Vec<String> = (0..count)
        .map(|_| format!("\"{}\"", random.pick(from)))
        .collect();
    match values.as_slice() {
        [one] if random.one_in(2) => one.clone(),
        values => format!("[{}]", values.join(",")),
    }
}

fn condition(random: &mut Random) -> String {
    let mut operators: BTreeMap<String, BTreeMap<&str, String>> = BTreeMap::new();
    for _ in 0..1 + random.below(2) {
        let (key, _, wanted) = KEYS[random.below(KEYS.len())];
        let typed = match key {
            "my:number" => OPERATORS[6 + random.below(6)],
            "my:date" => OPERATORS[12 + random.below(6)],
            "my:bool" => "Bool",
            "my:binary" => "BinaryEquals",
            "my:address" => OPERATORS[20 + random.below(2)],
            "my:arn" | "aws:PrincipalArn" => OPERATORS[22 + random.below(4)],
            _ => OPERATORS[random.below(6)],
        };
        let name = if random.one_in(6) {
            random.pick(&OPERATORS)
        } else {
            typed
        };
        let (operator, values) = if name == "Null" || random.one_in(10) {
            (
                "Null".to_owned(),
                quoted_list(random, &["true", "false"], 1),
            )
        } else {
            let set = match random.below(6) {
                0 => "ForAnyValue:",
                1 => "ForAllValues:",
                _ => "",
            };
            let if_exists = if random.one_in(6) { "IfExists" } else { "" };
            (
                format!("{set}{name}{if_exists}"),
                quoted_list(random, wanted, 3),
            )
        };
        operators.entry(operator).or_default().insert(key, values);
    }
    let operators: Vec<String> = operators
        .iter()
        .map(|(operator, keys)| {
            let keys: Vec<String> = keys.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
            format!("\"{operator}\":{{{}}}", keys.join(","))
        })
        .collect();
    format!("{{{}}}", operators.join(","))
}

pub(crate) fn statement(random: &mut Random, effect: &str, has_principal: bool) -> String {
    let not = |random: &mut Random, name: &str| {
        if random.one_in(8) {
            format!("Not{name}")
        } else {
            name.to_owned()
        }
    };
    let mut members = vec![format!("\"Effect\":\"{effect}\"")];
    if has_principal {
        let name = not(random, "Principal");
        members.push(format!("\"{name}\":{}", random.pick(&PRINCIPALS)));
    }
    let name = not(random, "Action");
    members.push(format!(
        "\"{name}\":{}",
        quoted_list(random, &ACTION_PATTERNS, 3)
    ));
    let name = not(random, "Resource");
    members.push(format!(
        "\"{name}\":{}",
        quoted_list(random, &RESOURCE_PATTERNS, 3)
    ));
    if random.one_in(2) {
        members.push(format!("\"Condition\":{}", condition(random)));
    }
    if random.one_in(3) {
        members.push(format!("\"Sid\":\"S{}\"", random.below(100)));
    }
    let at = random.below(members.len());
    members.rotate_left(at);
    format!("{{{}}}", members.join(","))
}

/// A list of statements; sometimes long enough for the index.
pub(crate) fn statements(random: &mut Random, has_principal: bool) -> Vec<String> {
    let count = if random.one_in(6) {
        12 + random.below(20)
    } else {
        1 + random.below(4)
    };
    (0..count)
        .map(|_| {
            let effect = if random.one_in(4) { "Deny" } else { "Allow" };
            statement(random, effect, has_principal)
        })
        .collect()
}

pub(crate) fn document(statements: &[String], version: &str) -> String {
    let version = match version {
        "" => String::new(),
        version => format!("\"Version\":\"{version}\","),
    };
    format!("{{{version}\"Statement\":[{}]}}", statements.join(","))
}

fn policy(random: &mut Random, has_principal: bool) -> String {
    let version = random.pick(&["2012-10-17", "2012-10-17", "2012-10-17", "2008-10-17", ""]);
    document(&statements(random, has_principal), version)
}

/// A policy that lets most through, so that other layers decide.
fn lenient(random: &mut Random, has_principal: bool) -> String {
    if random.one_in(2) {
        return policy(random, has_principal);
    }
    let principal = if has_principal {
        r#""Principal":"*","#
    } else {
        ""
    };
    let all = format!(r#"{{"Effect":"Allow",{principal}"Action":"*","Resource":"*"}}"#);
    let mut list = vec![all];
    if random.one_in(2) {
        list.push(statement(random, "Deny", has_principal));
    }
    document(&list, "2012-10-17")
}

pub(crate) fn policies(random: &mut Random) -> Policies {
    let some = |random: &mut Random, odds: usize| random.one_in(odds);
    let list = |random: &mut Random, has_principal: bool| -> Vec<String> {
        (0..1 + random.below(2))
            .map(|_| lenient(random, has_principal))
            .collect()
    };
    Policies {
        identity: (0..random.below(3))
            .map(|_| policy(random, false))
            .collect(),
        boundary: some(random, 3).then(|| list(random, false)),
        session: some(random, 4).then(|| list(random, false)),
        resource: some(random, 2).then(|| policy(random, true)),
        endpoint: some(random, 3).then(|| lenient(random, true)),
        gateway: some(random, 2),
        service_control: (0..if some(random, 6) { 2 } else { 0 })
            .map(|_| list(random, false))
            .collect(),
        resource_control: (0..if some(random, 8) { 1 } else { 0 })
            .map(|_| {
                let all =
                    r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#.to_owned();
                let deny = statement(random, "Deny", true);
                vec![document(&[all, deny], "2012-10-17")]
            })
            .collect(),
    }
}

pub(crate) fn question(random: &mut Random) -> Question {
    let mut context = BTreeMap::new();
    for (key, values, _) in KEYS {
        if random.one_in(2) {
            let count = if random.one_in(5) { 2 } else { 1 };
            let values = (0..count)
                .map(|_| (*random.pick(values)).to_owned())
                .collect();
            context.insert(key.to_lowercase(), values);
        }
    }
    if !random.one_in(4) {
        context.remove("aws:principalarn");
        context.remove("aws:principalaccount");
    }
    Question {
        principal: (*random.pick(&CALLERS)).to_owned(),
        action: (*random.pick(&ACTIONS)).to_owned(),
        resource: (*random.pick(&RESOURCES)).to_owned(),
        owner: ACCOUNTS[usize::from(random.one_in(4))].to_owned(),
        context,
    }
}
