"""Policy documents in a few words, and AWS's words for who refused."""

import json


ALLOW_ALL = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}


def only_unless(bucket, operator, key, value, sid="OnlyFromThere"):
    """The documented Deny: everything on the bucket unless the condition key has this value."""
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        "Condition": {operator: {key: value}},
    }


def document(*statements, version="2012-10-17"):
    """A policy document as text."""
    return json.dumps({"Version": version, "Statement": list(statements)})


BY_BUCKET_POLICY = "with an explicit deny in a resource-based policy"
BY_ENDPOINT_POLICY = "with an explicit deny in a VPC endpoint policy"
NO_ENDPOINT_ALLOW = "because no VPC endpoint policy allows the"


def broken_bucket_policies(bucket):
    """Documents that S3 refuses to store, by what is wrong with them."""
    good = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}

    def without(element):
        return document({name: value for name, value in good.items() if name != element})

    return {
        "not JSON": "this is no policy",
        "cut off": '{"Version":"2012-10-17","Statement":[',
        "no statement": '{"Version":"2012-10-17"}',
        "a list": "[]",
        "no effect": without("Effect"),
        "no principal": without("Principal"),
        "no action": without("Action"),
        "no resource": without("Resource"),
        "bad effect": document({**good, "Effect": "Perhaps"}),
        "bad version": document(good, version="2020-01-01"),
        "another bucket": document({**good, "Resource": "arn:aws:s3:::another-bucket-entirely/*"}),
        "bad operator": document({**good, "Condition": {"StringIsh": {"aws:SourceVpc": "vpc-1"}}}),
        "bad network": document({**good, "Condition": {"IpAddress": {"aws:SourceIp": "300.1.1.1/8"}}}),
        "too long": document({**good, "Sid": "x" * 20480}),
        "deep": "[" * 10_000 + "]" * 10_000,
    }
