"""Steps, and how they are run one after the other.

A step is data: an operation, its input, and what later steps need of its answer. `$name` in an input stands for a
value that an earlier step kept; `$n` counts repetitions from 1. A step whose names are missing is not run: the step
that should have kept them is what failed.
"""

import dataclasses
import json
import re
import string

import jmespath
from botocore.exceptions import BotoCoreError, ClientError

from .check import check


@dataclasses.dataclass(frozen=True)
class Step:
    """One call.

    `keep` maps names to JMESPath expressions over the answer; of a text `/hostedzone/Z1` the last part is kept. `times` repeats it. `by` names a kept structure with
    access keys that sign it. `service` is the module's unless given. `refused` is the error code of a call that is
    made although it cannot succeed here (say why beside it). `needs` is another operation without which it rests.
    """

    operation: str
    input: dict = dataclasses.field(default_factory=dict)
    keep: dict = dataclasses.field(default_factory=dict)
    times: int = 1
    by: str | None = None
    service: str | None = None
    refused: str | None = None
    needs: str | None = None


@dataclasses.dataclass(frozen=True)
class Wait:
    """One waiter of botocore, by its name in the model: `VpcAvailable`."""

    waiter: str
    input: dict = dataclasses.field(default_factory=dict)
    service: str | None = None


@dataclasses.dataclass(frozen=True)
class Pages:
    """One paginator of botocore, with the smallest pages that the model allows, against one large answer.

    `single` says that there is never more than one page of it here.
    """

    operation: str
    input: dict = dataclasses.field(default_factory=dict)
    service: str | None = None
    single: bool = False


class Missing(Exception):
    """A step needs what no earlier step kept."""


WHOLE = re.compile(r"^\$(\w+)$")
NAMED = re.compile(r"\$\{?(\w+)")


def fill(value, names):
    """`value` with every `$name` replaced."""
    if isinstance(value, dict):
        return {key: fill(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [fill(inner, names) for inner in value]
    if not isinstance(value, str):
        return value
    whole = WHOLE.match(value)
    if whole:
        if whole[1] not in names:
            raise Missing(whole[1])
        return names[whole[1]]
    return string.Template(value).safe_substitute(names)


class Scenario:
    """Runs steps against one installation and remembers what it saw."""

    def __init__(self, adit, built):
        self.adit = adit
        # A step of an operation that is not built rests until it is, and so do those that need what it would keep.
        self.built = built
        self.resting = set()
        self.names = {}
        # (service, operation) of every call that was answered in the model's shape.
        self.good = set()
        self.waited = set()
        self.paged = set()
        self.failures = []
        self._clients = {}
        self._raw = None

    def client(self, service, by=None):
        """A boto3 client whose raw responses are kept."""
        key = (service, by)
        if key not in self._clients:
            keys = self.names[by] if by else {}
            client = self.adit.client(service, key=keys.get("AccessKeyId"), secret=keys.get("SecretAccessKey"))
            client._request_signer._credentials.token = keys.get("SessionToken")
            client.meta.events.register("before-parse", self._keep_raw)
            self._clients[key] = client
        return self._clients[key]

    def _keep_raw(self, operation_model, response_dict, **_):
        body = response_dict.get("body")
        self._raw = (
            operation_model, response_dict["status_code"], dict(response_dict["headers"]),
            body if isinstance(body, (bytes, str)) else None,
        )

    def run(self, service, steps):
        """Runs one module's steps in order."""
        for step in steps:
            own = step.service or service
            if self._rests(own, step):
                continue
            if isinstance(step, Wait):
                self._wait(own, step)
                continue
            if isinstance(step, Pages):
                self._page(own, step)
                continue
            for n in range(1, step.times + 1):
                self.names["n"] = n
                self._call(own, step)

    def _rests(self, service, step):
        named = set(NAMED.findall(json.dumps(step.input, default=str)))
        waits = bool(named & self.resting)
        needs = getattr(step, "needs", None)
        waits |= bool(needs) and (service, needs) not in self.built
        if not isinstance(step, Wait):
            waits |= (service, step.operation) not in self.built
        if waits:
            self.resting |= set(getattr(step, "keep", {})) - self.names.keys()
        return waits

    def _call(self, service, step):
        label = f"{service} {step.operation}"
        try:
            wanted = fill(step.input, self.names)
        except Missing as missing:
            self.failures.append(f"{label}: not run, `${missing}` was not kept by an earlier step")
            return
        self._raw = None
        try:
            client = self.client(service, step.by)
            answer = client._make_api_call(step.operation, wanted)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if step.refused and code == step.refused:
                self.good.add((service, step.operation))
            else:
                self.failures.append(f"{label}: {code}: {error.response['Error'].get('Message')}")
            return
        except (BotoCoreError, KeyError, OSError) as error:
            self.failures.append(f"{label}: {type(error).__name__}: {error}")
            return
        if step.refused:
            self.failures.append(f"{label}: succeeded, the step says {step.refused}")
            return
        stream = answer.get("Body")
        if hasattr(stream, "read"):
            stream.read()
        problems = check(*self._raw)
        self.failures += [f"{label}: {problem}" for problem in problems]
        for name, expression in step.keep.items():
            found = jmespath.search(expression, answer)
            if found is None:
                self.failures.append(f"{label}: the answer has no {expression}")
            else:
                path = isinstance(found, str) and found.startswith("/")
                self.names[name] = found.rsplit("/", 1)[-1] if path else found
        if not problems:
            self.good.add((service, step.operation))

    def _wait(self, service, step):
        label = f"{service} waiter {step.waiter}"
        client = self.client(service)
        # `waiter_names` are in Python's spelling.
        names = {name.replace("_", ""): name for name in client.waiter_names}
        try:
            waiter = client.get_waiter(names[step.waiter.lower()])
            waiter.wait(**fill(step.input, self.names), WaiterConfig={"Delay": 1, "MaxAttempts": 10})
        except Missing as missing:
            self.failures.append(f"{label}: not run, `${missing}` was not kept by an earlier step")
            return
        except (BotoCoreError, ClientError, KeyError) as error:
            self.failures.append(f"{label}: {type(error).__name__}: {error}")
            return
        self.waited.add((service, step.waiter))

    def _page(self, service, step):
        label = f"{service} paginator {step.operation}"
        client = self.client(service)
        paginator = client.get_paginator(python_name(client, step.operation))
        try:
            wanted = fill(step.input, self.names)
            whole = _items(paginator, paginator.paginate(**wanted))
            # Where the model names no parameter for the size of a page, pages are as the service makes them.
            small = {"PageSize": _least(client, step.operation, paginator)} if paginator._limit_key else {}
            pages = list(paginator.paginate(**wanted, PaginationConfig=small))
            parts = _items(paginator, pages)
        except Missing as missing:
            self.failures.append(f"{label}: not run, `${missing}` was not kept by an earlier step")
            return
        except (BotoCoreError, ClientError) as error:
            self.failures.append(f"{label}: {type(error).__name__}: {error}")
            return
        if sorted(whole) != sorted(parts):
            self.failures.append(f"{label}: {len(whole)} items in one answer, {len(parts)} in pages")
        if len(set(parts)) != len(parts):
            self.failures.append(f"{label}: items stand twice")
        if not step.single and len(pages) < 2:
            self.failures.append(f"{label}: {len(parts)} items made one page only: make more of them before it")
        self.paged.add((service, step.operation))


def python_name(client, operation):
    """The method of a client for an operation."""
    return {wire: method for method, wire in client.meta.method_to_api_mapping.items()}[operation]


def _items(paginator, pages):
    """Every item of every page, as text that compares."""
    return [
        json.dumps(item, sort_keys=True, default=str)
        for page in pages
        for expression in paginator.result_keys
        for item in expression.search(page) or []
    ]


def _least(client, operation, paginator):
    """The smallest page that the model allows; EC2's lists take no less than 5 where it says nothing."""
    name = paginator._limit_key
    member = client.meta.service_model.operation_model(operation).input_shape.members[name]
    service = client.meta.service_model.service_name
    return max(int(member.metadata.get("min", 5 if service == "ec2" else 1)), 2)
