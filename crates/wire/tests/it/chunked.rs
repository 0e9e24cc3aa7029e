//! Streamed bodies: published vectors, other clients' habits, and every way to be wrong.

use adit_wire::chunked::{Chain, ChunkError, Decoder, Step};
use adit_wire::sigv4::{Payload, Verified};

use crate::sigv4::{Request, check, expect_s3};

const LENGTH: u64 = 66_560;

fn put(word: &str, signed: &str, signature: &str, extra: &[(&str, &str)]) -> Verified {
    let mut request = Request::new(
        "PUT",
        "/examplebucket/chunkObject.txt",
        "",
        &[
            ("host", "s3.amazonaws.com"),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", word),
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "66560"),
        ],
    );
    for (name, value) in extra {
        request.header(name, value);
    }
    request.header(
        "authorization",
        &format!(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders={signed}, Signature={signature}"
        ),
    );
    check(&request, &expect_s3()).unwrap()
}

fn signed() -> (Chain, Vec<u8>) {
    let verified = put(
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;\
         x-amz-decoded-content-length;x-amz-storage-class",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        &[("content-length", "66824")],
    );
    assert_eq!(verified.payload, Payload::Chunks);
    let mut body = Vec::new();
    chunk(
        &mut body,
        65_536,
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    );
    chunk(
        &mut body,
        1024,
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    );
    chunk(
        &mut body,
        0,
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    );
    assert_eq!(body.len(), 66_824);
    (verified.chain.unwrap(), body)
}

fn trailed() -> (Chain, Vec<u8>) {
    let verified = put(
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
         x-amz-storage-class;x-amz-trailer",
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        &[("x-amz-trailer", "x-amz-checksum-crc32c")],
    );
    assert_eq!(verified.payload, Payload::ChunksWithTrailer);
    let mut body = Vec::new();
    chunk(
        &mut body,
        65_536,
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    );
    chunk(
        &mut body,
        1024,
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    );
    let last = "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992";
    body.extend_from_slice(format!("0;chunk-signature={last}\r\n").as_bytes());
    body.extend_from_slice(
        b"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:\
          d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
    );
    (verified.chain.unwrap(), body)
}

fn chunk(body: &mut Vec<u8>, size: usize, signature: &str) {
    body.extend_from_slice(format!("{size:x};chunk-signature={signature}\r\n").as_bytes());
    body.extend(std::iter::repeat_n(b'a', size));
    body.extend_from_slice(b"\r\n");
}

/// Feeds `body` in pieces; what came out, and what was left over.
pub(crate) fn run(
    decoder: &mut Decoder,
    body: &[u8],
    piece: usize,
) -> Result<(Vec<u8>, usize), ChunkError> {
    let mut out = Vec::new();
    let mut done = false;
    let mut left = 0;
    for input in body.chunks(piece.max(1)) {
        let mut input = input;
        if done {
            left += input.len();
            continue;
        }
        loop {
            match decoder.step(&mut input)? {
                Step::Data(data) => out.extend_from_slice(data),
                Step::More => {
                    assert!(input.is_empty());
                    break;
                }
                Step::Done => {
                    done = true;
                    left += input.len();
                    break;
                }
            }
        }
    }
    decoder.finish()?;
    Ok((out, left))
}

#[test]
fn published_chunks_in_pieces_of_any_size() {
    for piece in [1, 2, 7, 85, 1000, 65_536, 1 << 20] {
        let (chain, body) = signed();
        let mut decoder = Decoder::new(Some(chain), LENGTH, Vec::new());
        let (out, left) = run(&mut decoder, &body, piece).unwrap();
        assert_eq!((out.len(), left), (66_560, 0));

        let (chain, body) = trailed();
        let names = vec!["X-Amz-Checksum-Crc32c".to_owned()];
        let mut decoder = Decoder::new(Some(chain), LENGTH, names);
        run(&mut decoder, &body, piece).unwrap();
        let trailer = ("x-amz-checksum-crc32c".to_owned(), "sOO8/Q==".to_owned());
        assert_eq!(decoder.trailers(), [trailer]);
    }
}

#[test]
fn any_flipped_byte_is_noticed() {
    let (_, body) = trailed();
    // All of the framing and trailer, and some of the data.
    let framing = (0..90).chain(65_500..65_720).chain(66_600..body.len());
    for at in framing {
        let (chain, mut body) = trailed();
        body[at] ^= 1;
        let names = vec!["x-amz-checksum-crc32c".to_owned()];
        let mut decoder = Decoder::new(Some(chain), LENGTH, names);
        let found = run(&mut decoder, &body, 4096);
        // The case of a size's digits, and of a trailer's name, means nothing.
        assert!(found.is_err(), "byte {at} of {}", body.len());
        assert_eq!(
            run(&mut decoder, b"", 1).unwrap_err(),
            decoder.finish().unwrap_err()
        );
    }
}

fn unsigned(length: u64, names: &[&str], body: &[u8]) -> Result<Vec<u8>, ChunkError> {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let mut decoder = Decoder::new(None, length, names);
    run(&mut decoder, body, 3).map(|(out, _)| out)
}

#[test]
fn unsigned_chunks_as_clients_send_them() {
    let crc = ["x-amz-checksum-crc32"];
    for (length, names, body) in [
        (
            5,
            &crc[..],
            &b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"[..],
        ),
        // Upper case sizes, and several chunks.
        (
            30,
            &crc[..],
            b"1E\r\nhellohellohellohellohellohello\r\n0\r\nX-Amz-Checksum-CRC32: x \r\n\r\n",
        ),
        (0, &[], b"0\r\n\r\n"),
        (1, &[], b"1;some-extension=x\r\na\r\n0\r\n\r\n"),
    ] {
        let out = unsigned(length, names, body).unwrap();
        assert_eq!(out.len() as u64, length);
    }
    let mut decoder = Decoder::new(None, 1, Vec::new());
    let (_, left) = run(&mut decoder, b"1\r\na\r\n0\r\n\r\nGET / HTTP/1.1", 1000).unwrap();
    assert_eq!(left, 14);
}

#[test]
fn wrong_bodies_have_their_errors() {
    let long = format!("{}\r\n", "1".repeat(600));
    let trailer = format!(
        "0\r\n{}\r\n\r\n",
        format!("a:{}\r\n", "x".repeat(3000)).repeat(3)
    );
    let crc = &["x-amz-checksum-crc32"][..];
    for (length, names, body, code) in [
        (5, &[][..], &b"5\r\nhel"[..], "IncompleteBody"),
        (5, &[], b"5\r\nhello\r\n0\r\n", "IncompleteBody"),
        (5, &[], b"4\r\nhell\r\n0\r\n\r\n", "IncompleteBody"),
        (5, &[], b"6\r\nhello!\r\n0\r\n\r\n", "IncompleteBody"),
        (5, &[], b"ffffffffffffffff\r\n", "IncompleteBody"),
        (5, &[], b"10000000000000000\r\n", "InvalidRequest"),
        (5, &[], b"5\r\nhello0\r\n\r\n", "InvalidRequest"),
        (5, &[], b"5\nhello\r\n0\r\n\r\n", "InvalidRequest"),
        (
            5,
            &[],
            b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
            "InvalidChunkSizeError",
        ),
        (5, &[], b"-5\r\nhello\r\n0\r\n\r\n", "InvalidRequest"),
        (5, &[], b"\r\nhello\r\n0\r\n\r\n", "InvalidRequest"),
        (5, &[], b"0x5\r\nhello\r\n0\r\n\r\n", "InvalidRequest"),
        (5, &[], long.as_bytes(), "InvalidRequest"),
        (0, &["a"], trailer.as_bytes(), "MalformedTrailerError"),
        (0, crc, b"0\r\n\r\n", "MalformedTrailerError"),
        (
            0,
            &[],
            b"0\r\nx-amz-checksum-crc32:x\r\n\r\n",
            "MalformedTrailerError",
        ),
        (
            0,
            crc,
            b"0\r\nx-amz-checksum-crc32\r\n\r\n",
            "MalformedTrailerError",
        ),
        (
            0,
            crc,
            b"0\r\nx-amz-checksum-crc32:a\r\nx-amz-checksum-crc32:b\r\n\r\n",
            "MalformedTrailerError",
        ),
        (
            0,
            crc,
            b"0\r\nx-amz-checksum-crc32:a\r\nx-amz-trailer-signature:b\r\n\r\n",
            "MalformedTrailerError",
        ),
    ] {
        let error = unsigned(length, names, body).unwrap_err();
        assert_eq!(
            error.reply().code,
            code,
            "{}",
            String::from_utf8_lossy(body)
        );
    }
}

/// As S3 tells it: which chunk came after the small one, and how small that was.
#[test]
fn only_the_last_chunk_may_be_small() {
    let chunk = |size: usize| format!("{size:x}\r\n{}\r\n", "a".repeat(size));
    let body = |sizes: &[usize]| -> (u64, String) {
        let framed = sizes.iter().map(|size| chunk(*size)).collect::<String>();
        (sizes.iter().sum::<usize>() as u64, framed + "0\r\n\r\n")
    };
    for sizes in [&[8192, 1][..], &[8192, 8192, 8191], &[10_000], &[1]] {
        let (length, body) = body(sizes);
        unsigned(length, &[], body.as_bytes()).unwrap();
    }
    for (sizes, chunk, size) in [(&[5, 1][..], 2, 5), (&[8192, 8191, 1], 3, 8191)] {
        let (length, body) = body(sizes);
        let error = unsigned(length, &[], body.as_bytes()).unwrap_err();
        assert_eq!(error, ChunkError::Small { chunk, size });
        assert_eq!(error.reply().status, 403);
    }
}

#[test]
fn signed_bodies_need_their_signatures() {
    let (chain, _) = signed();
    let mut decoder = Decoder::new(Some(chain.clone()), 1, Vec::new());
    assert_eq!(
        run(&mut decoder, b"1\r\na\r\n0\r\n\r\n", 99).unwrap_err(),
        ChunkError::Signature
    );
    let reply = ChunkError::Signature.reply();
    assert_eq!(
        (reply.code.as_ref(), reply.status),
        ("SignatureDoesNotMatch", 403)
    );

    // A trailer without its signature, and chunks in another order.
    let (chain, body) = trailed();
    let text = String::from_utf8(body).unwrap();
    let cut = text.replace(
        "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n",
        "",
    );
    let names = vec!["x-amz-checksum-crc32c".to_owned()];
    let mut decoder = Decoder::new(Some(chain), LENGTH, names);
    assert_eq!(
        run(&mut decoder, cut.as_bytes(), 999).unwrap_err(),
        ChunkError::Signature
    );
    assert_eq!(format!("{:?}", signed().0), "Chain(…)");
}
