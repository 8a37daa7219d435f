"""A whole run with receivers on the loopback: what reaches them, and what a receiver can do to a run."""

from __future__ import annotations

import json
import time
from email import message_from_string, policy
from pathlib import Path

import pytest

from tests.unit.plugin.project import Project
from tests.unit.reports.publish.receivers import HANGS, mail, nobody, web

SECRET = "hunter2hunter2"
FAILING = """\
    @check("health.first", runbook="1", level=OBSERVE)
    def test_first():
        \"\"\"It holds.\"\"\"
        assert not Path("broken").exists()
"""


@pytest.fixture
def failing(project: Project) -> Project:
    """A project whose first run fails."""
    project.checks(FAILING)
    (project.path / "broken").touch()
    return project


def sinks(project: Project, *urls: str) -> tuple[str, str]:
    path = project.path / "sinks.txt"
    path.write_text("# who hears of it\n" + "\n".join(urls) + "\n")
    return "--notify", str(path)


def everything_written(project: Project) -> str:
    """All text that the run left."""
    files = [path for path in (project.path / "reports").rglob("*") if path.is_file()]
    assert len(files) >= 6
    return "\n".join(path.read_text(errors="replace") for path in files)


def test_one_digest_reaches_a_webhook_and_a_mailbox(failing: Project) -> None:
    with web() as hook, mail() as box:
        result = failing.run_apart(
            *sinks(
                failing,
                f"json://user:{SECRET}@{hook.place}/hook",
                f"mailto://127.0.0.1:{box.port}?from=suite@example.org&to=ops@example.org&mode=insecure",
            )
        )

    assert result.ret == 1
    (request,) = hook.requests
    (message,) = box.messages
    posted = json.loads(request[3])
    assert posted["title"] == "MetalLB conformance: FAILED on fake"
    assert "- health.first: " in posted["message"]
    assert "Newly failing (1):" in posted["message"]
    mailed = message_from_string(message, policy=policy.default)
    assert mailed["Subject"] == posted["title"]
    text = mailed.get_body(("plain", "html"))
    assert text is not None
    assert "health.first" in text.get_content()
    result.stdout.fnmatch_lines(["notification: sent to line 2 of *sinks.txt (json), line 3 of * (mailto)"])
    assert SECRET not in result.stdout.str() + result.stderr.str() + everything_written(failing)


def test_the_environment_names_sinks_as_well_and_shows_nowhere(
    failing: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web() as hook:
        url = f"json://user:{SECRET}@{hook.place}/hook"
        monkeypatch.setenv("METALLB_CONFORMANCE_NOTIFY", url)
        result = failing.run_apart()

    assert len(hook.requests) == 1
    assert SECRET not in result.stdout.str() + result.stderr.str() + everything_written(failing)


def test_over_many_nights_only_what_changed_is_told(failing: Project) -> None:
    """Failed, failed, fixed, passed: a message the first and the third time."""
    told, lasting = [], []
    with web() as hook:
        for broken in (True, True, False, False, True):
            if broken:
                (failing.path / "broken").touch()
            else:
                (failing.path / "broken").unlink(missing_ok=True)
            before = len(hook.requests)
            failing.run_apart(*sinks(failing, f"json://{hook.place}"))
            told.append(len(hook.requests) - before)
            lasting.append(
                "last_success_timestamp_seconds{" in (failing.directory / "metrics.prom").read_text()
            )
        texts = [json.loads(body)["message"] for _, _, _, body in hook.requests]

    assert told == [1, 0, 1, 0, 1]
    assert ["Newly failing (1):" in text for text in texts] == [True, False, True]
    assert "Fixed (1):\n- health.first" in texts[1]
    assert lasting == [False, False, True, True, True]


def test_a_first_run_that_passes_tells_nobody(failing: Project) -> None:
    (failing.path / "broken").unlink()

    with web() as hook:
        result = failing.run_apart(*sinks(failing, f"json://{hook.place}"))

    assert result.ret == 0
    assert hook.requests == []
    result.stdout.fnmatch_lines(["notification: none, nothing changed*"])


def test_receivers_that_hang_refuse_or_are_gone_are_told_and_cost_seconds(failing: Project) -> None:
    failing.add_to_profile("budgets: {delivered: 2}\n")
    with (
        web(hangs=True) as hanging,
        web(drips=True) as dripping,
        web(status=500) as refusing,
        nobody() as gone,
    ):
        result = failing.run_apart(
            *sinks(
                failing,
                f"json://user:{SECRET}@{hanging.place}?rto=600",
                f"json://user:{SECRET}@{dripping.place}?rto=600",
                f"json://user:{SECRET}@{refusing.place}",
                f"mailto://user:{SECRET}@127.0.0.1:{gone}?from=a@example.org&mode=insecure",
            ),
            "--push-gateway",
            f"http://{hanging.place}",
        )
        # From there on: how long a busy machine takes to begin is no cost of the receivers.
        took = time.monotonic() - hanging.asked_at

    assert result.ret == 1  # what the checks say, and not what became of the message
    assert took < HANGS / 4
    place = failing.path / "sinks.txt"
    expected = [
        f"not delivered: metrics to http://{hanging.place}: it did not answer within 2 s",
        f"not delivered: line 2 of {place} (json): it did not answer within 2 s",
        f"not delivered: line 3 of {place} (json): it did not answer within 2 s",
        f"not delivered: line 4 of {place} (json): it refused the message or could not be reached",
        f"not delivered: line 5 of {place} (mailto): it refused the message or could not be reached",
    ]
    result.stdout.fnmatch_lines([line.replace("[", "[[]") for line in expected])
    summary = (failing.directory / "summary.md").read_text()
    assert "## Not delivered" in summary
    assert summary.count("- line ") == 4
    assert SECRET not in result.stdout.str() + result.stderr.str() + everything_written(failing)


def test_metrics_reach_the_folder_of_the_node_exporter_in_one_step(failing: Project) -> None:
    folder = failing.path / "textfiles"
    folder.mkdir()

    assert failing.run_apart("--textfile-dir", str(folder)).ret == 1

    (written,) = folder.iterdir()
    assert written.name == "metallb-conformance-fake.prom"
    assert written.stat().st_mode & 0o777 == 0o644
    assert written.read_text() == (failing.directory / "metrics.prom").read_text()


def test_metrics_are_pushed_as_one_group_of_the_cluster(
    failing: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web() as pushed:
        monkeypatch.setenv("METALLB_CONFORMANCE_PUSH_GATEWAY", f"http://user:{SECRET}@{pushed.place}/base/")
        result = failing.run_apart()

    (request,) = pushed.requests
    method, path, headers, text = request
    assert (method, path) == ("PUT", "/base/metrics/job/metallb-conformance/cluster/fake")
    assert headers["Authorization"].startswith("Basic ")
    assert b"metallb_conformance_run_verdict{" in text
    assert SECRET not in result.stdout.str() + result.stderr.str() + everything_written(failing)


@pytest.mark.parametrize(
    ("option", "given", "said"),
    [
        ("--notify", "missing.txt", "*--notify missing.txt cannot be read: No such file or directory."),
        ("--notify", "odd.txt", "*line 1 of odd.txt is not a URL that apprise accepts.*"),
        ("--notify", "wrong.txt", "*line 1 of wrong.txt (nosuch) is not a URL that apprise accepts.*"),
        ("--textfile-dir", "missing", "*--textfile-dir missing is not a directory.*"),
        ("--push-gateway", "ftp://host", "*--push-gateway is not an http or https URL.*"),
        ("--push-gateway", "http://host:port", "*--push-gateway is not an http or https URL.*"),
        ("--push-gateway", f"http://user:{SECRET}@host", "*METALLB_CONFORMANCE_PUSH_GATEWAY*"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything_runs(
    failing: Project, option: str, given: str, said: str
) -> None:
    Path("odd.txt").write_text(f"{SECRET}\n")
    Path("wrong.txt").write_text(f"nosuch://user:{SECRET}@host\n")

    result = failing.pytest_apart(*failing.arguments((option, given), "observe"))

    assert result.ret == 4
    result.stderr.fnmatch_lines([said])
    assert SECRET not in result.stdout.str() + result.stderr.str()
    assert "Traceback" not in result.stderr.str()
    assert not (failing.path / "reports").exists()


def test_a_part_of_a_run_sends_nothing(failing: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with web() as receiver:
        monkeypatch.setenv("METALLB_CONFORMANCE_NOTIFY", f"json://{receiver.place}")
        monkeypatch.setenv("METALLB_CONFORMANCE_PUSH_GATEWAY", f"http://{receiver.place}")
        result = failing.run_apart("--run-id", "night", "--shard", "1/1")

    assert result.ret == 1
    assert receiver.requests == []


@pytest.mark.parametrize(
    "partial",
    [("--run-id", "night", "--shard", "1/2"), ("--snapshot", "kept.json")],
    ids=["part", "observation"],
)
def test_what_is_no_whole_run_may_not_be_told_as_one(failing: Project, partial: tuple[str, ...]) -> None:
    arguments = failing.arguments((*partial, "--push-gateway", "http://127.0.0.1:9"), "observe")
    result = failing.pytest_apart(*arguments)

    assert result.ret == 4
    result.stderr.fnmatch_lines([f"*--push-gateway does not go with {partial[-2]}: *"])
