//! AWS's own test suite of signature version 4, which is not in the repository: `cargo xtask targets sigv4`
//! downloads it and says where it is.

use std::path::{Path, PathBuf};

use adit_wire::sigv4::{self, AuthError, Body, Claim, Expect, Key, KeyCache, Secret};
use adit_wire::{Service, time};

use crate::sigv4::Request;

/// The moment of all requests of the suite.
const THEN: &str = "20150830T123600Z";

/// Every folder with a request in it.
fn cases(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            cases(&entry, found);
        } else if entry.extension().is_some_and(|end| end == "req") {
            found.push(entry);
        }
    }
}

/// A file of a case, by its ending.
fn text(case: &Path, ending: &str) -> String {
    let text = std::fs::read_to_string(case.with_extension(ending)).expect("a file of the suite");
    text.replace("\r\n", "\n")
}

/// A request as it is written in the suite. A line that starts with a space goes on with a header.
fn read(text: &str) -> Request {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let first = lines.next().expect("a request line");
    let (method, rest) = first.split_once(' ').expect("a method");
    let target = rest.rsplit_once(' ').expect("a version").0;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request::new(method, path, query, &[]);
    for line in lines {
        if line.starts_with(' ') {
            let last = request.headers.last_mut().expect("a header to go on with");
            last.1 = format!("{} {}", last.1, line.trim());
        } else {
            let (name, value) = line.split_once(':').expect("a header");
            request.header(name, value);
        }
    }
    request.body = body.as_bytes().to_vec();
    request
}

/// What differs between our reading of a case and the suite's; nothing when they agree.
fn differs(case: &Path) -> Option<String> {
    let mut request = read(&text(case, "req"));
    // No service here is called `service`. EC2 has its rules, so the scope says `ec2`; the signature
    // cannot hold then, and the refusal says what was compared.
    let here = |text: &str| text.replace("/service/", "/ec2/");
    request.header("Authorization", &here(&text(case, "authz")));
    let is_token = |name: &str| name.eq_ignore_ascii_case("x-amz-security-token");
    // A case of botocore's own has its token in what is signed alone.
    let signed = text(case, "creq");
    let signed = signed.lines().filter_map(|line| line.split_once(':'));
    let mut signed = signed.filter(|(name, _)| is_token(name));
    if !request.headers.iter().any(|(name, _)| is_token(name))
        && let Some((name, value)) = signed.next()
    {
        request.header(name, value);
    }
    let token = request.headers.iter();
    let mut token = token.filter(|(name, _)| is_token(name));
    let token = token.next().map(|(_, value)| value.clone());
    let secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    let expect = Expect {
        service: Service::Ec2,
        region: Some("us-east-1"),
        now: time::parse_amz_date(THEN).expect("a time"),
        body: Body::Whole,
    };
    let key = Key {
        access_key_id: "AKIDEXAMPLE",
        secret: &secret,
        session_token: token.as_deref(),
    };
    let outcome = request.with(|parts| match sigv4::claim(parts) {
        Ok(Claim::V4(claim)) => sigv4::verify(&claim, parts, &key, &expect, &KeyCache::new()),
        Ok(other) => panic!("{other:?} is no claim of version 4"),
        Err(why) => Err(why),
    });
    match outcome {
        Err(AuthError::Mismatch(seen)) => {
            if seen.canonical_request != text(case, "creq") {
                return Some(format!("canonical request {:?}", seen.canonical_request));
            }
            let wanted = here(&text(case, "sts"));
            (seen.string_to_sign != wanted).then(|| format!("signs {:?}", seen.string_to_sign))
        }
        Err(why) => Some(why.to_string()),
        Ok(_) => Some("a signature of another service holds".to_string()),
    }
}

#[test]
#[ignore = "needs the suite: cargo xtask targets sigv4"]
fn the_suite_of_aws() {
    let folder = std::env::var_os("ADIT_SIGV4_SUITE").expect("ADIT_SIGV4_SUITE names the suite");
    let mut all = Vec::new();
    cases(Path::new(&folder), &mut all);
    assert!(all.len() > 20, "{} cases", all.len());
    let mut wrong = Vec::new();
    for case in all {
        let name = case.file_stem().expect("a name").to_string_lossy();
        match differs(&case) {
            None => println!("case {name} passed"),
            Some(difference) => {
                println!("case {name} failed: {difference}");
                wrong.push(name.into_owned());
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}
