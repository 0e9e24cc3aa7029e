"""What browsers send: uploads by form, preflight requests, and the headers that answers carry for scripts."""

import base64
import json

import pytest
from harness.expect import allowed
from harness.forms import form, post, presigned, send

PAGE = "https://app.example.com"


@pytest.fixture(scope="module")
def bucket(installation):
    installation.used = True
    return installation.bucket()


# ---- forms ------------------------------------------------------------------------------------


def test_a_form_uploads_a_file(installation, bucket):
    fields = presigned(installation, bucket, "up/${filename}", [["starts-with", "$key", "up/"], {"x-amz-meta-colour": "blue"}, {"Content-Type": "text/plain"}],
                       {"x-amz-meta-colour": "blue", "Content-Type": "text/plain"})
    status, headers, _ = post(installation, bucket, fields, file=b"a file\r\n--not the end", name="C:\\me\\note.txt")
    assert status == 204 and headers["Location"].endswith(f"/{bucket}/up/note.txt")
    got = installation.s3.get_object(Bucket=bucket, Key="up/note.txt")
    assert got["Body"].read() == b"a file\r\n--not the end"
    assert (got["ContentType"], got["Metadata"], got["ETag"]) == ("text/plain", {"colour": "blue"}, headers["ETag"])


def test_what_the_form_wants_to_be_answered(installation, bucket):
    wanted = [["starts-with", "$success_action_status", ""]]
    for asked, status in (("200", 200), ("201", 201), ("204", 204), ("500", 204)):
        fields = presigned(installation, bucket, "s", wanted) | {"success_action_status": asked}
        got, _, text = post(installation, bucket, fields)
        assert got == status
        if status == 201:
            assert f"<Bucket>{bucket}</Bucket><Key>s</Key>" in text and "<PostResponse>" in text
    fields = presigned(installation, bucket, "s", [["starts-with", "$success_action_redirect", "https://"]])
    status, headers, _ = post(installation, bucket, fields | {"success_action_redirect": f"{PAGE}/done"})
    assert status == 303 and headers["Location"].startswith(f"{PAGE}/done?bucket={bucket}&key=s&etag=%22") or "%2D" in headers["Location"]


def test_the_policy_is_kept_to(installation, bucket):
    def refusal(conditions=None, change=None, fields=None, key="k", **more):
        given = presigned(installation, bucket, key, conditions, fields) | (change or {})
        status, _, text = post(installation, bucket, given, **more)
        return status, text

    status, text = refusal([["content-length-range", 1, 4]], file=b"12345")
    assert status == 400 and "EntityTooLarge" in text
    status, text = refusal([["content-length-range", 4, 9]], file=b"123")
    assert status == 400 and "EntityTooSmall" in text
    status, text = refusal(change={"x-amz-meta-extra": "1"})
    assert status == 403 and "Extra input fields: x-amz-meta-extra" in text
    status, text = refusal([["starts-with", "$Content-Type", "image/"]], {"Content-Type": "text/html"})
    assert status == 403 and "Policy Condition failed" in text
    status, text = refusal(change={"key": "another"})
    assert status == 403 and "Policy Condition failed" in text
    with pytest.raises(installation.s3.exceptions.NoSuchKey):
        installation.s3.get_object(Bucket=bucket, Key="k")


def test_a_form_is_authenticated(installation, bucket):
    good = presigned(installation, bucket, "k")
    status, _, text = post(installation, bucket, good | {"x-amz-signature": "0" * 64})
    assert status == 403 and "SignatureDoesNotMatch" in text
    other = base64.b64encode(json.dumps({"expiration": "2099-01-01T00:00:00Z", "conditions": []}).encode()).decode()
    status, _, text = post(installation, bucket, good | {"policy": other})
    assert status == 403 and "SignatureDoesNotMatch" in text
    status, _, text = post(installation, bucket, {"key": "k"})
    assert status == 403 and "AccessDenied" in text, "unsigned: nobody may"
    expired = presigned(installation, bucket, "k", ExpiresIn=-60)
    status, _, text = post(installation, bucket, expired)
    assert status == 403 and "Policy expired" in text
    status, _, text = post(installation, bucket, good, file=None)
    assert status == 400 and "IncorrectNumberOfFilesInPostRequest" in text
    status, _, text = post(installation, bucket, {"a": "x" * 30_000})
    assert status == 400 and "MaxPostPreDataLengthExceeded" in text
    headers, body = form(good)
    status, _, text = send(f"http://{installation.address}/{bucket}", "POST", headers | {"Authorization": "AWS4-HMAC-SHA256 x"}, body)
    assert status == 400
    assert post(installation, "no-such-bucket-anywhere", good)[0] == 404


def test_a_policy_can_tell_forms_apart(installation):
    bucket = installation.bucket()
    installation.put_policy(bucket, {
        "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"StringEquals": {"s3:authType": "POST"}},
    })
    assert post(installation, bucket, presigned(installation, bucket, "k"))[0] == 403
    installation.s3.put_object(Bucket=bucket, Key="k", Body=b"")


def test_an_anonymous_form_where_a_policy_admits_it(installation):
    bucket = installation.bucket()
    installation.s3.delete_public_access_block(Bucket=bucket)
    installation.put_policy(bucket, {"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/in/*"})
    assert post(installation, bucket, {"key": "in/a"})[0] == 204
    assert post(installation, bucket, {"key": "out/a"})[0] == 403


# ---- cross-origin -----------------------------------------------------------------------------


RULES = [
    {"AllowedOrigins": ["https://*.example.com"], "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": ["x-amz-*", "content-type"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 600},
    {"AllowedOrigins": ["*"], "AllowedMethods": ["HEAD"]},
]


def preflight(installation, bucket, method, headers=None, origin=PAGE, key="k"):
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return send(f"http://{installation.address}/{bucket}/{key}", "OPTIONS", {k: v for k, v in asked.items() if v})


def test_preflight(installation):
    bucket = installation.bucket()
    status, _, text = preflight(installation, bucket, "PUT")
    assert status == 403 and "CORS is not enabled for this bucket" in text and "<ResourceType>OBJECT<" in text
    installation.s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES})
    status, headers, _ = preflight(installation, bucket, "PUT", "X-Amz-Date, content-type")
    assert status == 200
    assert headers["Access-Control-Allow-Origin"] == PAGE and headers["Access-Control-Allow-Credentials"] == "true"
    assert headers["Access-Control-Allow-Methods"] == "GET, PUT"
    assert headers["Access-Control-Allow-Headers"] == "x-amz-date, content-type"
    assert (headers["Access-Control-Expose-Headers"], headers["Access-Control-Max-Age"]) == ("ETag", "600")
    assert "Origin" in headers["Vary"]
    status, headers, _ = preflight(installation, bucket, "HEAD", origin="https://else.where")
    assert status == 200 and headers["Access-Control-Allow-Origin"] == "*" and headers["Access-Control-Allow-Credentials"] is None
    for method, asked, origin in (("DELETE", None, PAGE), ("PUT", "authorization", PAGE), ("PUT", None, "https://else.where")):
        status, _, text = preflight(installation, bucket, method, asked, origin)
        assert status == 403 and "This CORS request is not allowed" in text, (method, asked, origin)
    assert preflight(installation, bucket, "PUT", origin=None)[0] == 400
    assert preflight(installation, "no-such-bucket-anywhere", "PUT")[0] == 403


def test_answers_carry_the_headers_of_the_rule(installation):
    bucket = installation.bucket()
    installation.s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES})
    installation.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    url = installation.s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    status, headers, _ = send(url, headers={"Origin": PAGE})
    assert status == 200 and headers["Access-Control-Allow-Origin"] == PAGE
    status, headers, _ = send(url, headers={"Origin": "https://else.where"})
    assert status == 200 and headers["Access-Control-Allow-Origin"] is None
    status, headers, _ = send(url)
    assert headers["Access-Control-Allow-Origin"] is None
    status, headers, _ = send(f"http://{installation.address}/{bucket}/k", headers={"Origin": PAGE})
    assert status == 403 and headers["Access-Control-Allow-Origin"] == PAGE, "errors carry them too"


def test_both_through_endpoints(installation, bucket):
    """The same through a gateway endpoint and an interface endpoint, over TLS, with curl."""
    from harness.network import Vpc

    vpc = Vpc(installation, dns_hostnames=True)
    subnet, _, _ = vpc.private_subnet_with_gateway()
    endpoint = vpc.interface_endpoint(subnet)
    installation.s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES})
    with installation.host(subnet) as host:
        bundle = host.variables["AWS_CA_BUNDLE"]
        for name in (f"{bucket}.s3.us-east-1.amazonaws.com", f"{bucket}.bucket.{endpoint.names[0]}"):
            fields = presigned(installation, bucket, f"by/{name}")
            form_of = [part for key, value in fields.items() for part in ("-F", f"{key}={value}")]
            put = host.shell("curl", "-sS", "--cacert", bundle, "-w", "%{http_code}", *form_of, "-F", "file=@/etc/hostname", f"https://{name}/")
            assert put.stdout == "204", (put.stdout, put.stderr)
            asked = host.shell(
                "curl", "-sS", "-i", "--cacert", bundle, "-X", "OPTIONS", "-H", f"Origin: {PAGE}",
                "-H", "Access-Control-Request-Method: PUT", f"https://{name}/k",
            )
            assert f"access-control-allow-origin: {PAGE}" in asked.stdout.lower(), asked
        listed = allowed(host.s3("list_objects_v2", Bucket=bucket, Prefix="by/"))
        assert listed["KeyCount"] == 2
