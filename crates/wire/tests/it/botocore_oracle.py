"""Asks the test that started it about requests and replies of botocore's own making.

One question a line on standard output, one answer a line on standard input; what differs goes to
standard error and makes the exit status 1.
"""

import base64
import datetime
import io
import json
import pathlib
import random
import string
import sys
import time
import urllib.parse

import boto3
import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.serialize
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.config import Config

TABLES = pathlib.Path(__file__).parent.parent.parent / "tables"
SERVICES = sorted(path.stem for path in TABLES.glob("*.txt"))
UTC = datetime.timezone.utc
ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
ENDPOINT = "vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com"
# Operations that lose against a newer one on the same method and path, or have a host of their own.
TWINS = {
    "GetBucketLifecycle", "GetBucketNotification", "PutBucketLifecycle", "PutBucketNotification",
    "ListDirectoryBuckets", "WriteGetObjectResponse",
}
R = random.Random(7)
differences = 0


def ask(question):
    print(json.dumps(question), flush=True)
    return json.loads(sys.stdin.readline())


def differ(*what):
    global differences
    differences += 1
    if differences < 20:
        print(*[str(piece)[:600] for piece in what], file=sys.stderr)


def table_operations(service):
    lines = (TABLES / f"{service}.txt").read_text().splitlines()
    return {line.split("\t")[1] for line in lines if line.startswith("op\t")}


def text(shape, header):
    """Random text that the shape allows; patterns are met by letters or not at all."""
    if shape.enum:
        return R.choice(shape.enum)
    low = int(shape.metadata.get("min") or 0)
    high = min(int(shape.metadata.get("max") or low + 12), low + 12)
    special = "" if header or "pattern" in shape.metadata else " &<>\"'é%+=/-_.\n"
    letters = string.ascii_letters + string.digits + special
    size = R.randint(max(low, 1), max(high, 1))
    return "".join(R.choice(letters) for _ in range(size))


PATTERNS = {}


def patterned(service):
    """Shapes whose pattern plain letters do not meet: they are left out."""
    if service not in PATTERNS:
        rows = (TABLES / f"{service}.txt").read_text().splitlines()
        rows = [row.split("\t") for row in rows if row.startswith("s\t") and "pattern=" in row]
        loose = {r"[\w+=,.@-]+", r"[\w]+", r"[\w]*", r"[\w+=,.@-]*", r"[\w-]+"}
        PATTERNS[service] = {
            row[1] for row in rows if not any(f.removeprefix("pattern=") in loose for f in row)
        }
    return PATTERNS[service]


def value(service, shape, depth=0, header=False, out=False):
    kind = shape.type_name
    if kind == "structure":
        return structure(service, shape, depth, out)
    if kind == "list":
        low = int(shape.metadata.get("min") or 0)
        size = min(max(low, R.choice([1, 2, 11 if depth < 3 else 1])),
                   int(shape.metadata.get("max") or 99))
        return [value(service, shape.member, depth + 1, header, out) for _ in range(size)]
    if kind == "map":
        names = {text(shape.key, True).lower() if header else text(shape.key, header)
                 for _ in range(R.randint(1, 2))}
        return {name: value(service, shape.value, depth + 1, header, out) for name in names}
    if kind in ("integer", "long"):
        low = int(shape.metadata.get("min") or 0)
        return R.randint(low, int(shape.metadata.get("max") or low + 1000))
    if kind in ("float", "double"):
        low = shape.metadata.get("min") or 0
        return R.uniform(low, shape.metadata.get("max") or low + 100)
    if kind == "boolean":
        return R.random() < 0.5
    if kind == "blob":
        return bytes(R.randrange(256) for _ in range(max(int(shape.metadata.get("min") or 0), 5)))
    if kind == "timestamp":
        return datetime.datetime.fromtimestamp(R.randrange(10**9, 2 * 10**9), UTC)
    return text(shape, header)


def usable(service, member, out):
    """False for what cannot be made up: streams, and text with a narrow pattern in a request."""
    if member.serialization.get("eventstream") or getattr(member, "is_eventstream", False):
        return False
    inner = member
    while inner.type_name == "list":
        inner = inner.member
    return out or inner.name not in patterned(service)


def structure(service, shape, depth, out):
    members = {n: m for n, m in shape.members.items() if usable(service, m, out)}
    names = list(members)
    if getattr(shape, "is_tagged_union", False) and names:
        names = [R.choice(names)]
        required = set(names)
    else:
        required = set(shape.required_members)
    if not out and required - set(members):
        raise Unmakeable
    made = {}
    for name in names:
        if depth > 9 or (name not in required and (depth > 4 or R.random() < 0.45)):
            continue
        place = members[name].serialization.get("location")
        header = place in ("header", "headers", "uri")
        try:
            made[name] = value(service, members[name], depth + 1, header, out)
        except Unmakeable:
            if name in required:
                raise
    return made


class Unmakeable(Exception):
    """A required member whose pattern is too narrow to be met by chance."""


def pruned(made, shape):
    """Without what Query serialisers do not send: empty structures and lists."""
    if shape.type_name == "structure":
        kept = {name: pruned(inner, shape.members[name]) for name, inner in made.items()}
        return {name: inner for name, inner in kept.items() if inner not in ({}, [])}
    if shape.type_name == "list":
        return [inner for inner in (pruned(item, shape.member) for item in made) if inner not in ({}, [])]
    if shape.type_name == "map":
        return {name: pruned(inner, shape.value) for name, inner in made.items()}
    return made


def plain(made):
    if isinstance(made, dict):
        return {name: plain(inner) for name, inner in made.items() if inner is not None}
    if isinstance(made, (list, tuple)):
        return [plain(item) for item in made]
    if isinstance(made, bytes):
        return {"$blob": base64.b64encode(made).decode()}
    if isinstance(made, datetime.datetime):
        return {"$time": int(made.timestamp() * 1000)}
    return made


def unlike(a, b, path=""):
    """Where two values differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        if a.keys() != b.keys():
            return f"{path}: {a.keys() ^ b.keys()}"
        return next((d for d in (unlike(a[k], b[k], f"{path}.{k}") for k in a) if d), None)
    if isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return f"{path}: {len(a)} and {len(b)} items"
        pairs = enumerate(zip(a, b))
        return next((d for d in (unlike(x, y, f"{path}[{i}]") for i, (x, y) in pairs) if d), None)
    if isinstance(a, float) or isinstance(b, float):
        return None if abs(a - b) < 1e-6 * max(1, abs(a)) else f"{path}: {a} {b}"
    return None if a == b and type(a) is type(b) else f"{path}: {a!r} {b!r}"


def payload(shape, kind):
    name = shape.serialization.get("payload")
    return name if name and shape.members[name].type_name == kind else None


def request_parts(request):
    path, _, query = request["url_path"].partition("?")
    more = request["query_string"]
    if isinstance(more, dict):
        pairs = [(k, v) for k, vs in more.items() for v in (vs if isinstance(vs, list) else [vs])]
        quote = lambda t: urllib.parse.quote(str(t), safe="-._~")
        more = "&".join(f"{quote(k)}={quote(v)}" for k, v in pairs)
    body = request["body"]
    if isinstance(body, dict):
        body = urllib.parse.urlencode(body)
    body = body.encode() if isinstance(body, str) else body or b""
    return {
        "method": request["method"], "path": path, "query": "&".join(p for p in (query, more) if p),
        "headers": [[k, str(v)] for k, v in request["headers"].items()],
        "body": base64.b64encode(body).decode(),
    }


def check_input(service, serializer, operation):
    shape = operation.input_shape
    if shape is None or operation.has_event_stream_input:
        return
    try:
        made = value(service, shape)
    except Unmakeable:
        return
    if service == "s3":
        made.pop(payload(shape, "blob"), None)
        if "Bucket" in made:
            made["Bucket"] = "bkt"
        if "Key" in made:
            made["Key"] = R.choice(["a b", "x/y//z", "é+%", "a/../b", "t/"])
    if service in ("ec2", "iam", "sts", "sns", "elbv2"):
        made = pruned(made, shape)
        if any(name not in made for name in shape.required_members):
            return
    inner = payload(shape, "structure")
    if inner and made.get(inner) == {} and inner not in shape.required_members:
        made.pop(inner)
    for name, fixed in (("AccountId", "123456789012"), ("OutpostId", "op-1"), ("RequestRoute", "r")):
        if name in made and operation.endpoint:
            made[name] = fixed
    parts = request_parts(serializer.serialize_to_request(made, operation))
    answer = ask({"ask": "decode", "service": service, **parts})
    difference = answer.get("error") or (answer["op"] != operation.name and answer["op"])
    difference = difference or unlike(plain(made), answer["value"])
    if difference:
        differ("request", service, operation.name, difference, parts)


def check_output(service, parser, operation):
    shape = operation.output_shape
    if shape is None or operation.has_event_stream_output or operation.name == "GetBucketLocation":
        return
    made = value(service, shape, out=True)
    made.pop(payload(shape, "blob"), None)
    answer = ask({"ask": "encode", "service": service, "op": operation.name, "output": plain(made)})
    if answer["unknown"]:
        differ("unknown", service, operation.name, answer["unknown"])
    response = {
        "status_code": answer["status"], "headers": HeadersDict(answer["headers"]),
        "body": base64.b64decode(answer["body"]), "context": {},
    }
    got = parser.parse(response, shape)
    got.pop("ResponseMetadata", None)
    got.pop(payload(shape, "blob"), None)
    want = plain(made)
    for name, member in shape.members.items():
        # Where nothing was said, "return" is true, and what botocore fills in itself is no difference.
        if service == "ec2" and member.serialization.get("name") == "return":
            want.setdefault(name, True)
        elif name not in want and got.get(name) in ({}, []):
            got.pop(name)
        elif want.get(name) in ({}, []) and name not in got:
            want.pop(name)
    missing = payload(shape, "structure") or payload(shape, "string")
    if missing and missing not in made:
        return
    difference = unlike(want, plain(got))
    if difference:
        differ("reply", service, operation.name, difference, response["body"])


def check_error(service, parser):
    answer = ask({"ask": "error", "service": service, "message": "m<>&\"é"})
    response = {
        "status_code": answer["status"], "headers": HeadersDict(answer["headers"]),
        "body": base64.b64decode(answer["body"]), "context": {},
    }
    got = parser.parse(response, None)
    error = (got["Error"]["Code"], got["Error"]["Message"], got["ResponseMetadata"]["RequestId"])
    if error != ("Code", "m<>&\"é", "req-1"):
        differ("error", service, got)


def models():
    loader = botocore.loaders.Loader()
    for service in SERVICES:
        model = botocore.model.ServiceModel(loader.load_service_model(service, "service-2"), service)
        protocol = model.metadata["protocol"]
        serializer = botocore.serialize.create_serializer(protocol, False)
        parser = botocore.parsers.create_parser(protocol)
        for name in sorted(table_operations(service) - TWINS):
            operation = model.operation_model(name)
            for _ in range(2):
                check_input(service, serializer, operation)
                check_output(service, parser, operation)
        check_error(service, parser)


def verify(service, method, url, headers, body, token, label):
    parts = urllib.parse.urlsplit(url)
    headers = [[k, v if isinstance(v, str) else v.decode()] for k, v in headers.items()]
    if not any(name.lower() == "host" for name, _ in headers):
        headers.append(["Host", parts.netloc])
    answer = ask({
        "ask": "verify", "service": service, "method": method, "path": parts.path or "/",
        "query": parts.query, "headers": headers, "body": base64.b64encode(body).decode(),
        "token": token, "region": "us-east-1", "now": int(time.time() * 1000),
    })
    if "error" in answer:
        differ("signature", label, method, url, answer["error"])


class Raw(io.BytesIO):
    def stream(self, *_, **__):
        yield self.read()


def client(service, token=None, **options):
    made = boto3.client(
        service, aws_access_key_id=ID, aws_secret_access_key=SECRET, aws_session_token=token,
        region_name="us-east-1", **options,
    )

    def answer(request, **_):
        body = request.body or b""
        if isinstance(body, str):
            body = body.encode()
        elif hasattr(body, "read"):
            body = body.read()
        elif not isinstance(body, (bytes, bytearray)):
            body = b"".join(body)
        verify(service, request.method, request.url, request.headers, bytes(body), token, options)
        json_body = service in ("dynamodb", "route53resolver")
        return AWSResponse(request.url, 200, {}, Raw(b"{}" if json_body else b"<a/>"))

    made.meta.events.register("before-send", answer)
    return made


def quietly(call, **arguments):
    try:
        call(**arguments)
    except (KeyError, botocore.exceptions.BotoCoreError, AttributeError):
        pass  # The answer is made up; the question was asked.


def signatures():
    for token in (None, "tok/+=="):
        for service, call in (
            ("ec2", "describe_vpcs"), ("iam", "list_users"), ("sts", "get_caller_identity"),
            ("route53", "list_hosted_zones"), ("route53resolver", "list_resolver_rules"),
            ("sns", "list_topics"), ("elbv2", "describe_load_balancers"), ("dynamodb", "list_tables"),
        ):
            quietly(getattr(client(service, token), call))
        control = client("s3control", token)
        quietly(control.list_jobs, AccountId="123456789012")
        arn = "arn:aws:s3:us-east-1:123456789012:accesspoint/apx"
        tags = [{"Key": "a", "Value": "b"}]
        quietly(control.tag_resource, AccountId="123456789012", ResourceArn=arn, Tags=tags)
        for endpoint in (None, f"https://bucket.{ENDPOINT}", f"https://{ENDPOINT}",
                         f"http://bucket.{ENDPOINT}", "http://localhost:9000"):
            for style in ("path", "virtual"):
                for version in ("s3v4", "s3"):
                    s3_calls(token, endpoint, style, version)


def s3_calls(token, endpoint, style, version):
    config = Config(s3={"addressing_style": style}, signature_version=version)
    s3 = client("s3", token, endpoint_url=endpoint, config=config)
    for key in ("k", "dir/a b", "é+%&=?#", "x//y/", "~(a)!*'$@,;:", "a/../b", "./c"):
        quietly(s3.get_object, Bucket="my-bucket", Key=key, VersionId="a+b/=",
                ResponseContentType="text/é")
        quietly(s3.put_object, Bucket="my-bucket", Key=key, Body=b"hello" * 1000,
                Metadata={"a": "b  c"}, ContentType="text/plain")
    quietly(s3.list_objects_v2, Bucket="my-bucket", Prefix="é +/", Delimiter="/")
    quietly(s3.list_objects_v2, Bucket="my.dotted.bucket")
    quietly(s3.list_buckets)
    quietly(s3.delete_objects, Bucket="my-bucket", Delete={"Objects": [{"Key": "a<&\n"}]})
    quietly(s3.put_object_acl, Bucket="my-bucket", Key="k", ACL="public-read")
    quietly(s3.upload_part, Bucket="my-bucket", Key="k", UploadId="u+/=", PartNumber=3,
            Body=io.BytesIO(b"x" * 2_200_000))
    quietly(s3.copy_object, Bucket="my-bucket", Key="k",
            CopySource={"Bucket": "o", "Key": "a b/é", "VersionId": "7"})
    quietly(s3.put_bucket_policy, Bucket="my-bucket", Policy="{}")
    for call, method, arguments in (
        ("get_object", "GET", {"Key": "a b/é", "ResponseContentType": "x/y"}),
        ("put_object", "PUT", {"Key": "k", "ContentType": "text/plain", "ACL": "private"}),
        ("list_objects_v2", "GET", {}),
    ):
        url = s3.generate_presigned_url(call, Params={"Bucket": "my-bucket", **arguments})
        signed = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        signed = signed.get("X-Amz-SignedHeaders", "").split(";")
        offered = {"content-type": "text/plain", "x-amz-acl": "private"}
        headers = {name: text for name, text in offered.items() if name in signed}
        verify("s3", method, url, headers, b"", token, "presigned")


models()
signatures()
sys.exit(1 if differences else 0)
