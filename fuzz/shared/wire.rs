//! What the fuzz targets of S3's wire format check of any bytes. The corpus is replayed with the ordinary
//! tests, by the same functions.

use adit_wire::chunked::{Decoder, Step};
use adit_wire::s3::{self, Address, FormReader, FormStep, Names, Recognised};
use adit_wire::sigv4::{self, Body, Claim, Expect, Key, KeyCache, Policy, Secret};
use adit_wire::{Headers, OperationRef, Parts, Service, protocol, xml};

/// 2026-01-02T03:04:05Z
const NOW: i64 = 1_767_323_045_000;

fn names() -> Names {
    Names {
        domain: "amazonaws.com".to_owned(),
        hosts: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
    }
}

/// A request from text: `METHOD TARGET`, then header lines, a blank line, and the body.
fn with_request<T>(data: &[u8], use_it: impl FnOnce(&str, &Parts<'_>) -> T) -> Option<T> {
    let end = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = match end {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (data, &[][..]),
    };
    let mut lines = head.split(|b| *b == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let (method, target) = first.split_once(' ')?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if !path.starts_with('/') {
        return None;
    }
    let mut fields: Vec<(&str, &[u8])> = Vec::new();
    for line in lines {
        let colon = line.iter().position(|b| *b == b':')?;
        let name = std::str::from_utf8(&line[..colon]).ok()?;
        fields.push((name, line[colon + 1..].trim_ascii()));
    }
    let headers = Headers(&fields);
    let host = headers.get("host").unwrap_or("localhost");
    Some(use_it(
        host,
        &Parts {
            method,
            path,
            query,
            headers,
            body,
        },
    ))
}

/// A request line, headers and query become an operation, and its input, or a refusal that has a form.
pub(super) fn request(data: &[u8]) {
    with_request(data, |host, parts| {
        let address = match s3::address(&names(), host, parts.path) {
            Ok(address) => address,
            Err(why) => return assert!(why.reply().status >= 300),
        };
        // What was understood once is understood alike again.
        assert_eq!(
            s3::address(&names(), host, parts.path).as_ref(),
            Ok(&address)
        );
        if let Some(key) = address.key() {
            assert!(key.len() <= 1024);
        }
        for (name, _) in s3::hoisted(parts) {
            assert!(
                name.starts_with("x-amz-") && name != "x-amz-signature",
                "{name}"
            );
        }
        let op = match s3::recognise(&address, parts) {
            Ok(Recognised::Operation(op)) => op,
            Ok(Recognised::PostObject) => return assert_eq!(parts.method, "POST"),
            Ok(Recognised::Preflight) => return assert_eq!(parts.method, "OPTIONS"),
            Err(why) => return assert!(why.reply(Service::S3).status >= 400),
        };
        decode(&op, &address, parts);
    });
}

fn decode(op: &OperationRef, address: &Address, parts: &Parts<'_>) {
    match s3::decode(op, address, parts) {
        Ok(input) => {
            if let Some(bucket) = address.bucket() {
                assert_eq!(input.get("Bucket").str(), Some(&*bucket.text()));
            }
        }
        Err(why) => {
            let reply = why.reply(op.service());
            assert!(reply.status >= 400);
            let sent = protocol::encode_error(op.service(), &reply, "id");
            assert!(
                xml::parse(&sent.body).is_ok(),
                "an error is XML whatever it quotes"
            );
        }
    }
}

/// A body in chunks: however it is cut, the same bytes come out, or the same refusal.
pub(super) fn chunked(data: &[u8]) {
    let Some((&[length, trailers, cut, ..], body)) = data.split_at_checked(3) else {
        return;
    };
    let names = match trailers % 3 {
        0 => Vec::new(),
        1 => vec!["x-amz-checksum-crc32".to_owned()],
        _ => vec![
            "x-amz-checksum-sha256".to_owned(),
            "X-Amz-Meta-A".to_owned(),
        ],
    };
    let decoder = || Decoder::new(None, u64::from(length), names.clone());
    let whole = run(decoder(), [body].into_iter());
    let pieces = run(decoder(), body.chunks(usize::from(cut % 17) + 1));
    assert_eq!(whole, pieces);
    if let Ok((bytes, _)) = whole {
        assert_eq!(bytes.len(), usize::from(length));
    }
}

type Decoded = Result<(Vec<u8>, Vec<(String, String)>), String>;

fn run<'d>(mut decoder: Decoder, pieces: impl Iterator<Item = &'d [u8]>) -> Decoded {
    let mut out = Vec::new();
    'pieces: for piece in pieces {
        let mut input = piece;
        loop {
            match decoder.step(&mut input).map_err(|why| why.to_string())? {
                Step::Data(bytes) => out.extend_from_slice(bytes),
                Step::More => break,
                Step::Done => break 'pieces,
            }
        }
    }
    decoder.finish().map_err(|why| why.to_string())?;
    assert_eq!(decoder.decoded(), out.len() as u64);
    Ok((out, decoder.trailers().to_vec()))
}

/// Claims of signatures, forms and their policies.
pub(super) fn auth(data: &[u8]) {
    let secret = Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let key = Key {
        access_key_id: "AKIAIOSFODNN7EXAMPLE",
        secret: &secret,
        session_token: None,
    };
    let cache = KeyCache::new();
    let expect = Expect {
        service: Service::S3,
        region: Some("us-east-1"),
        now: NOW,
        body: Body::Streamed,
    };
    with_request(data, |_, parts| {
        match sigv4::claim(parts) {
            Ok(Claim::V4(claim)) => {
                if let Err(why) = sigv4::verify(&claim, parts, &key, &expect, &cache) {
                    assert!(why.reply(Service::S3).status >= 400);
                }
            }
            Ok(Claim::V2(claim)) => {
                let _ = sigv4::verify_v2(&claim, parts, parts.path, &key, NOW);
            }
            Ok(Claim::Anonymous) => {
                // Who claims nothing must not have tried to.
                assert!(!parts.headers.has("authorization"));
            }
            Err(why) => assert!(why.reply(Service::S3).status >= 400),
        }
        form(parts);
    });
    if let Ok(text) = std::str::from_utf8(data) {
        policy(text);
    }
}

fn form(parts: &Parts<'_>) {
    let Ok(mut reader) = FormReader::new(parts.headers.get("content-type").unwrap_or_default())
    else {
        return;
    };
    let mut input = parts.body;
    let mut size = 0;
    loop {
        match reader.step(&mut input) {
            Ok(FormStep::Data(piece)) => size += piece.len(),
            Ok(FormStep::File) => {}
            Ok(FormStep::More | FormStep::Done) => break,
            Err(why) => return assert!(why.reply().status >= 400),
        }
    }
    assert!(size <= parts.body.len());
    let fields: Vec<(&str, &str)> = reader
        .fields()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let _ = sigv4::form_claim(&fields);
    if let Some((_, text)) = fields.iter().find(|(name, _)| *name == "policy")
        && let Ok(policy) = Policy::parse(text)
    {
        let _ = policy.check(&fields, "bucket", NOW);
        let _ = policy.check_length(size as u64);
    }
}

fn policy(text: &str) {
    // Once as it is sent, once as what is inside.
    let inside = base64(text.as_bytes());
    for field in [text, &inside] {
        if let Ok(policy) = Policy::parse(field)
            && let Some((min, max)) = policy.length
        {
            assert_eq!(
                policy.check_length(min).is_ok(),
                min <= max,
                "{min} to {max}"
            );
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let number =
            chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * at)) as usize & 63];
            out.push(if at <= chunk.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    out
}

/// The requests whose bodies are documents: method and target.
const DOCUMENTS: [(&str, &str); 16] = [
    ("PUT", "/b/"),
    ("POST", "/b/?delete"),
    ("POST", "/b/k?uploadId=u"),
    ("PUT", "/b/?acl"),
    ("PUT", "/b/k?acl"),
    ("PUT", "/b/?cors"),
    ("PUT", "/b/?encryption"),
    ("PUT", "/b/?lifecycle"),
    ("PUT", "/b/?logging"),
    ("PUT", "/b/?ownershipControls"),
    ("PUT", "/b/?publicAccessBlock"),
    ("PUT", "/b/?tagging"),
    ("PUT", "/b/k?tagging"),
    ("PUT", "/b/?versioning"),
    ("PUT", "/v20180820/accesspoint/p"),
    ("PUT", "/v20180820/accesspoint/p/policy"),
];

/// A document as the body of one of the requests that have some.
pub(super) fn document(data: &[u8]) {
    let Some((which, body)) = data.split_first() else {
        return;
    };
    if let Ok(tree) = xml::parse(body) {
        // What was read and is written is read again.
        let again = xml::parse(tree.document().as_bytes());
        assert!(again.is_ok_and(|again| again.name == tree.name));
    }
    let (method, target) = DOCUMENTS[usize::from(*which) % DOCUMENTS.len()];
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let fields: [(&str, &[u8]); 2] = [
        ("host", b"localhost"),
        ("x-amz-account-id", b"111122223333"),
    ];
    let parts = Parts {
        method,
        path,
        query,
        headers: Headers(&fields),
        body,
    };
    let address = s3::address(&names(), "localhost", path).expect("a path of the table");
    match s3::recognise(&address, &parts) {
        Ok(Recognised::Operation(op)) => decode(&op, &address, &parts),
        other => panic!("{target} is {other:?}"),
    }
}
