"""Compares a raw response with botocore's model of it: nothing unknown, nothing required missing, every type right.

botocore itself is lenient: it drops elements that it does not know and parses a number out of anything that looks
like one. An SDK in another language is not, so the raw bytes are compared.
"""

import base64
import datetime
import email.utils
import json
import re
import xml.etree.ElementTree as ElementTree

IN_HEAD = {"header", "headers", "statusCode", "uri", "querystring"}

# Headers that AWS sends with everything and that no model mentions.
COMMON_HEADERS = {"x-amz-request-id", "x-amz-id-2", "x-amzn-requestid", "x-amz-bucket-region"}

ISO_8601 = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:?\d\d)$")

NUMBERS = {
    "integer": (-(1 << 31), (1 << 31) - 1),
    "long": (-(1 << 63), (1 << 63) - 1),
}


class Problems(list):
    """What is wrong, each with the path to it."""

    def add(self, path, what):
        self.append(f"{path}: {what}")


# Where AWS's own answers differ from the model that AWS publishes, by the name of the shape: what is really sent.
AS_SENT = {
    # VPC endpoints: `available`, where the model says `Available`.
    "State": {"pendingAcceptance", "pending", "available", "deleting", "deleted", "rejected", "failed", "expired", "partial"},
    # Internet gateways are `available` where the model says `attached`.
    "AttachmentStatus": {"available"},
}

# What AWS leaves out although the model requires it, by shape and member.
LEFT_OUT = {
    # Only public zones have name servers to tell.
    ("CreateHostedZoneResponse", "DelegationSet"),
}


def check(operation, status, headers, body):
    """What is wrong with a successful response; an empty list when nothing is.

    `operation` is botocore's OperationModel; `body` is None when it is a stream.
    """
    problems = Problems()
    protocol = operation.service_model.metadata["protocol"]
    headers = {name.lower(): value for name, value in headers.items()}
    if status >= 300:
        problems.add("status", f"{status} is no success")
        return problems
    if protocol == "ec2":
        _ec2(operation, body, problems)
    elif protocol == "query":
        _query(operation, body, problems)
    elif protocol == "json":
        _json(operation, headers, body, problems)
    elif protocol == "rest-xml":
        _rest_xml(operation, headers, body, problems)
    else:
        problems.add("protocol", f"`{protocol}` is not known to this check")
    return problems


# ---- envelopes --------------------------------------------------------------------------------


def _ec2(operation, body, problems):
    root = _root(operation, body, problems, f"{operation.name}Response", slash=True)
    if root is None:
        return
    if not (root.findtext(_in(root, "requestId")) or ""):
        problems.add(root.tag, "no requestId")
    others = [child for child in root if _tag(child) != "requestId"]
    if operation.output_shape is None:
        left = [child for child in others if (_tag(child), child.text) != ("return", "true")]
        for child in left:
            problems.add(_tag(child), "unknown element: the operation has no output")
        return
    _structure(operation.output_shape, others, {}, operation.name, problems)


def _query(operation, body, problems):
    root = _root(operation, body, problems, f"{operation.name}Response")
    if root is None:
        return
    if not (root.findtext(f"{_in(root, 'ResponseMetadata')}/{_in(root, 'RequestId')}") or ""):
        problems.add(root.tag, "no ResponseMetadata/RequestId")
    others = [child for child in root if _tag(child) != "ResponseMetadata"]
    shape = operation.output_shape
    if shape is None:
        for child in others:
            problems.add(_tag(child), "unknown element: the operation has no output")
        return
    wrapper = shape.serialization.get("resultWrapper")
    if wrapper:
        if [_tag(child) for child in others] != [wrapper]:
            problems.add(root.tag, f"holds {[_tag(c) for c in others]} instead of {wrapper}")
            return
        others = list(others[0])
    _structure(shape, others, {}, operation.name, problems)


def _json(operation, headers, body, problems):
    version = operation.service_model.metadata.get("jsonVersion", "1.0")
    wanted = f"application/x-amz-json-{version}"
    if headers.get("content-type", "").split(";")[0] != wanted:
        problems.add("content-type", f"{headers.get('content-type')!r} instead of {wanted}")
    try:
        value = json.loads(body or b"{}")
    except ValueError as why:
        problems.add("body", f"not JSON: {why}")
        return
    if operation.output_shape is None:
        if value != {}:
            problems.add("body", "the operation has no output")
        return
    _value(operation.output_shape, value, operation.name, problems)


def _rest_xml(operation, headers, body, problems):
    shape = operation.output_shape
    modelled = set()
    if shape is not None:
        for name, member in shape.members.items():
            where = member.serialization.get("location")
            if where == "header":
                header = member.serialization["name"].lower()
                modelled.add(header)
                if header in headers:
                    _text(member, headers[header], f"{operation.name}.{name} (header)", problems, "rfc822")
                elif name in shape.required_members:
                    problems.add(operation.name, f"required header {header} is missing")
    for header in headers:
        if header.startswith("x-amz-") and header not in modelled | COMMON_HEADERS:
            prefixes = [] if shape is None else [
                m.serialization["name"].lower() for m in shape.members.values() if m.serialization.get("location") == "headers"
            ]
            if not any(header.startswith(prefix) for prefix in prefixes):
                problems.add(operation.name, f"unknown header {header}")
    if body is None:
        return
    payload = None if shape is None else shape.serialization.get("payload")
    if payload:
        member = shape.members[payload]
        if member.type_name in ("string", "blob"):
            return
        root = _parse(body, operation.name, problems)
        if root is not None:
            _node(member, root, f"{operation.name}.{payload}", problems)
        return
    in_body = {} if shape is None else {
        name: member for name, member in shape.members.items() if member.serialization.get("location") not in IN_HEAD
    }
    if not body:
        for name in in_body.keys() & set(shape.required_members if shape else ()):
            problems.add(operation.name, f"required {name} is missing: the body is empty")
        return
    root = _parse(body, operation.name, problems)
    if root is None:
        return
    if operation.name == "GetBucketLocation":
        # The one answer whose text stands in the root itself.
        if _tag(root) != "LocationConstraint" or len(root):
            problems.add(operation.name, "no LocationConstraint")
        return
    if not in_body:
        problems.add(operation.name, f"a body ({_tag(root)}) where the model has none")
        return
    _structure(shape, list(root), root.attrib, operation.name, problems)


# ---- XML --------------------------------------------------------------------------------------


def _tag(node):
    return node.tag.rsplit("}", 1)[-1]


def _in(root, name):
    return f"{root.tag[:root.tag.index('}') + 1]}{name}" if "}" in root.tag else name


def _parse(body, path, problems):
    try:
        return ElementTree.fromstring(body)
    except ElementTree.ParseError as why:
        problems.add(path, f"not XML: {why}: {body[:200]!r}")
        return None


def _root(operation, body, problems, name, slash=False):
    root = _parse(body, operation.name, problems)
    if root is None:
        return None
    space = operation.service_model.metadata.get("xmlNamespace") or ""
    wanted = f"{{{space.rstrip('/')}/}}{name}" if slash or space else name
    if root.tag != wanted:
        problems.add(operation.name, f"the root element is {root.tag} instead of {wanted}")
    return root


def _element_name(member, name):
    if member.type_name == "list" and member.serialization.get("flattened"):
        inner = member.member.serialization.get("name")
        if inner is not None:
            return inner
    return member.serialization.get("name") or name


def _structure(shape, children, attributes, path, problems):
    """The members of a structure, given as the child elements that hold them."""
    by_element = {}
    attribute_names = set()
    for name, member in shape.members.items():
        if member.serialization.get("location") in IN_HEAD:
            continue
        if member.serialization.get("xmlAttribute"):
            attribute_names.add(member.serialization["name"].rsplit(":", 1)[-1])
            continue
        by_element[_element_name(member, name)] = (name, member)
    seen = {}
    for child in children:
        seen.setdefault(_tag(child), []).append(child)
    for attribute in attributes:
        if attribute.rsplit("}", 1)[-1] not in attribute_names:
            problems.add(path, f"unknown attribute {attribute}")
    for element, nodes in seen.items():
        if element not in by_element:
            problems.add(path, f"unknown element {element}")
            continue
        name, member = by_element[element]
        if member.serialization.get("flattened"):
            kind = member.member if member.type_name == "list" else member
            for node in nodes:
                if member.type_name == "list":
                    _node(kind, node, f"{path}.{name}[]", problems)
                else:
                    _pair(member, node, f"{path}.{name}", problems)
            continue
        if len(nodes) > 1:
            problems.add(path, f"{element} stands {len(nodes)} times")
        _node(member, nodes[0], f"{path}.{name}", problems)
    elements = {name: element for element, (name, _) in by_element.items()}
    for name in shape.required_members:
        member = shape.members[name]
        # An empty flattened list leaves no element behind.
        if (shape.name, name) in LEFT_OUT:
            continue
        if name in elements and elements[name] not in seen and not member.serialization.get("flattened"):
            problems.add(path, f"required {name} is missing")


def _node(shape, node, path, problems):
    if shape.type_name == "structure":
        _structure(shape, list(node), node.attrib, path, problems)
    elif shape.type_name == "list":
        wanted = shape.member.serialization.get("name", "member")
        for child in node:
            if _tag(child) != wanted:
                problems.add(path, f"list element {_tag(child)} instead of {wanted}")
            else:
                _node(shape.member, child, f"{path}[]", problems)
    elif shape.type_name == "map":
        for entry in node:
            _pair(shape, entry, path, problems)
    else:
        if len(node):
            problems.add(path, f"holds elements instead of a {shape.type_name}")
        _text(shape, node.text or "", path, problems, "iso8601")


def _pair(shape, entry, path, problems):
    key = shape.key.serialization.get("name") or "key"
    value = shape.value.serialization.get("name") or "value"
    if sorted(_tag(child) for child in entry) != sorted([key, value]):
        problems.add(path, f"map entry with {[_tag(child) for child in entry]} instead of {key}, {value}")
        return
    for child in entry:
        _node(shape.key if _tag(child) == key else shape.value, child, f"{path}{{}}", problems)


# ---- scalars ----------------------------------------------------------------------------------


def _text(shape, text, path, problems, time_format):
    """A scalar as text, in an element or a header."""
    kind = shape.type_name
    if kind == "boolean":
        if text not in ("true", "false"):
            problems.add(path, f"{text!r} is no boolean")
    elif kind in NUMBERS:
        low, high = NUMBERS[kind]
        if not re.fullmatch(r"-?\d+", text) or not low <= int(text) <= high:
            problems.add(path, f"{text!r} is no {kind}")
    elif kind in ("float", "double"):
        try:
            float(text)
        except ValueError:
            problems.add(path, f"{text!r} is no {kind}")
    elif kind == "timestamp":
        _time(text, shape.serialization.get("timestampFormat") or time_format, path, problems)
    elif kind == "blob":
        try:
            base64.b64decode(text, validate=True)
        except ValueError:
            problems.add(path, f"{text!r} is not base64")
    elif kind == "string":
        _string(shape, text, path, problems)


def _time(text, form, path, problems):
    if form == "iso8601":
        right = bool(ISO_8601.match(text))
    elif form == "rfc822":
        try:
            right = isinstance(email.utils.parsedate_to_datetime(text), datetime.datetime)
        except ValueError:
            right = False
    else:
        right = bool(re.fullmatch(r"\d+(\.\d+)?", text))
    if not right:
        problems.add(path, f"{text!r} is no {form} time")


def _string(shape, text, path, problems):
    values = getattr(shape, "enum", None)
    if values and text not in values and text not in AS_SENT.get(shape.name, ()):
        problems.add(path, f"{text!r} is none of {values}")


# ---- JSON -------------------------------------------------------------------------------------


def _value(shape, value, path, problems):
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, dict):
            problems.add(path, f"{type(value).__name__} instead of a structure")
            return
        names = {member.serialization.get("name") or name: (name, member) for name, member in shape.members.items()}
        for key, inner in value.items():
            if key not in names:
                problems.add(path, f"unknown member {key}")
            else:
                _value(names[key][1], inner, f"{path}.{key}", problems)
        for key, (name, _) in names.items():
            if name in shape.required_members and key not in value:
                problems.add(path, f"required {name} is missing")
    elif kind == "list":
        if not isinstance(value, list):
            problems.add(path, f"{type(value).__name__} instead of a list")
            return
        for inner in value:
            _value(shape.member, inner, f"{path}[]", problems)
    elif kind == "map":
        if not isinstance(value, dict):
            problems.add(path, f"{type(value).__name__} instead of a map")
            return
        for inner in value.values():
            _value(shape.value, inner, f"{path}{{}}", problems)
    elif kind == "boolean":
        if not isinstance(value, bool):
            problems.add(path, f"{value!r} is no boolean")
    elif kind in NUMBERS:
        low, high = NUMBERS[kind]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            problems.add(path, f"{value!r} is no {kind}")
    elif kind in ("float", "double", "timestamp"):
        form = shape.serialization.get("timestampFormat")
        if kind == "timestamp" and form == "iso8601":
            _time(str(value), form, path, problems)
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            problems.add(path, f"{value!r} is no {kind}")
    elif kind == "blob":
        _text(shape, value if isinstance(value, str) else "?", path, problems, None)
    elif not isinstance(value, str):
        problems.add(path, f"{value!r} is no {kind}")
    else:
        _string(shape, value, path, problems)
