"""The operation tables of docs/compatibility.md: what the conformance test saw, and the notes beside it."""

import re
import tomllib

from harness.programs import REPOSITORY

DOCUMENT = REPOSITORY / "docs/compatibility.md"
NOTES = REPOSITORY / "docs/compatibility-notes.toml"

BEGIN = "<!-- operations: written by `cargo xtask compat`, notes in compatibility-notes.toml -->"
END = "<!-- end of operations -->"

SECTIONS = {
    "EC2": ["ec2"],
    "IAM and STS": ["iam", "sts"],
    "S3": ["s3"],
    "S3 Control": ["s3control"],
    "Route 53": ["route53"],
    "Route 53 Resolver": ["route53resolver"],
    "Elastic Load Balancing": ["elbv2"],
    "SNS": ["sns"],
    "DynamoDB": ["dynamodb"],
}


def notes():
    """{(service, operation): (state, text)} of the notes file."""
    found = {}
    for service, states in tomllib.loads(NOTES.read_text()).items():
        for state, operations in states.items():
            if state not in ("yes", "part", "no"):
                raise ValueError(f"{NOTES.name}: [{service}.{state}] is none of yes, part, no")
            for operation, text in operations.items():
                found[service, operation] = (state, text)
    return found


def unknown_notes(built):
    """Notes on operations that are not built, and refusals noted for some that are."""
    return sorted(
        f"{service} {operation}"
        for (service, operation), (state, _) in notes().items()
        if ((service, operation) in built) == (state == "no")
    )


def render(seen):
    """The generated part, for the (service, operation) pairs that were seen to work."""
    noted = notes()
    lines = [BEGIN]
    for title, services in SECTIONS.items():
        rows = {operation: noted.get((service, operation), ("yes", "")) for service, operation in seen if service in services}
        rows |= {
            operation: (state, text)
            for (service, operation), (state, text) in noted.items()
            if service in services and state == "no"
        }
        if not rows:
            continue
        lines += ["", f"## {title}", "", "| operation | state | notes |", "|---|---|---|"]
        lines += [f"| `{operation}` | {state} | {text} |" for operation, (state, text) in sorted(rows.items())]
    return "\n".join([*lines, "", END])


PART = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)


def committed():
    """The generated part as it stands in the document."""
    found = PART.search(DOCUMENT.read_text())
    return found[0] if found else None


def rewrite(seen):
    """Writes the generated part into the document."""
    text = DOCUMENT.read_text()
    if not PART.search(text):
        raise ValueError(f"{DOCUMENT.name} has no generated part between {BEGIN} and {END}")
    DOCUMENT.write_text(PART.sub(lambda _: render(seen), text))
