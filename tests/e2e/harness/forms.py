"""Uploads by form as browsers make them, and requests without any SDK."""

import urllib.error
import urllib.request


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def send(url, method="GET", headers=None, body=None):
    """One request without any SDK: (status, headers, text). Redirects are not followed."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)
    request = urllib.request.Request(url, method=method, headers=headers or {}, data=body)
    try:
        with opener.open(request, timeout=20) as reply:
            return reply.status, reply.headers, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def form(fields, file=b"hello", name="note.txt", after=()):
    """A multipart body as browsers make it: the fields in order, the file last."""
    boundary = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
    parts = []
    for key, value in fields.items():
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode())
    if file is not None:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: text/plain\r\n\r\n'
        parts.append(head.encode() + file + b"\r\n")
    for key, value in after:
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode())
    parts.append(f"--{boundary}--\r\n".encode())
    return {"Content-Type": f"multipart/form-data; boundary={boundary}"}, b"".join(parts)


def post(installation, bucket, fields, *, origin=None, **more):
    headers, body = form(fields, **more)
    if origin:
        headers["Origin"] = origin
    return send(f"http://{installation.address}/{bucket}", "POST", headers, body)


def presigned(installation, bucket, key, conditions=None, fields=None, **more):
    made = installation.client("s3", signature_version="s3v4").generate_presigned_post(
        bucket, key, Fields=fields, Conditions=conditions, **more
    )
    return made["fields"]
