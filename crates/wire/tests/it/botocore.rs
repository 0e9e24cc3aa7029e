//! botocore as the oracle: it writes random requests of every operation, which must be read back as
//! they were meant, and reads random replies, which must be what was written; and it signs.
//!
//! `cargo test -p adit-wire -- --ignored botocore`, with python3 and botocore installed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use adit_wire::chunked::{Decoder, Step};
use adit_wire::s3::{self, Names, Recognised};
use adit_wire::sigv4::{self, Body, Claim, Expect, Key, KeyCache, Secret};
use adit_wire::{ErrorReply, Headers, OperationRef, Parts, Service, Value, protocol};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// Blobs and moments have no JSON of their own.
fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => json!(flag),
        Value::Int(number) => json!(number),
        Value::Float(number) => json!(number),
        Value::Str(text) => json!(text),
        Value::Blob(bytes) => json!({ "$blob": STANDARD.encode(bytes) }),
        Value::Time { millis } => json!({ "$time": millis }),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(map) => Json::Object(
            map.iter()
                .map(|(k, v)| (k.to_owned(), to_json(v)))
                .collect(),
        ),
    }
}

fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap()),
        },
        Json::String(text) => Value::Str(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(from_json).collect()),
        Json::Object(members) => {
            if let Some(Json::String(text)) = members.get("$blob") {
                return Value::Blob(STANDARD.decode(text).unwrap());
            }
            if let Some(millis) = members.get("$time").and_then(Json::as_i64) {
                return Value::Time { millis };
            }
            Value::Map(
                members
                    .iter()
                    .map(|(k, v)| (k.clone(), from_json(v)))
                    .collect(),
            )
        }
    }
}

/// A question of the script.
struct Question(Json);

impl Question {
    fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_default()
    }

    fn service(&self) -> Service {
        let name = self.text("service");
        Service::ALL
            .into_iter()
            .find(|service| service.name() == name)
            .unwrap()
    }

    fn bytes(&self) -> Vec<u8> {
        STANDARD.decode(self.text("body")).unwrap()
    }

    fn with<T>(&self, work: impl FnOnce(&Parts<'_>) -> T) -> T {
        let pairs = self.0["headers"].as_array().unwrap();
        let headers: Vec<(&str, &[u8])> = pairs
            .iter()
            .map(|pair| {
                (
                    pair[0].as_str().unwrap(),
                    pair[1].as_str().unwrap().as_bytes(),
                )
            })
            .collect();
        work(&Parts {
            method: self.text("method"),
            path: self.text("path"),
            query: self.text("query"),
            headers: Headers(&headers),
            body: &self.bytes(),
        })
    }

    fn answer(&self) -> Json {
        match self.text("ask") {
            "decode" => self.with(|parts| self.decode(parts)),
            "encode" => self.encode(),
            "error" => {
                let error = ErrorReply::new("Code", 400, self.text("message"));
                reply(&protocol::encode_error(self.service(), &error, "req-1"))
            }
            "verify" => self.with(|parts| self.verify(parts)),
            other => panic!("asked {other}"),
        }
    }

    fn decode(&self, parts: &Parts<'_>) -> Json {
        let found = protocol::identify(self.service(), parts).and_then(|op| {
            let value = protocol::decode(&op, parts)?;
            Ok(json!({ "op": op.name(), "value": to_json(&value) }))
        });
        found.unwrap_or_else(|error| json!({ "error": error.to_string() }))
    }

    fn encode(&self) -> Json {
        let op = OperationRef::find(self.service(), self.text("op")).unwrap();
        let output = from_json(&self.0["output"]);
        let mut answer = reply(&protocol::encode(&op, &output, "req-1"));
        answer["unknown"] = json!(protocol::unknown_members(&op, &output));
        answer
    }

    /// Verifies, recognises, decodes, and reads a streamed body to its end.
    fn verify(&self, parts: &Parts<'_>) -> Json {
        let service = self.service();
        let word = parts
            .headers
            .get("x-amz-content-sha256")
            .unwrap_or_default();
        let streamed = word.starts_with("STREAMING");
        let body = if streamed {
            Body::Streamed
        } else {
            Body::Whole
        };
        let now = self.0["now"].as_i64().unwrap();
        let expect = Expect {
            service,
            region: Some(self.text("region")),
            now,
            body,
        };
        let secret = Secret::new(SECRET);
        let token = self.0["token"].as_str();
        let key = Key {
            access_key_id: ID,
            secret: &secret,
            session_token: token,
        };
        let names = Names {
            domain: "amazonaws.com".to_owned(),
            hosts: vec!["localhost".to_owned()],
        };
        let host = parts.headers.get("host").unwrap_or_default();
        let address = s3::address(&names, host, parts.path);
        let verified = match sigv4::claim(parts) {
            Ok(Claim::V4(claim)) => sigv4::verify(&claim, parts, &key, &expect, &KeyCache::new()),
            Ok(Claim::V2(claim)) => {
                let resource = address.as_ref().unwrap().v2_resource(parts.path);
                sigv4::verify_v2(&claim, parts, &resource, &key, now)
            }
            other => panic!("{other:?}"),
        };
        let verified = match verified {
            Ok(verified) => verified,
            Err(error) => return json!({ "error": format!("{error:?}") }),
        };
        if !matches!(service, Service::S3 | Service::S3Control) {
            return json!({ "op": null });
        }
        if streamed {
            let length = parts.headers.get("x-amz-decoded-content-length").unwrap();
            let names = parts.headers.get("x-amz-trailer").map(str::to_owned);
            let names = names.into_iter().collect();
            let mut decoder = Decoder::new(verified.chain, length.parse().unwrap(), names);
            let mut input = parts.body;
            while let Step::Data(_) = decoder.step(&mut input).unwrap() {}
            decoder.finish().unwrap();
        }
        let address = address.unwrap();
        let parts = &Parts {
            body: if streamed { b"" } else { parts.body },
            ..*parts
        };
        let Recognised::Operation(op) = s3::recognise(&address, parts).unwrap() else {
            panic!("no operation")
        };
        let input = s3::decode(&op, &address, parts).unwrap();
        json!({ "op": op.name(), "value": to_json(&input) })
    }
}

fn reply(reply: &adit_wire::HttpReply) -> Json {
    let headers: Vec<Json> = reply
        .headers
        .iter()
        .map(|(name, value)| json!([name.as_ref(), value]))
        .collect();
    json!({ "status": reply.status, "headers": headers, "body": STANDARD.encode(&reply.body) })
}

#[test]
#[ignore = "needs python3 with boto3 and botocore"]
fn botocore_agrees() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/botocore_oracle.py");
    let mut child = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answers = child.stdin.take().unwrap();
    let questions = BufReader::new(child.stdout.take().unwrap());
    let mut count = 0;
    for line in questions.lines() {
        let question = Question(serde_json::from_str(&line.unwrap()).unwrap());
        writeln!(answers, "{}", question.answer()).unwrap();
        count += 1;
    }
    drop(answers);
    assert!(
        child.wait().unwrap().success(),
        "botocore and we differ, see above"
    );
    assert!(count > 3000, "only {count} questions");
}
