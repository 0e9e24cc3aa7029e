"""What an operator does: certificates of their own, looking at every stored byte, cheaper uploads."""

import base64
import hashlib
import os
import signal
import socket
import ssl
import subprocess

import pytest
from harness.installation import DidNotStart, wait_until


def certificate(folder, name, *names):
    """A self-signed certificate for names: (certificate, key)."""
    paths = folder / f"{name}.pem", folder / f"{name}-key.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", f"/CN={names[0]}", "-addext", "subjectAltName=" + ",".join(f"DNS:{n}" for n in names),
            "-out", paths[0], "-keyout", paths[1],
        ],
        check=True,
        capture_output=True,
    )
    return paths


def shown(adit, name, version=None):
    """The certificate that a client gets which asks for a name, and the TLS version; None when it is refused."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = version
    host, port = adit.address.split(":")
    try:
        with socket.create_connection((host, int(port)), 5) as tcp:
            with context.wrap_socket(tcp, server_hostname=name) as tls:
                return tls.getpeercert(binary_form=True), tls.version()
    except ssl.SSLError:
        return None


def der(path):
    return ssl.PEM_cert_to_DER_cert(path.read_text())


def test_own_certificates_are_used_and_read_again(another, tmp_path):
    first = certificate(tmp_path, "first", "store.example", "*.store.example")
    second = certificate(tmp_path, "second", "store.example", "*.store.example")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"

    def put(pair):
        for source, target in zip(pair, (chain, key)):
            part = target.with_suffix(".new")
            part.write_bytes(source.read_bytes())
            part.rename(target)

    put(first)
    config = tmp_path / "adit.toml"
    config.write_text(
        "[s3]\nhosts = ['store.example']\n"
        f"[[certificate]]\nnames = ['store.example', '*.store.example']\ncertificate = '{chain}'\nkey = '{key}'\n"
    )
    adit = another(arguments=["--config", str(config)]).start()
    for version, text in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        assert shown(adit, "store.example", version) == (der(first[0]), text)
    assert shown(adit, "bucket.store.example")[0] == der(first[0])
    # Every other name has a certificate of the local authority.
    assert shown(adit, "localhost")[0] not in (der(first[0]), None)
    assert shown(adit, "elsewhere.example") is None
    # Clients reach S3 under the name.
    adit.s3.create_bucket(Bucket="bucket")
    # Replaced files are noticed.
    put(second)
    wait_until(lambda: shown(adit, "store.example")[0] == der(second[0]), 10, "the new certificate is used")
    # What cannot be used leaves the old one, at a signal too.
    key.write_text("no key")
    adit.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "stay in use" in adit.stderr_text(), 10, "the daemon says so")
    assert shown(adit, "store.example")[0] == der(second[0])
    put(first)
    adit.process.send_signal(signal.SIGHUP)
    wait_until(lambda: shown(adit, "store.example")[0] == der(first[0]), 10, "the first certificate is used")


def test_a_certificate_with_another_key_is_refused_at_the_start(another, tmp_path):
    (chain, _), (_, key) = certificate(tmp_path, "a", "a.example"), certificate(tmp_path, "b", "b.example")
    config = tmp_path / "adit.toml"
    config.write_text(f"[[certificate]]\nnames = ['a.example']\ncertificate = '{chain}'\nkey = '{key}'\n")
    with pytest.raises(DidNotStart) as why:
        another(arguments=["--config", str(config)]).start()
    assert str(key) in why.value.stderr


def test_every_stored_byte_is_looked_at(another, tmp_path):
    state = tmp_path / "state"
    adit = another(state=state).start()
    bucket = adit.bucket()
    adit.s3.put_object(Bucket=bucket, Key="small", Body=b"x" * 100)
    body = os.urandom(1 << 20)
    adit.s3.put_object(Bucket=bucket, Key="large", Body=body)
    sealed = os.urandom(300_000)
    adit.s3.put_object(Bucket=bucket, Key="sealed", Body=sealed, ServerSideEncryption="AES256")
    done = adit.adit("objects", "verify")
    assert done.stdout == f"3 versions, 3 blobs, {100 + (1 << 20) + len(sealed)} bytes: 0 problems\n"
    # A chunk that was swapped for another of its own object is found as well.
    [file] = [p for p in (state / "objects" / "blobs").rglob("*") if p.is_file() and 300_000 < p.stat().st_size < 1 << 20]
    whole, chunk = file.read_bytes(), (64 << 10) + 16
    file.write_bytes(whole[chunk:2 * chunk] + whole[:chunk] + whole[2 * chunk:])
    wrong = adit.adit("objects", "verify", check=False)
    assert "sealed" in wrong.stdout and wrong.stdout.endswith("1 problems\n"), wrong.stdout
    file.write_bytes(whole)
    [file] = [p for p in (state / "objects").rglob("*") if p.is_file() and p.stat().st_size == 1 << 20]
    with open(file, "r+b") as blob:
        blob.seek(1000)
        blob.write(bytes([body[1000] ^ 1]))
    wrong = adit.adit("objects", "verify", check=False)
    assert wrong.returncode == 1
    assert "large" in wrong.stdout and wrong.stdout.endswith("1 problems\n"), wrong.stdout
    # Without a daemon too.
    adit.terminate()
    stopped = adit.run(
        [adit.program, "objects", "verify", "--state", state],
        environment={k: v for k, v in adit.client_environment().items() if k != "ADIT_ENDPOINT"},
        check=False,
    )
    assert (stopped.returncode, stopped.stdout) == (1, wrong.stdout)
    with open(file, "r+b") as blob:
        blob.seek(1000)
        blob.write(body[1000:1001])
    adit.start()
    assert adit.adit("objects", "verify").stdout.endswith(" 0 problems\n")


def test_entity_tags_are_md5s_where_clients_compare_them(adit):
    """By default: 16 MiB in one request are hashed, more only where the client did so, parts always."""
    bucket = adit.bucket()
    body = os.urandom((16 << 20) + 1)
    given = base64.b64encode(hashlib.md5(body).digest()).decode()
    for size, more, md5 in [
        (16 << 20, {}, True), (len(body), {}, False), (len(body), {"ContentMD5": given}, True),
    ]:
        tag = adit.s3.put_object(Bucket=bucket, Key="k", Body=body[:size], **more)["ETag"].strip('"')
        assert (tag == hashlib.md5(body[:size]).hexdigest()) == md5, (size, more, tag)
        assert md5 or (len(tag) == 34 and tag.endswith("-1"))
        # A copy has the same bytes, and the same tag.
        copied = adit.s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
        assert copied["CopyObjectResult"]["ETag"].strip('"') == tag
    upload = adit.s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    part = adit.s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=body)["ETag"]
    assert part.strip('"') == hashlib.md5(body).hexdigest()
    adit.s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)


def test_opaque_entity_tags(another, tmp_path):
    config = tmp_path / "adit.toml"
    config.write_text("[s3]\netag = 'opaque'\n")
    adit = another(arguments=["--config", str(config)]).start()
    bucket = adit.bucket()
    body = b"hello"
    md5 = hashlib.md5(body).hexdigest()
    tag = adit.s3.put_object(Bucket=bucket, Key="k", Body=body)["ETag"].strip('"')
    # The form of a multipart object's: clients know not to compare it.
    assert tag != md5 and tag.endswith("-1") and len(tag) == 34
    assert adit.s3.head_object(Bucket=bucket, Key="k")["ETag"].strip('"') == tag
    # A client that gives the MD5 gets it compared, and as the tag.
    given = base64.b64encode(hashlib.md5(body).digest()).decode()
    assert adit.s3.put_object(Bucket=bucket, Key="k", Body=body, ContentMD5=given)["ETag"].strip('"') == md5
