//! Whatever is sent, decoders answer: no panic, and no more memory than the input is worth.

use adit_wire::chunked::Decoder;
use adit_wire::s3::{self, Names};
use adit_wire::sigv4::{self, Policy};
use adit_wire::{Headers, Parts, Service, Value, protocol};
use proptest::prelude::*;

use crate::chunked::run;

/// How many values a decoded input holds.
fn size(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Map(map) => 1 + map.iter().map(|(_, value)| size(value)).sum::<usize>(),
        _ => 1,
    }
}

/// Text that looks enough like a request to get past the first check.
fn near_form() -> impl Strategy<Value = String> {
    let action = prop::sample::select(vec![
        "CreateVpcEndpoint",
        "DescribeVpcs",
        "RunInstances",
        "AssumeRole",
        "CreateTopic",
        "CreateRule",
    ]);
    let name = prop::sample::select(vec![
        "VpcId",
        "Filter",
        "TagSpecification",
        "Tag",
        "Tags",
        "member",
        "entry",
        "key",
        "value",
        "1",
        "2",
        "10000",
        "10001",
        "Value",
        "Name",
        "DnsOptions",
        "Attributes",
        "",
        "PolicyArns",
    ]);
    let names = prop::collection::vec(name, 1..6).prop_map(|names| names.join("."));
    let pair = (names, "[a-z%+&=.0-9é]{0,6}").prop_map(|(name, value)| format!("{name}={value}"));
    (action, prop::collection::vec(pair, 0..12))
        .prop_map(|(action, pairs)| format!("Action={action}&{}", pairs.join("&")))
}

fn near_xml() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "<Delete>",
        "</Delete>",
        "<Object>",
        "</Object>",
        "<Key>",
        "</Key>",
        "<Quiet/>",
        "a",
        "&amp;",
        "&#x0;",
        "&#1114112;",
        "&lol;",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<a b='",
        "'>",
        "<?x?>",
        "<!DOCTYPE a>",
        " ",
        "<",
        ">",
        "\u{feff}",
        "xmlns=\"x\"",
    ]);
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

fn near_chunks() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "5",
        "0",
        "a",
        ";chunk-signature=",
        "0123456789abcdef",
        "\r\n",
        "\n",
        "\r",
        "hello",
        ":",
        "x-amz-checksum-crc32",
        "ffffffffffffffff",
        "x-amz-trailer-signature",
        "\u{0}",
    ]);
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat().into_bytes())
}

fn near_multipart() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "--x\r\n",
        "\r\n--x\r\n",
        "\r\n--x--\r\n",
        "\r\n",
        "\r",
        "\n",
        "-",
        "--",
        "x",
        "value",
        "Content-Disposition: form-data; name=\"key\"\r\n\r\n",
        "Content-Disposition: form-data; name=\"file\"\r\n\r\n",
    ]);
    prop::collection::vec(piece, 0..16).prop_map(|pieces| {
        let head = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
        (head.to_owned() + &pieces.concat()).into_bytes()
    })
}

/// Runs every entry of the crate that takes a request.
fn everything(parts: &Parts<'_>) {
    for service in Service::ALL {
        let op = protocol::identify(service, parts);
        let reply = match &op {
            Ok(op) => match protocol::decode(op, parts) {
                Ok(value) => {
                    let bytes = parts.path.len() + parts.query.len() + parts.body.len();
                    let headers: usize = parts.headers.iter().map(|(n, v)| n.len() + v.len()).sum();
                    assert!(size(&value) <= 4 + bytes + headers);
                    let _ = protocol::encode(op, &value, "r");
                    continue;
                }
                Err(error) => error.reply(service),
            },
            Err(error) => error.reply(service),
        };
        assert!((400..=501).contains(&reply.status));
        assert!(reply.message.len() < 4096 && !reply.code.is_empty());
        let _ = protocol::encode_error(service, &reply, "r");
    }
    if let Err(error) = sigv4::claim(parts) {
        for service in Service::ALL {
            assert!(!error.reply(service).code.is_empty());
        }
    }
    let names = Names {
        domain: "amazonaws.com".to_owned(),
        hosts: vec!["h".to_owned()],
    };
    for host in [parts.headers.get("host").unwrap_or("h"), "h"] {
        match s3::address(&names, host, parts.path) {
            Ok(address) => {
                let _ = s3::recognise(&address, parts);
            }
            Err(error) => assert_eq!(error.reply().status, 400),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(
        method in prop::sample::select(vec!["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "x"]),
        path in "/?\\PC{0,40}",
        query in "\\PC{0,60}",
        body in prop::collection::vec(any::<u8>(), 0..200),
        headers in prop::collection::vec(
            (
                prop::sample::select(vec![
                    "authorization", "x-amz-date", "x-amz-target", "host", "x-amz-meta-", "expires",
                    "x-amz-copy-source", "content-length", "x-amz-content-sha256", "x-amz-acl",
                ]),
                prop::collection::vec(any::<u8>(), 0..40),
            ),
            0..6,
        ),
    ) {
        let headers: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
        let parts =
            Parts { method, path: &path, query: &query, headers: Headers(&headers), body: &body };
        everything(&parts);
    }

    #[test]
    fn near_forms(form in near_form()) {
        let parts = Parts {
            method: "POST", path: "/", query: "", headers: Headers(&[]), body: form.as_bytes(),
        };
        everything(&parts);
    }

    #[test]
    fn near_documents(text in near_xml()) {
        for (method, path, query) in
            [("POST", "/b", "delete"), ("POST", "/2013-04-01/hostedzone", "")]
        {
            let parts =
                Parts { method, path, query, headers: Headers(&[]), body: text.as_bytes() };
            everything(&parts);
        }
    }

    #[test]
    fn near_json(text in "[{}\\[\\]\":,a0-9.eE+-]{0,60}") {
        let headers: [(&str, &[u8]); 1] = [("x-amz-target", b"DynamoDB_20120810.PutItem")];
        let parts = Parts {
            method: "POST", path: "/", query: "", headers: Headers(&headers), body: text.as_bytes(),
        };
        everything(&parts);
    }

    #[test]
    fn near_signatures(
        credential in "[A-Z0-9a-z/_]{0,40}",
        signed in "[a-z;-]{0,20}",
        signature in "[0-9a-fx]{0,70}",
        date in "(20130524T000000Z|[0-9TZ]{0,16})",
    ) {
        let text = format!(
            "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed}, Signature={signature}"
        );
        let headers: [(&str, &[u8]); 2] =
            [("authorization", text.as_bytes()), ("x-amz-date", date.as_bytes())];
        let query = format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={date}\
             &X-Amz-SignedHeaders={signed}&X-Amz-Signature={signature}&X-Amz-Expires=1"
        );
        for (query, headers) in [("", Headers(&headers)), (query.as_str(), Headers(&[]))] {
            everything(&Parts { method: "GET", path: "/b/k", query, headers, body: b"" });
        }
        let fields = [("x-amz-algorithm", "AWS4-HMAC-SHA256"), ("x-amz-credential", &*credential)];
        let _ = sigv4::form_claim(&fields);
        let _ = Policy::parse(&signature);
    }

    #[test]
    fn chunks(body in near_chunks(), piece in 1_usize..20, length in 0_u64..20) {
        let names = vec!["x-amz-checksum-crc32".to_owned()];
        let mut decoder = Decoder::new(None, length, names.clone());
        let whole = run(&mut decoder, &body, body.len());
        let mut other = Decoder::new(None, length, names);
        let pieces = run(&mut other, &body, piece);
        // How a body is cut does not matter.
        prop_assert_eq!(whole.map(|(out, _)| out), pieces.map(|(out, _)| out));
    }

    #[test]
    fn forms(body in near_multipart(), piece in 1_usize..20) {
        let split = |piece: usize| {
            let mut reader = s3::FormReader::new("multipart/form-data; boundary=x").unwrap();
            let mut out = Vec::new();
            for mut input in body.chunks(piece) {
                loop {
                    match reader.step(&mut input) {
                        Ok(s3::FormStep::Data(data)) => out.extend_from_slice(&data),
                        Ok(s3::FormStep::File) => {}
                        Ok(_) => break,
                        Err(error) => return Err(error),
                    }
                }
            }
            reader.finish().map(|()| (out, reader.fields().to_vec()))
        };
        prop_assert_eq!(split(body.len().max(1)), split(piece));
    }

    #[test]
    fn keys_come_back_as_they_were(key in "\\PC{1,60}", bucket in "[a-z0-9.-]{3,20}") {
        let mut path = format!("/{bucket}/");
        for byte in key.bytes() {
            path.push_str(&format!("%{byte:02X}"));
        }
        let names = Names { domain: "amazonaws.com".to_owned(), hosts: vec!["h".to_owned()] };
        if let Ok(address) = s3::address(&names, "h", &path) {
            prop_assert_eq!(address.key(), Some(key.as_str()));
        } else {
            prop_assert!(key.contains(".."));
        }
    }
}
