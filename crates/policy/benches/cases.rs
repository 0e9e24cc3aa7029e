//! The cases that the benches decide: policies, requests, and what the answer must be.
//!
//! Shared with the comparison against other engines. Everything is generated, so that a case is a
//! few lines here and not a file.

/// Policies with requests on them.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) identity: String,
    pub(crate) endpoint: Option<String>,
    pub(crate) bucket: Option<String>,
    pub(crate) requests: Vec<Ask>,
}

/// One request with its twelve context keys.
pub(crate) struct Ask {
    pub(crate) principal: String,
    pub(crate) action: &'static str,
    pub(crate) resource: String,
    pub(crate) owner: &'static str,
    pub(crate) context: Vec<(&'static str, String)>,
    pub(crate) allowed: bool,
}

const OWNER: &str = "111122223333";

fn document(statements: &[String]) -> String {
    format!(
        "{{\"Version\":\"2012-10-17\",\"Statement\":[{}]}}",
        statements.join(",")
    )
}

fn allow_everything() -> String {
    document(&[r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#.to_owned()])
}

/// A request as a gateway would fill it.
fn ask(
    user: &str,
    action: &'static str,
    resource: &str,
    owner: &'static str,
    vpce: Option<&str>,
    address: &str,
    allowed: bool,
) -> Ask {
    let principal = format!("arn:aws:iam::{OWNER}:user/{user}");
    let mut context = vec![
        ("aws:PrincipalArn", principal.clone()),
        ("aws:PrincipalAccount", OWNER.to_owned()),
        ("aws:PrincipalType", "User".to_owned()),
        ("aws:username", user.to_owned()),
        ("aws:userid", "AIDAEXAMPLEEXAMPLE123".to_owned()),
        ("aws:SecureTransport", "true".to_owned()),
        ("aws:UserAgent", "aws-cli/2.15.0".to_owned()),
        ("aws:CurrentTime", "2026-11-25T08:00:00Z".to_owned()),
        ("s3:ResourceAccount", owner.to_owned()),
    ];
    if let Some(vpce) = vpce {
        context.push(("aws:SourceVpce", vpce.to_owned()));
        context.push(("aws:SourceVpc", "vpc-111bbb22".to_owned()));
        context.push(("aws:VpcSourceIp", address.to_owned()));
    } else {
        context.push(("aws:SourceIp", address.to_owned()));
    }
    Ask {
        principal,
        action,
        resource: resource.to_owned(),
        owner,
        context,
        allowed,
    }
}

/// The guides' examples together: an endpoint policy for one bucket of one account, a bucket policy
/// for one endpoint and one range.
pub(crate) fn seed() -> Case {
    let endpoint = document(&[
        r#"{"Sid":"Bucket","Principal":"*","Action":["s3:GetObject","s3:PutObject"],"Effect":"Allow","Resource":["arn:aws:s3:::reports","arn:aws:s3:::reports/*"]}"#.to_owned(),
        r#"{"Sid":"Account","Principal":"*","Action":["s3:GetObject","s3:PutObject"],"Effect":"Deny","Resource":"arn:aws:s3:::*","Condition":{"StringNotEquals":{"s3:ResourceAccount":"111122223333"}}}"#.to_owned(),
    ]);
    let bucket = document(&[
        r#"{"Sid":"Vpce","Principal":"*","Action":"s3:*","Effect":"Deny","Resource":["arn:aws:s3:::reports","arn:aws:s3:::reports/*"],"Condition":{"StringNotEquals":{"aws:SourceVpce":"vpce-1a2b3c4d"}}}"#.to_owned(),
        r#"{"Sid":"Range","Principal":"*","Action":["s3:GetObject","s3:PutObject","s3:DeleteObject"],"Effect":"Deny","Resource":["arn:aws:s3:::reports","arn:aws:s3:::reports/*"],"Condition":{"NotIpAddress":{"aws:VpcSourceIp":"172.31.0.0/16"}}}"#.to_owned(),
    ]);
    let (key, vpce) = ("arn:aws:s3:::reports/2026/q1.csv", Some("vpce-1a2b3c4d"));
    let get = "s3:GetObject";
    let requests = vec![
        ask("ana", get, key, OWNER, vpce, "172.31.5.6", true),
        ask("ana", "s3:PutObject", key, OWNER, vpce, "172.31.9.9", true),
        ask(
            "ana",
            get,
            key,
            OWNER,
            Some("vpce-9z9z9z9z"),
            "172.31.5.6",
            false,
        ),
        ask("ana", get, key, OWNER, None, "203.0.113.5", false),
        ask("ana", get, key, OWNER, vpce, "10.0.0.5", false),
        ask("ana", get, key, "999988887777", vpce, "172.31.5.6", false),
        ask(
            "ana",
            get,
            "arn:aws:s3:::other/k",
            OWNER,
            vpce,
            "172.31.5.6",
            false,
        ),
        ask(
            "ana",
            "s3:DeleteObject",
            key,
            OWNER,
            vpce,
            "172.31.5.6",
            false,
        ),
    ];
    Case {
        name: "seed",
        identity: allow_everything(),
        endpoint: Some(endpoint),
        bucket: Some(bucket),
        requests,
    }
}

/// An endpoint policy with one statement on each of `count` buckets: half plain, a quarter with two
/// conditions, a quarter Deny.
pub(crate) fn synthetic(count: usize) -> Case {
    let statement = |n: usize| match n % 4 {
        0 | 2 => format!(
            r#"{{"Effect":"Allow","Principal":"*","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::bucket-{n:04}/*"}}"#
        ),
        1 => format!(
            r#"{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket-{n:04}/*","Condition":{{"StringEquals":{{"aws:SourceVpce":"vpce-1a2b3c4d"}},"IpAddress":{{"aws:VpcSourceIp":"172.31.0.0/16"}}}}}}"#
        ),
        _ => format!(
            r#"{{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::bucket-{n:04}/*","Condition":{{"StringNotEquals":{{"aws:SourceVpc":"vpc-111bbb22"}}}}}}"#
        ),
    };
    let statements: Vec<String> = (0..count).map(statement).collect();
    let vpce = Some("vpce-1a2b3c4d");
    let object = |n: usize| format!("arn:aws:s3:::bucket-{n:04}/dir/key");
    let last = (count - 1) / 4 * 4;
    let get = "s3:GetObject";
    let mut requests = vec![
        ask("ana", get, &object(0), OWNER, vpce, "172.31.5.6", true),
        ask("ana", get, &object(last), OWNER, vpce, "172.31.5.6", true),
        ask(
            "ana",
            "s3:DeleteObject",
            &object(0),
            OWNER,
            vpce,
            "172.31.5.6",
            false,
        ),
        ask(
            "ana",
            get,
            "arn:aws:s3:::elsewhere/k",
            OWNER,
            vpce,
            "172.31.5.6",
            false,
        ),
    ];
    if count > 5 {
        requests.push(ask("ana", get, &object(5), OWNER, vpce, "172.31.5.6", true));
        requests.push(ask("ana", get, &object(5), OWNER, vpce, "10.0.0.6", false));
    }
    let name = match count {
        1 => "syn1",
        10 => "syn10",
        100 => "syn100",
        _ => "syn1000",
    };
    let endpoint = Some(document(&statements));
    Case {
        name,
        identity: allow_everything(),
        endpoint,
        bucket: None,
        requests,
    }
}

/// A bucket policy as large as it may be: a prefix, a role and a condition for each team, and a Deny.
pub(crate) fn bucket_20k() -> Case {
    let mut statements = Vec::new();
    for team in 0.. {
        let statement = format!(
            r#"{{"Sid":"Team{team:02}","Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::111122223333:user/team-{team:02}"}},"Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::shared-data/team-{team:02}/*","Condition":{{"StringEquals":{{"aws:SourceVpc":"vpc-111bbb22"}}}}}}"#
        );
        if document(&statements).len() + statement.len() + 240 > 20_480 {
            break;
        }
        statements.push(statement);
    }
    let teams = statements.len();
    statements.push(
        r#"{"Sid":"Vpce","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::shared-data","arn:aws:s3:::shared-data/*"],"Condition":{"StringNotEquals":{"aws:SourceVpce":"vpce-1a2b3c4d"}}}"#.to_owned(),
    );
    let vpce = Some("vpce-1a2b3c4d");
    let object = |team: usize| format!("arn:aws:s3:::shared-data/team-{team:02}/k");
    let user = |team: usize| format!("team-{team:02}");
    let get = "s3:GetObject";
    let requests = vec![
        ask(&user(0), get, &object(0), OWNER, vpce, "172.31.5.6", true),
        ask(
            &user(teams - 1),
            get,
            &object(teams - 1),
            OWNER,
            vpce,
            "172.31.5.6",
            true,
        ),
        ask(&user(3), get, &object(4), OWNER, vpce, "172.31.5.6", false),
        ask(
            &user(3),
            get,
            &object(3),
            OWNER,
            Some("vpce-9z9z9z9z"),
            "172.31.5.6",
            false,
        ),
    ];
    let identity =
        document(&[r#"{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}"#.to_owned()]);
    Case {
        name: "bucket20k",
        identity,
        endpoint: None,
        bucket: Some(document(&statements)),
        requests,
    }
}

/// One endpoint policy of patterns against one long key.
fn patterns(name: &'static str, patterns: &[String], key: &str, allowed: bool) -> Case {
    let resources: Vec<String> = patterns
        .iter()
        .map(|pattern| format!("\"arn:aws:s3:::hostile/{pattern}\""))
        .collect();
    let statement = format!(
        r#"{{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":[{}]}}"#,
        resources.join(",")
    );
    let resource = format!("arn:aws:s3:::hostile/{key}");
    let request = ask(
        "ana",
        "s3:GetObject",
        &resource,
        OWNER,
        Some("vpce-1a2b3c4d"),
        "172.31.5.6",
        allowed,
    );
    Case {
        name,
        identity: allow_everything(),
        endpoint: Some(document(&[statement])),
        bucket: None,
        requests: vec![request],
    }
}

/// One pattern of 400 characters that almost matches everywhere.
pub(crate) fn glob_long(key_len: usize) -> Case {
    patterns(
        "globq",
        &[format!("*{}b", "a".repeat(400))],
        &"a".repeat(key_len),
        false,
    )
}

/// Many stars.
pub(crate) fn glob_many(key_len: usize) -> Case {
    patterns(
        "globm",
        &[format!("{}*b", "*a".repeat(20))],
        &"a".repeat(key_len),
        false,
    )
}

/// As many hostile patterns as an endpoint policy holds, against a key in which the long run of each
/// is found everywhere but never what follows. `middle` stands after the run: `b` for literal text,
/// `?b` for a wildcard that takes part in the search.
pub(crate) fn hostile(key_len: usize, middle: &str) -> Case {
    hostile_key(key_len, middle, 0)
}

/// The same against keys of several shapes: all `a`; runs that are one short; one run that fits, and
/// then none of the tail; every other byte wrong.
pub(crate) fn hostile_key(key_len: usize, middle: &str, shape: usize) -> Case {
    let one = |n: usize| format!("*{}{middle}*c{n}*", "a".repeat(398));
    let list: Vec<String> = (0..47).map(one).collect();
    let unit = match shape {
        0 => "a".to_owned(),
        1 => format!("{}b", "a".repeat(397)),
        2 => format!("{}xbc", "a".repeat(399)),
        _ => "ab".to_owned(),
    };
    let key: String = unit.chars().cycle().take(key_len).collect();
    let name = if middle == "b" {
        "hostile"
    } else {
        "hostile-any"
    };
    patterns(name, &list, &key, false)
}

/// All cases of a table.
pub(crate) fn all() -> Vec<Case> {
    vec![
        seed(),
        synthetic(1),
        synthetic(10),
        synthetic(100),
        synthetic(1000),
        bucket_20k(),
        glob_long(1000),
        glob_many(1000),
        hostile(1000, "b"),
        hostile(1000, "?b"),
    ]
}
