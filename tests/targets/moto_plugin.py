"""A pytest plugin for moto's tests in server mode: Adit's reset in place of moto's, a root key of Adit's form, and policies that are some."""

import json
import os
import socket
import subprocess

import botocore.client
from moto.core import models


def reset(self):
    """An installation in its first state, with the same root key."""
    subprocess.run([os.environ["ADIT_BIN"], "reset"], check=True, capture_output=True, timeout=60)


models.ServerModeMockAWS.reset = reset
before = models.MockAWS._mock_env_variables


def variables(self):
    """moto's own key is too short to be one."""
    before(self)
    os.environ["AWS_ACCESS_KEY_ID"] = os.environ["TARGET_KEY"]


models.MockAWS._mock_env_variables = variables


resolve = socket.getaddrinfo


def on_loopback(host, *words, **more):
    """Names below localhost are here, whatever the system's resolver thinks of them."""
    return resolve("127.0.0.1" if isinstance(host, str) and host.endswith("localhost") else host, *words, **more)


socket.getaddrinfo = on_loopback


TRUST = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}})
call = botocore.client.BaseClient._make_api_call


def with_a_trust_policy(self, operation, params):
    """moto takes any text for a role's trust policy, where AWS wants a policy: `some policy` and `{}` become one."""
    if operation == "CreateRole" and '"Statement"' not in str(params.get("AssumeRolePolicyDocument", '"Statement"')):
        params = params | {"AssumeRolePolicyDocument": TRUST}
    return call(self, operation, params)


botocore.client.BaseClient._make_api_call = with_a_trust_policy
