"""A pytest plugin for s3-tests, which were written when new buckets had ACLs and no Block Public Access."""

import boto3

make = boto3.client


def client(*words, **options):
    """A client whose new buckets are as they were before April 2023."""
    made = make(*words, **options)
    if made.meta.service_model.service_name == "s3":

        def with_acls(params, **_):
            params.setdefault("ObjectOwnership", "ObjectWriter")

        def without_block(http_response, parsed, context, **_):
            bucket = context.get("adit_bucket")
            if bucket and http_response.status_code == 200:
                made.delete_public_access_block(Bucket=bucket)

        def remember(params, context, **_):
            context["adit_bucket"] = params.get("Bucket")

        made.meta.events.register("provide-client-params.s3.CreateBucket", with_acls)
        made.meta.events.register("before-parameter-build.s3.CreateBucket", remember)
        made.meta.events.register("after-call.s3.CreateBucket", without_block)
    return made


boto3.client = client
