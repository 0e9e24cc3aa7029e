"""What the tests that make, change and delete everything have in common."""

import pytest
from botocore.exceptions import ClientError


def gone(call, code, **arguments):
    """The read of something deleted says so, with AWS's code."""
    with pytest.raises(ClientError) as error:
        call(**arguments)
    assert error.value.response["Error"]["Code"] == code


def pairs(tags):
    return {tag["Key"]: tag["Value"] for tag in tags}


def tag(value):
    return [{"Key": "Name", "Value": value}]


def allow(*actions):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}
