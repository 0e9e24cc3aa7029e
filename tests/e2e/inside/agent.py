"""The agent on a host: reads requests (a JSON object a line), does them, answers likewise.

Its first line tells where it is. It ends when its standard input ends. Nothing here knows Adit:
it is an ordinary S3 client, resolver client and HTTP client.
"""

import base64
import hashlib
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import urllib.error
import urllib.request

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "TXT": 16, "AAAA": 28}
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


def main():
    # Whatever a library prints must not mix with the protocol.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value):
        out.write(json.dumps(value, default=str) + "\n")
        out.flush()

    answer({"pid": os.getpid(), "environment": dict(os.environ), "addresses": own_addresses()})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer(WORK[request.pop("do")](**request))
        except Exception as error:  # the test decides what it means
            answer({"trouble": f"{type(error).__name__}: {error}"})


def own_addresses():
    """IPv4 addresses of this host, read from the routing table's local entries."""
    found = []
    block = None
    with open("/proc/net/fib_trie") as trie:
        for line in trie:
            line = line.strip()
            if line.startswith(("|--", "+--")):
                block = line.split()[1].split("/")[0]
            elif line.startswith("/32 host LOCAL") and not block.startswith("127.") and block not in found:
                found.append(block)
    return found


# ---- S3 ---------------------------------------------------------------------------------------

CLIENTS = {}


def client(options):
    """A boto3 client; the same options give the same client (and its open connections)."""
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    fresh = options.pop("fresh", False)
    key = json.dumps(options, sort_keys=True)
    if fresh or key not in CLIENTS:
        style = {"addressing_style": options.get("style", "auto")}
        if options.get("global_endpoint") is not None:
            style["us_east_1_regional_endpoint"] = "legacy" if options["global_endpoint"] else "regional"
        signature = UNSIGNED if options.get("anonymous") else options.get("signature")
        CLIENTS[key] = boto3.session.Session().client(
            "s3",
            region_name=options.get("region"),
            endpoint_url=options.get("endpoint"),
            use_ssl=options.get("scheme", "https") == "https",
            aws_access_key_id=options.get("key"),
            aws_secret_access_key=options.get("secret"),
            config=Config(
                s3=style,
                signature_version=signature,
                connect_timeout=options.get("connect_timeout", 5),
                read_timeout=options.get("read_timeout", 60),
                retries={"total_max_attempts": options.get("attempts", 1)},
            ),
        )
    return CLIENTS[key]


def s3(operation, arguments, options):
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(arguments.get("Body"), dict):
        arguments["Body"] = base64.b64decode(arguments["Body"]["base64"])
    try:
        data = getattr(client(options), operation)(**arguments)
    except ClientError as error:
        details = error.response["Error"]
        metadata = error.response["ResponseMetadata"]
        return {
            "ok": False,
            "code": details.get("Code", ""),
            "message": details.get("Message", ""),
            "status": metadata.get("HTTPStatusCode", 0),
            "request_id": metadata.get("RequestId", ""),
        }
    except BotoCoreError as error:
        return {"ok": False, "failure": type(error).__name__, "message": str(error)}
    except Exception as error:
        # upload_file and friends wrap the real error.
        return {"ok": False, "failure": type(error).__name__, "message": str(error)}
    if not isinstance(data, dict):
        return {"ok": True, "data": {"value": data}}
    metadata = data.pop("ResponseMetadata", {})
    if hasattr(data.get("Body"), "read"):
        body = data.pop("Body").read()
        data["sha256"] = hashlib.sha256(body).hexdigest()
        data["length"] = len(body)
        if len(body) <= 1 << 20:
            data["Body64"] = base64.b64encode(body).decode()
    return {
        "ok": True,
        "data": data,
        "status": metadata.get("HTTPStatusCode", 0),
        "request_id": metadata.get("RequestId", ""),
    }


# ---- names ------------------------------------------------------------------------------------


def resolvers():
    with open("/etc/resolv.conf") as conf:
        return [line.split()[1] for line in conf if line.startswith("nameserver")]


def lookup(name, kind, server, transport):
    server = server or resolvers()[0]
    number = int.from_bytes(os.urandom(2), "big")
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    query = struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + question + b"\0" + struct.pack(">HH", TYPES[kind], 1)
    if transport == "tcp":
        with socket.create_connection((server, 53), timeout=5) as stream:
            stream.sendall(struct.pack(">H", len(query)) + query)
            (length,) = struct.unpack(">H", exactly(stream, 2))
            reply = exactly(stream, length)
    else:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
            datagram.settimeout(5)
            datagram.connect((server, 53))
            datagram.send(query)
            reply = datagram.recv(65535)
    return decode(reply, number)


def exactly(stream, length):
    data = b""
    while len(data) < length:
        part = stream.recv(length - len(data))
        if not part:
            raise EOFError("the resolver hung up")
        data += part
    return data


def decode(reply, number):
    got, flags, questions, answers, _, _ = struct.unpack(">HHHHHH", reply[:12])
    assert got == number, "an answer to another question"
    assert flags & 0x8000, "not an answer"
    at = 12
    for _ in range(questions):
        at = read_name(reply, at)[1] + 4
    addresses, ttls, names = [], [], []
    for _ in range(answers):
        owner, at = read_name(reply, at)
        kind, _, ttl, length = struct.unpack(">HHIH", reply[at : at + 10])
        at += 10
        if kind == TYPES["A"]:
            addresses.append(socket.inet_ntop(socket.AF_INET, reply[at : at + 4]))
        elif kind == TYPES["AAAA"]:
            addresses.append(socket.inet_ntop(socket.AF_INET6, reply[at : at + 16]))
        names.append(owner)
        ttls.append(ttl)
        at += length
    return {
        "rcode": RCODES.get(flags & 15, str(flags & 15)),
        "addresses": addresses,
        "ttls": ttls,
        "names": names,
        "truncated": bool(flags & 0x0200),
    }


def read_name(message, at):
    labels, end = [], None
    for _ in range(128):
        length = message[at]
        if length >= 0xC0:
            end = end if end is not None else at + 2
            at = (length & 0x3F) << 8 | message[at + 1]
        elif length == 0:
            return ".".join(labels), end if end is not None else at + 1
        else:
            labels.append(message[at + 1 : at + 1 + length].decode())
            at += 1 + length
    raise ValueError("a name that never ends")


# ---- connections ------------------------------------------------------------------------------


def connect(address, port, timeout):
    try:
        with socket.create_connection((address, port), timeout=timeout):
            return {"outcome": "open"}
    except ConnectionRefusedError:
        return {"outcome": "refused"}
    except TimeoutError:
        return {"outcome": "timeout"}
    except OSError as error:
        return {"outcome": "unreachable", "why": str(error)}


def tls(name, address, port, timeout):
    context = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
    try:
        with socket.create_connection((address or name, port), timeout=timeout) as raw:
            with context.wrap_socket(raw, server_hostname=name) as stream:
                certificate = stream.getpeercert()
                return {
                    "ok": True,
                    "version": stream.version(),
                    "names": [value for kind, value in certificate["subjectAltName"] if kind == "DNS"],
                    "peer": stream.getpeername()[0],
                }
    except (ssl.SSLError, OSError) as error:
        return {"ok": False, "why": f"{type(error).__name__}: {error}"}


def http(url, method, timeout):
    context = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(urllib.request.Request(url, method=method), timeout=timeout) as reply:
            return {"status": reply.status, "headers": dict(reply.headers), "body": reply.read().decode(errors="replace")}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "headers": dict(error.headers), "body": error.read().decode(errors="replace")}
    except OSError as error:
        return {"status": 0, "headers": {}, "body": str(error)}


def shell(command, environment, seconds):
    done = subprocess.run(
        command,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds,
    )
    return {"status": done.returncode, "stdout": done.stdout, "stderr": done.stderr}


WORK = {"s3": s3, "lookup": lookup, "connect": connect, "tls": tls, "http": http, "shell": shell}

if __name__ == "__main__":
    main()
