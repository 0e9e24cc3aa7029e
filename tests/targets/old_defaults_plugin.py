"""A pytest plugin for s3-tests, which were written when new buckets had ACLs and no Block Public Access, and when owners had names."""

import boto3.session
from botocore.exceptions import ClientError

make = boto3.session.Session.client

# What grants rights in a request that makes a bucket: with Block Public Access on, they are given after it is off.
GRANTS = ("ACL", "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP")


def name_owners(value):
    """Answers as they were when each owner, grantee and initiator had a name: the tests' own is empty. AWS sends none any more."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ("Owner", "Grantee", "Initiator") and isinstance(inner, dict) and "ID" in inner:
                inner["DisplayName"] = ""
            name_owners(inner)
    elif isinstance(value, list):
        for inner in value:
            name_owners(inner)


def owner_last(parsed, **_):
    """Grants in the tests' order: they call any order right, and sort by names that are no longer there."""
    owner = parsed.get("Owner", {}).get("ID")
    parsed.get("Grants", []).sort(key=lambda grant: grant["Grantee"].get("ID") == owner)


def client(self, *words, **options):
    """A client whose new buckets are as they were before April 2023."""
    made = make(self, *words, **options)
    if made.meta.service_model.service_name == "s3":

        def with_acls(params, context, **_):
            params.setdefault("ObjectOwnership", "ObjectWriter")
            context["bucket"] = params.get("Bucket")
            context["grants"] = {name: params.pop(name) for name in GRANTS if name in params}

        def as_before(http_response, context, **_):
            bucket = context.get("bucket")
            if not bucket or http_response.status_code != 200:
                return
            try:
                made.delete_public_access_block(Bucket=bucket)
            except ClientError as why:
                # A server that has no such thing needs none.
                if why.response["Error"]["Code"] not in ("NotImplemented", "MethodNotAllowed"):
                    raise
            if context["grants"]:
                made.put_bucket_acl(Bucket=bucket, **context["grants"])

        made.meta.events.register("provide-client-params.s3.CreateBucket", with_acls)
        made.meta.events.register("after-call.s3.CreateBucket", as_before)
        for operation in ("GetBucketAcl", "GetObjectAcl"):
            made.meta.events.register(f"after-call.s3.{operation}", owner_last)
        made.meta.events.register("after-call.s3", lambda parsed, **_: name_owners(parsed))
    return made


boto3.session.Session.client = client
