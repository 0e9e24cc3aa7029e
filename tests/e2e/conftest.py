"""Fixtures: one installation per module, put back to its first state before each test.

A module that needs other options of `adit up` says so in a variable `UP`, a dict of arguments
for `harness.installation.Installation`.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness.installation import Installation  # noqa: E402
from harness.network import Vpc  # noqa: E402
from harness.programs import ADIT  # noqa: E402


def pytest_addoption(parser):
    """`--write-compatibility` lets the conformance test write the tables of docs/compatibility.md."""
    parser.addoption("--write-compatibility", action="store_true", help="rewrite the tables of docs/compatibility.md")


def pytest_sessionstart(session):
    """Without the program under test nothing can pass, and nothing is skipped: the run fails."""
    if not session.config.option.collectonly and not ADIT.exists():
        pytest.exit(f"{ADIT} is not there: cargo build --release -p adit", returncode=1)


@pytest.fixture(scope="module")
def installation(request):
    """This module's installation, as earlier tests left it."""
    running = Installation(**getattr(request.module, "UP", {}))
    try:
        yield running.start()
    finally:
        running.close()


@pytest.fixture
def adit(installation):
    """This module's installation in its first state."""
    if getattr(installation, "used", False):
        installation.reset()
    installation.used = True
    return installation


@pytest.fixture
def vpc(adit):
    """A VPC 10.0.0.0/16 with nothing in it."""
    return Vpc(adit, "10.0.0.0/16")


@pytest.fixture
def another():
    """Makes further installations and closes them at the end of the test."""
    made = []

    def make(**options):
        one = Installation(**options)
        made.append(one)
        return one

    yield make
    for one in reversed(made):
        one.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the last lines of its daemon's log."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for name in ("adit", "installation"):
            running = item.funcargs.get(name) if hasattr(item, "funcargs") else None
            if isinstance(running, Installation):
                tail = running.stderr_text().splitlines()[-40:]
                report.sections.append(("daemon", "\n".join(tail)))
                break
