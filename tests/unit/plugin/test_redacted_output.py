"""A run that meets secrets and characters that act everywhere leaves neither: not in a file, not on the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clusters.errors import ExitCode
from tests.unit.outbound import corpus
from tests.unit.plugin.project import Project

#: No shape gives it away; the words are those of a passphrase.
SECRET = corpus.WORD
ACTING = ("\x1b", "\x07", "\u202e", "\u2066", "\x9b")
HOSTILE = "\x1b]0;gone\x07\u202ereversed\u2066\x9b2J"

CHECKS = f'''
class Login:
    def __repr__(self):
        return "Login(password={SECRET!r})"

@check("health.finding", runbook="1", level=OBSERVE, causes=("pool-missing",))
def test_finding(record, snapshot):
    """Finds."""
    record.note("token={SECRET} {HOSTILE!s}")
    record.attach("a.json", {{"password": "{SECRET}", "env": [{{"name": "FOO", "value": "{SECRET}"}}]}})
    record.attach("b.txt", "TOKEN={SECRET}\\n{HOSTILE!s}\\n")
    Path("c.json").write_text('{{"token": "{SECRET}"}}')
    record.attach("c.json", Path("c.json"))
    record.attach("d.txt", b"password: {SECRET}")
    raise CheckFailed(Finding(
        cause="pool-missing", subject="pool {HOSTILE!s}", summary="spec.password: {SECRET}",
        evidence=("Authorization: Basic {corpus.encoded("admin:" + SECRET)}",), ruled_out=("secret={SECRET}",),
        remedy="Not --password {SECRET}.", commands=("curl -u admin:{SECRET} https://example.org",),
    ))

@check("health.assertion", runbook="1", level=OBSERVE)
def test_assertion():
    """Asserts."""
    print("api_key: {SECRET} {HOSTILE!s}")
    print("DB_PASS={SECRET}", file=sys.stderr)
    login = Login()
    assert {{"password": "{SECRET}"}} == {{"login": login}}

@check("health.breaks", runbook="1", level=OBSERVE)
def test_breaks():
    """Breaks."""
    try:
        raise ValueError("https://admin:{SECRET}@example.org/")
    except ValueError as error:
        raise RuntimeError("client_secret={SECRET} {HOSTILE!s}") from error

@check("health.undecided", runbook="1", level=OBSERVE)
def test_undecided():
    """Undecided."""
    raise Inconclusive("The server said: Bearer {SECRET} {HOSTILE!s}.")

@check("health.skipped", runbook="1", level=OBSERVE)
def test_skipped():
    """Skipped."""
    pytest.skip("passphrase: {SECRET} {HOSTILE!s}")

@pytest.fixture
def unclean():
    yield
    raise CleanupFailed("The secret_key={SECRET} is still there.")

@check("health.unclean", runbook="1", level=OBSERVE)
def test_unclean(unclean):
    """Unclean."""
'''


def objects() -> dict[str, list[dict[str, Any]]]:
    """What a hostile cluster holds: each kind that a run reads, with secrets in every place of the corpus."""
    pods = [found for found, _ in corpus.objects() if found.get("kind") == "Pod"]
    services = [found for found, _ in corpus.objects() if found.get("kind") == "Service"]
    maps = [found for found, _ in corpus.objects() if found.get("kind") == "ConfigMap"]
    labels = {"app": "metallb", "component": "speaker", "hostile": "x"}
    for at, each in enumerate((*pods, *services, *maps)):
        each["metadata"] |= {"namespace": "metallb-system", "labels": labels, "uid": str(at)}
    for each in services:
        token = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
        each |= {
            "spec": {
                "type": "LoadBalancer",
                "loadBalancerIP": f"http://u:{SECRET}@h",
                "selector": {"a": token},
            },
            "status": {"conditions": [{"type": "X", "status": "True", "message": f"password: {SECRET}"}]},
        }
        each["metadata"]["managedFields"] = [
            {"manager": f"curl -u a:{SECRET}", "fieldsV1": {"f:status": {"f:loadBalancer": {}}}}
        ]
        each["metadata"]["annotations"]["metallb.io/address-pool"] = f"password={SECRET} {HOSTILE}"
    events = [
        {
            "metadata": {"name": f"e{at}", "namespace": "shop", "creationTimestamp": "2999-01-01T00:00:00Z"},
            "involvedObject": {"kind": "Service", "namespace": "shop", "name": "web"},
            "message": f"{text} {HOSTILE}",
        }
        for at, (text, _) in enumerate(corpus.texts())
    ]
    peer = {"metadata": {"name": "p", "namespace": "metallb-system"}, "spec": {"password": SECRET}}
    return {"pods": pods, "services": services, "configmaps": maps, "events": events, "bgppeers": [peer]}


def left(project: Project, *printed: str) -> dict[str, str]:
    """Everything that a run left and showed, by where it is."""
    places = [path for path in (project.path / "reports").rglob("*") if path.is_file()]
    assert places
    texts = {
        str(path.relative_to(project.path)): path.read_bytes().decode("utf-8")
        for path in places
        if path.suffix != ".db"
    }
    databases = {path.name: path.read_bytes().decode("latin-1") for path in places if path.suffix == ".db"}
    return texts | databases | {f"printed {at}": text for at, text in enumerate(printed)}


def told(texts: dict[str, str], secrets: set[str]) -> list[tuple[str, str]]:
    return [(place, secret) for place, text in texts.items() for secret in secrets if secret in text]


def acting(texts: dict[str, str]) -> list[tuple[str, str]]:
    """Where characters that act are left; a database has such bytes of its own."""
    return [
        (at, repr(one)) for at, text in texts.items() for one in ACTING if one in text and ".db" not in at
    ]


@pytest.fixture
def hostile(project: Project) -> Project:
    project.cluster("objects", json.dumps(objects()))
    project.cluster("says", "\n".join(text for text, _ in corpus.texts()) + HOSTILE)
    project.checks(CHECKS)
    project.cluster("undo-fails", f"PGPASSWORD={SECRET} was not undone.")
    return project


def test_no_secret_is_in_anything_that_a_run_leaves(hostile: Project) -> None:
    result = hostile.run("--showlocals")

    assert result.ret == ExitCode.CLEANUP_FAILED
    texts = left(hostile, result.stdout.str(), result.stderr.str())
    kept = {Path(place).name for place in texts}
    assert kept >= {
        "results.json",
        "report.html",
        "pytest-html.html",
        "junit.xml",
        "metrics.prom",
        "summary.md",
    }
    result.stdout.fnmatch_lines(["E * == {'login': Login(password='<redacted>')}"])
    assert kept >= {"snapshot.json", "pods.json", "services.json", "events.txt", "a.json"}
    secrets = {secret for _, secret in corpus.texts()} | {secret for _, secret in corpus.objects()}
    assert told(texts, {each for each in secrets if len(each) > 6} | {"hunter2"}) == []


def test_nothing_that_acts_is_in_anything_that_people_read(hostile: Project) -> None:
    result = hostile.run()

    texts = left(hostile, result.stdout.str(), result.stderr.str())
    assert acting(texts) == []
    assert "\\x1b]0;gone\\x07\\u202e" in texts[next(place for place in texts if place.endswith("events.txt"))]


@pytest.mark.parametrize("how", ["refuses", "boot-fails", "boot-breaks"])
def test_no_secret_is_in_what_a_refused_run_leaves(project: Project, how: str) -> None:
    project.checks('@check("health.x", runbook="1", level=OBSERVE)\ndef test_x():\n    """Is."""\n')
    project.cluster(how, f"The login command said: Bearer {SECRET} refresh_token={SECRET} {HOSTILE}")

    result = project.run()

    assert result.ret in {ExitCode.REFUSED, ExitCode.INTERNAL_ERROR}
    texts = left(project, result.stdout.str(), result.stderr.str())
    assert told(texts, {SECRET}) == []
    assert acting(texts) == []
    assert "The login command said" in texts["printed 0"] + texts["printed 1"]


def test_no_secret_is_in_what_pytest_says_by_itself(project: Project) -> None:
    project.checks(
        f'''
        @check("health.x", runbook="1", level=OBSERVE)
        def test_x():
            """Is."""
            pytest.exit("token={SECRET} {HOSTILE!s}")
        '''
    )

    result = project.run()

    texts = left(project, result.stdout.str(), result.stderr.str())
    assert told(texts, {SECRET}) == []
    assert acting(texts) == []
    result.stdout.fnmatch_lines(["*Exit: token=<redacted>*"])


def test_no_secret_is_in_a_module_that_cannot_be_collected(project: Project) -> None:
    project.checks(f'raise RuntimeError("password={SECRET}")\n')

    result = project.run()

    assert told(left(project, result.stdout.str(), result.stderr.str()), {SECRET}) == []
    result.stdout.fnmatch_lines(["*RuntimeError*password=<redacted>*"])
