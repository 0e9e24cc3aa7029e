//! What the wire costs, as CPU time per operation and as ratios to limits measured in the same run.
//!
//! `cargo bench -p adit-wire`. Rounds are interleaved and medians compared; a bar that does not hold
//! ends the program with status 1.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a bench stops at what it did not expect"
)]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use adit_wire::chunked::{Decoder, Step};
use adit_wire::sigv4::{self, Body, Claim, Expect, Key, KeyCache, Secret, Sign, Signer};
use adit_wire::{Headers, OperationRef, Parts, Service, Value, list, map, protocol, s3};
use ring::digest::{SHA256, digest};
use ring::hmac;

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const NOW: i64 = 1_369_353_600_000;

/// Nanoseconds of CPU this thread has used, where the kernel tells; else of the clock. Others share
/// the machine, and time they take is not ours.
fn used(start: Instant) -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let cpu = told
        .split(' ')
        .next()
        .and_then(|text| text.parse::<f64>().ok());
    cpu.unwrap_or(start.elapsed().as_nanos() as f64)
}

/// Nanoseconds of one call of `work`, over enough calls to be measured.
fn cost(calls: u32, work: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    let before = used(start);
    for _ in 0..calls {
        work();
    }
    (used(start) - before) / f64::from(calls)
}

/// Medians of interleaved rounds.
fn medians(calls: u32, works: &mut [&mut dyn FnMut()]) -> Vec<f64> {
    const ROUNDS: usize = 9;
    let mut samples = vec![Vec::new(); works.len()];
    for _ in 0..ROUNDS {
        for (work, sample) in works.iter_mut().zip(&mut samples) {
            sample.push(cost(calls, work));
        }
    }
    samples
        .into_iter()
        .map(|mut sample| {
            sample.sort_by(f64::total_cmp);
            sample.get(ROUNDS / 2).copied().unwrap_or_default()
        })
        .collect()
}

/// A bar and whether it holds.
fn bar(name: &str, value: f64, most: f64, unit: &str) -> bool {
    let holds = value <= most;
    let word = if holds { "ok" } else { "OVER" };
    println!("{name:58} {value:9.2} {unit:3} (bar {most}) {word}");
    holds
}

fn endpoint(number: usize) -> Value {
    let id = format!("vpce-{number:017x}");
    map! {
        "VpcEndpointId" => &id,
        "VpcEndpointType" => "Interface",
        "VpcId" => "vpc-0123456789abcdef0",
        "ServiceName" => "com.amazonaws.us-east-1.s3",
        "State" => "available",
        "PolicyDocument" => "{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\
            \"Action\":\"*\",\"Resource\":\"*\"}]}",
        "RouteTableIds" => Value::List(Vec::new()),
        "SubnetIds" => list!["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
        "Groups" => list![map! { "GroupId" => "sg-0123456789abcdef0", "GroupName" => "default" }],
        "IpAddressType" => "ipv4",
        "DnsOptions" => map! {
            "DnsRecordIpType" => "ipv4",
            "PrivateDnsOnlyForInboundResolverEndpoint" => false,
        },
        "PrivateDnsEnabled" => true,
        "RequesterManaged" => false,
        "NetworkInterfaceIds" => list!["eni-0123456789abcdef0", "eni-0123456789abcdef1"],
        "DnsEntries" => list![
            map! { "DnsName" => format!("*.{id}-5e6f.s3.us-east-1.vpce.amazonaws.com"), "HostedZoneId" => "Z7HUB22UULQXV" },
            map! { "DnsName" => format!("*.{id}-5e6f-us-east-1a.s3.us-east-1.vpce.amazonaws.com"), "HostedZoneId" => "Z7HUB22UULQXV" },
            map! { "DnsName" => format!("*.{id}-5e6f-us-east-1b.s3.us-east-1.vpce.amazonaws.com"), "HostedZoneId" => "Z7HUB22UULQXV" },
        ],
        "CreationTimestamp" => Value::Time { millis: NOW + 123 },
        "Tags" => list![map! { "Key" => "Name", "Value" => "front" }],
        "OwnerId" => "111122223333",
        "ServiceRegion" => "us-east-1",
    }
}

fn codec() -> bool {
    let op = OperationRef::find(Service::Ec2, "DescribeVpcEndpoints").expect("an operation");
    let page = map! { "VpcEndpoints" => (0..1000).map(endpoint).collect::<Vec<Value>>() };
    let form = b"Action=CreateVpcEndpoint&Version=2016-11-15&VpcEndpointType=Interface\
        &VpcId=vpc-0123456789abcdef0&ServiceName=com.amazonaws.us-east-1.s3\
        &SubnetId.1=subnet-0123456789abcdef0&SubnetId.2=subnet-0123456789abcdef1\
        &SecurityGroupId.1=sg-0123456789abcdef0&PrivateDnsEnabled=false\
        &TagSpecification.1.ResourceType=vpc-endpoint&TagSpecification.1.Tag.1.Key=Name\
        &TagSpecification.1.Tag.1.Value=front&ClientToken=0123456789abcdef";
    let parts = Parts {
        method: "POST",
        path: "/",
        query: "",
        headers: Headers(&[]),
        body: form,
    };
    let mut encode = || drop(black_box(protocol::encode(&op, &page, "r")));
    let mut decode = || {
        let op = protocol::identify(Service::Ec2, &parts).expect("an operation");
        drop(black_box(protocol::decode(&op, &parts).expect("an input")));
    };
    let encoded = medians(40, &mut [&mut encode]);
    let decoded = medians(10_000, &mut [&mut decode]);
    let item = encoded.first().copied().unwrap_or_default() / 1000.0;
    let create = decoded.first().copied().unwrap_or_default();
    bar(
        "encode one DescribeVpcEndpoints item",
        item / 1000.0,
        2.0,
        "us",
    ) & bar(
        "identify and decode CreateVpcEndpoint",
        create / 1000.0,
        20.0,
        "us",
    )
}

fn signatures() -> bool {
    let secret = Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let key = Key {
        access_key_id: ID,
        secret: &secret,
        session_token: None,
    };
    let mut headers: Vec<(&str, Vec<u8>)> = vec![
        (
            "host",
            b"bucket.vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com".to_vec(),
        ),
        (
            "user-agent",
            b"Boto3/1.43.11 md/Botocore#1.43.11 ua/2.1 os/linux".to_vec(),
        ),
        ("accept-encoding", b"identity".to_vec()),
        ("x-amz-checksum-mode", b"ENABLED".to_vec()),
    ];
    let signer = Signer {
        key,
        region: "us-east-1",
        service: Service::S3,
        now: NOW,
    };
    let signed = |headers: &[(&str, Vec<u8>)]| {
        let kept: Vec<(&str, &[u8])> = headers
            .iter()
            .filter(|(name, _)| *name == "host" || name.starts_with("x-amz"))
            .map(|(name, value)| (*name, value.as_slice()))
            .collect();
        let parts = Parts {
            method: "GET",
            path: "/my-bucket/dir/some-object-key.bin",
            query: "",
            headers: Headers(&kept),
            body: b"",
        };
        signer.sign(&parts, Sign::Bytes(b""))
    };
    headers.extend(
        signed(&headers)
            .into_iter()
            .map(|(name, value)| (name, value.into_bytes())),
    );
    let headers: Vec<(&str, &[u8])> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_slice()))
        .collect();
    let parts = Parts {
        method: "GET",
        path: "/my-bucket/dir/some-object-key.bin",
        query: "",
        headers: Headers(&headers),
        body: b"",
    };
    let expect = Expect {
        service: Service::S3,
        region: Some("us-east-1"),
        now: NOW,
        body: Body::Streamed,
    };
    let verify = |cache: &KeyCache| match sigv4::claim(&parts) {
        Ok(Claim::V4(v4)) => sigv4::verify(&v4, &parts, &key, &expect, cache).expect("a match"),
        _ => panic!("a claim"),
    };
    let cache = KeyCache::new();
    // The size of this very request, as the refusal of another one tells it.
    let other = Secret::new("other");
    let wrong = Key {
        access_key_id: ID,
        secret: &other,
        session_token: None,
    };
    let canonical = match sigv4::claim(&parts) {
        Ok(Claim::V4(v4)) => match sigv4::verify(&v4, &parts, &wrong, &expect, &cache) {
            Err(sigv4::AuthError::Mismatch(mismatch)) => mismatch.canonical_request.into_bytes(),
            _ => panic!("a mismatch"),
        },
        _ => panic!("a claim"),
    };
    let cache = KeyCache::new();
    let mac = hmac::Key::new(hmac::HMAC_SHA256, b"key");
    let names = s3::Names::new("amazonaws.com");
    let host = headers.first().map(|(_, value)| *value).unwrap_or_default();
    let host = std::str::from_utf8(host).expect("text");
    let mut text = [b'x'; 139];
    let mut limit = || {
        let hash = digest(&SHA256, black_box(&canonical));
        // The text that is signed: algorithm, date, scope and that hash in hex.
        text.get_mut(..32)
            .expect("32 bytes")
            .copy_from_slice(hash.as_ref());
        black_box(hmac::sign(&mac, &text));
    };
    let mut kept = || drop(black_box(verify(&cache)));
    let mut fresh = || drop(black_box(verify(&KeyCache::new())));
    let mut recognise = || {
        let address = s3::address(&names, host, parts.path).expect("an address");
        drop(black_box(
            s3::recognise(&address, &parts).expect("an operation"),
        ));
    };
    let found = medians(
        20_000,
        &mut [&mut limit, &mut kept, &mut fresh, &mut recognise],
    );
    let [limit, kept, fresh, recognise] = found.as_slice() else {
        return false;
    };
    println!(
        "one SHA-256 of {} bytes and one HMAC: {limit:.0} ns",
        canonical.len()
    );
    bar("G1 verify a GetObject, key kept", kept / 1000.0, 2.0, "us")
        & bar(
            "G1 the same to one hash and one HMAC",
            kept / limit,
            2.5,
            "x",
        )
        & bar(
            "G2 the same to one without the cache (1/1.8)",
            kept / fresh,
            1.0 / 1.8,
            "x",
        )
        & bar(
            "address and recognise a GetObject",
            recognise / 1000.0,
            1.0,
            "us",
        )
        & bar("keys derived", cache.derivations() as f64, 1.0, "")
}

/// A body of 64 KiB chunks, unsigned.
fn chunked_body(size: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(size + size / 1000);
    for _ in 0..size / 65_536 {
        body.extend_from_slice(b"10000\r\n");
        body.resize(body.len() + 65_536, b'a');
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    body
}

fn bodies() -> bool {
    const SIZE: usize = 64 << 20;
    let plain = vec![b'a'; SIZE];
    let chunked = chunked_body(SIZE);
    let mut raw = || {
        black_box(digest(&SHA256, &plain));
    };
    let mut decoded = || {
        let mut decoder = Decoder::new(None, SIZE as u64, Vec::new());
        let mut hash = ring::digest::Context::new(&SHA256);
        // As a socket hands it over.
        for mut piece in chunked.chunks(256 << 10) {
            while let Ok(Step::Data(data)) = decoder.step(&mut piece) {
                hash.update(data);
            }
        }
        decoder.finish().expect("the whole body");
        black_box(hash.finish());
    };
    let found = medians(1, &mut [&mut raw, &mut decoded]);
    let [raw, decoded] = found.as_slice() else {
        return false;
    };
    bar(
        "G3 decode and hash 64 MiB to hashing it",
        decoded / raw,
        1.15,
        "x",
    )
}

fn main() -> ExitCode {
    let start = Instant::now();
    let operations: usize = Service::ALL
        .iter()
        .filter_map(|service| service.table())
        .map(|table| table.operations().count())
        .sum();
    println!(
        "{operations} operations read in {:.1} ms",
        start.elapsed().as_secs_f64() * 1000.0
    );
    if codec() & signatures() & bodies() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
