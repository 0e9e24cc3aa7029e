"""`adit policy`: the engine from a shell, without a daemon."""

import json
import subprocess

from harness.programs import ADIT, plain_environment


def policy(*arguments, stdin=None, check=True):
    done = subprocess.run(
        [str(ADIT), "policy", *arguments], input=stdin, capture_output=True, text=True, env=plain_environment(), timeout=120
    )
    if check:
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return done


def case(name, key="q1", vpce="vpce-1a2b3c4d", expected=None):
    deny = {
        "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::reports/*",
        "Condition": {"StringNotEquals": {"aws:sourceVpce": "vpce-1a2b3c4d"}},
    }
    return {
        "id": name,
        "identityPolicies": [{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}],
        "resourcePolicy": {"Version": "2012-10-17", "Statement": [deny]},
        "request": {
            "principal": "arn:aws:iam::111122223333:user/ana", "action": "s3:GetObject",
            "resource": f"arn:aws:s3:::reports/{key}", "resourceAccount": "111122223333",
            "context": {"aws:SourceVpce": vpce},
        },
        "expected": expected,
    }


def test_ten_thousand_cases_in_one_process_in_order_and_bad_lines_are_counted():
    lines, wanted = [], []
    for number in range(10_000):
        if number % 1000 == 17:
            lines.append("{not json")
            wanted.append((None, "error"))
        else:
            allowed = number % 3 != 0
            lines.append(json.dumps(case(number, vpce="vpce-1a2b3c4d" if allowed else "vpce-99999999")))
            wanted.append((number, "allow" if allowed else "deny"))
    done = policy("decide", "-", stdin="\n".join(lines) + "\n", check=False)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(a["id"], a["decision"]) for a in answers] == wanted
    bad = [a for a in answers if a["decision"] == "error"]
    assert [a["line"] for a in bad] == [n + 1 for n in range(17, 10_000, 1000)]
    assert "10 errors" in done.stderr
    assert done.returncode == 1, "bad lines are a failure"


def test_expect_fails_when_a_decision_differs():
    right, wrong = case("right", expected="allow"), case("wrong", expected="deny")
    policy("decide", "--expect", "-", stdin=json.dumps(right) + "\n")
    done = policy("decide", "--expect", "-", stdin=json.dumps(wrong) + "\n", check=False)
    assert done.returncode == 1 and "1 mismatches" in done.stderr
    policy("decide", "-", stdin=json.dumps(wrong) + "\n")


def test_the_trace_names_the_element_that_failed():
    (answer,) = policy("decide", "--trace", "-", stdin=json.dumps(case("x")) + "\n").stdout.splitlines()
    text = json.dumps(json.loads(answer)["trace"])
    assert "aws:sourceVpce" in text and "vpce-1a2b3c4d" in text


def test_check_reads_files_and_standard_input(tmp_path):
    good = tmp_path / "good.json"
    good.write_text(json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}]}))
    policy("check", "--kind", "identity", good)
    bad = policy("check", "--kind", "identity", "-", stdin='{"Version": "2012-10-17"}', check=False)
    assert bad.returncode == 1 and "Statement" in bad.stdout, bad.stdout
    missing = policy("check", tmp_path / "absent.json", check=False)
    assert missing.returncode == 1 and "absent.json" in missing.stderr
