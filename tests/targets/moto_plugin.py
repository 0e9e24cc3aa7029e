"""A pytest plugin for moto's tests in server mode: Adit's reset in place of moto's, and a root key of Adit's form."""

import os
import socket
import subprocess

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
