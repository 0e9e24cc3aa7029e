"""Every operation that Adit says it has, through botocore: shapes, paginators, waiters, skeletons, and the table.

How to add a step for a new operation stands in conformance/steps/__init__.py.
"""

import functools
import io
import json
import subprocess
from contextlib import redirect_stderr, redirect_stdout

import awscli.clidriver
import botocore.hooks
import botocore.session
import pytest
from botocore.exceptions import UnknownServiceError
from conformance import steps, table
from conformance.scenario import Scenario
from harness.installation import to_loopback
from harness.programs import ADIT

# Codes that say that a request was not understood, rather than that its values are wrong.
NOT_UNDERSTOOD = {
    "UnknownParameter", "InternalError", "InternalFailure", "InvalidAction", "UnknownOperationException",
    "SerializationException", "MalformedXML", "MalformedQueryString", "SignatureDoesNotMatch",
    "AuthFailure", "InvalidSignatureException",
}


def operations():
    """(service, operation) of everything built that botocore has a model of."""
    shown = subprocess.run([str(ADIT), "api", "operations", "--json"], capture_output=True, text=True, timeout=20, check=True)
    known = set(botocore.session.get_session().get_available_services())
    rows = [json.loads(line) for line in shown.stdout.splitlines()]
    return {(row["service"], row["operation"]) for row in rows if row["service"] in known}


@pytest.fixture(scope="module")
def built():
    return operations()


@pytest.fixture(scope="module")
def seen(installation, built):
    """Every step of every service, run once."""
    scenario = Scenario(installation, built)
    for service, module_steps in steps.ALL.items():
        scenario.run(service, module_steps)
    return scenario


def test_every_operation_is_built_of_a_known_service(built):
    """The list is there, and what it names exists in botocore's models."""
    session = botocore.session.get_session()
    for service, operation in built:
        assert operation in session.get_service_model(service).operation_names, f"{service} {operation}"
    assert len(built) > 100


def test_every_response_has_the_shape_of_the_model(seen):
    assert not seen.failures, "\n".join(seen.failures)


def test_every_operation_has_a_step(built, seen):
    missing = sorted(built - seen.good)
    assert not missing, f"no step saw these work (see conformance/steps/__init__.py): {missing}"
    unknown = sorted(seen.good - built)
    assert not unknown, f"these work and are not in `adit api operations`: {unknown}"


def test_every_paginator_loses_and_doubles_nothing(built, seen):
    session = botocore.session.get_session()
    wanted = set()
    for service in {service for service, _ in built}:
        try:
            model = session.get_paginator_model(service)
        except (UnknownServiceError, ValueError):
            continue
        wanted |= {(service, name) for name in model._paginator_config if (service, name) in built}
    assert not sorted(wanted - seen.paged), "no `Pages` step"


def test_every_waiter_ends(built, seen):
    session = botocore.session.get_session()
    wanted = set()
    for service in {service for service, _ in built}:
        try:
            model = session.get_waiter_model(service)
        except UnknownServiceError:
            continue
        wanted |= {(service, name) for name in model.waiter_names if (service, model.get_waiter(name).operation) in built}
    wanted -= {waiter for waiter, needs in steps.WAITERS_THAT_NEED.items() if needs not in built}
    assert not sorted(wanted - seen.waited), "no `Wait` step"


@pytest.fixture
def quick_drivers(monkeypatch):
    """A driver registers 400 handlers, and looks each time at the same functions and names: once is enough for all."""
    aliases = {}
    alias = botocore.hooks.EventAliaser._alias_event_name

    def remembered(self, name):
        if name not in aliases:
            aliases[name] = alias(self, name)
        return aliases[name]

    monkeypatch.setattr(botocore.hooks, "accepts_kwargs", functools.cache(botocore.hooks.accepts_kwargs))
    monkeypatch.setattr(botocore.hooks.EventAliaser, "_alias_event_name", remembered)


@pytest.mark.usefixtures("quick_drivers")
def test_every_skeleton_of_the_cli_comes_back(installation, built, tmp_path, monkeypatch):
    """`--generate-cli-skeleton` prints an input; given back, the daemon understands every word of it."""
    config = tmp_path / "config"
    # The skeleton's empty texts are for a person to fill in: the server's opinion of them is asked, not the CLI's.
    config.write_text("[default]\nparameter_validation = false\ncli_pager =\nmax_attempts = 1\ns3 =\n  addressing_style = path\n")
    for name, value in (installation.env() | {"AWS_CONFIG_FILE": str(config), "AWS_EC2_METADATA_DISABLED": "true"}).items():
        monkeypatch.setenv(name, value)
    # S3 Control puts the account in front of the host, which must be a name for that.
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3_CONTROL", f"http://localhost:{installation.address.rsplit(':', 1)[1]}")
    session = botocore.session.get_session()
    models = session.get_component("data_loader")
    failures = []

    def run(*words):
        # A driver of its own each time, as a process would have: drivers remember options. The models may be shared.
        driver = awscli.clidriver.create_clidriver()
        driver.session.register_component("data_loader", models)
        driver.session.register("before-send", to_loopback)
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = driver.main([*words])
        return status, out.getvalue(), err.getvalue()

    for service, operation in sorted(built):
        # `aws s3` is another program; the operations are below `aws s3api`.
        group = "s3api" if service == "s3" else service
        shape = session.get_service_model(service).operation_model(operation)
        if shape.has_streaming_input or shape.has_streaming_output:
            continue
        word = botocore.xform_name(operation, "-")
        status, skeleton, error = run(group, word, "--generate-cli-skeleton")
        if status != 0:
            failures.append(f"{group} {word}: no skeleton: {error.strip()}")
            continue
        try:
            filled = json.loads(skeleton)
        except ValueError as why:
            failures.append(f"{group} {word}: the skeleton is not JSON: {why}: {skeleton}")
            continue
        status, _, error = run(group, word, "--cli-input-json", json.dumps(plain(filled)))
        code = error.partition("An error occurred (")[2].partition(")")[0]
        if code in NOT_UNDERSTOOD or (status != 0 and not code and "Invalid length" not in error and not refused_by_cli(error)):
            failures.append(f"{group} {word}: {error.strip()[:300]}")
    assert not failures, "\n".join(failures)


def plain(value):
    """A skeleton with names in place of empty texts, so that they can be part of a path."""
    if isinstance(value, dict):
        # The enumeration's value is drawn by lot; some need a library that is not there.
        return {key: "CRC32" if key == "ChecksumAlgorithm" else plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value or "x" if isinstance(value, str) else value


def refused_by_cli(error):
    """What the CLI itself does not send."""
    return any(text in error for text in ("Invalid bucket name", "Parameter validation failed", "Invalid endpoint"))


def test_the_notes_are_about_what_is_built(built):
    assert not table.unknown_notes(built)


def test_the_compatibility_table_is_current(request, seen):
    """docs/compatibility.md says what was seen here; `cargo xtask compat` rewrites it."""
    if request.config.getoption("--write-compatibility"):
        table.rewrite(seen.good)
    assert table.committed() == table.render(seen.good), "run `cargo xtask compat`"


def test_the_check_sees_what_is_wrong():
    """A check that finds nothing proves nothing: broken answers, each with one fault."""
    from conformance.check import check

    session = botocore.session.get_session()
    ec2 = session.get_service_model("ec2").operation_model("DescribeVpcs")
    start = '<DescribeVpcsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId><vpcSet>'
    end = "</vpcSet></DescribeVpcsResponse>"
    for inside, fault in {
        "<item><vpcId>v</vpcId><isDefault>true</isDefault><state>available</state></item>": None,
        "<item><vpcid>v</vpcid></item>": "unknown element vpcid",
        "<member><vpcId>v</vpcId></member>": "list element member",
        "<item><isDefault>True</isDefault></item>": "no boolean",
        "<item><state>ready</state></item>": "none of",
        "<item><vpcId><a/></vpcId></item>": "holds elements",
        "<item><vpcId>v</vpcId><vpcId>v</vpcId></item>": "stands 2 times",
    }.items():
        problems = check(ec2, 200, {}, (start + inside + end).encode())
        assert (problems == []) if fault is None else (len(problems) == 1 and fault in problems[0]), (inside, problems)
    assert "requestId" in check(ec2, 200, {}, start.replace("<requestId>r</requestId>", "").encode() + end.encode())[0]
    iam = session.get_service_model("iam").operation_model("GetUser")
    body = (
        '<GetUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetUserResult><User><Path>/</Path>'
        "<UserName>a</UserName><UserId>i</UserId><CreateDate>yesterday</CreateDate></User></GetUserResult>"
        "<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetUserResponse>"
    )
    problems = check(iam, 200, {}, body.encode())
    assert len(problems) == 2 and "yesterday" in problems[0] and "required Arn" in problems[1], problems
    resolver = session.get_service_model("route53resolver").operation_model("ListResolverEndpoints")
    problems = check(resolver, 200, {"Content-Type": "application/x-amz-json-1.1"}, b'{"ResolverEndpoints": [{"IpAddressCount": "2"}]}')
    assert problems == ["ListResolverEndpoints.ResolverEndpoints[].IpAddressCount: '2' is no integer"]
    head = session.get_service_model("s3").operation_model("HeadObject")
    problems = check(head, 200, {"Content-Length": "x", "x-amz-colour": "red", "x-amz-meta-a": "b"}, b"")
    assert len(problems) == 2 and "'x' is no long" in problems[0] and "x-amz-colour" in problems[1], problems
