"""Where the programs under test and the clients are."""

import os
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
ADIT = Path(os.environ.get("ADIT_BIN", REPOSITORY / "target/release/adit"))
PYTHON = Path(sys.executable)
AWS = PYTHON.parent / "aws"
INSIDE = Path(__file__).resolve().parents[1] / "inside"


def plain_environment():
    """This process's environment without anything that would steer a client or the daemon."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "ADIT_", "XDG_", "PYTEST_", "PYTHON"))
        and name.lower() not in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    } | {
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        "AWS_MAX_ATTEMPTS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
    }
