"""The files of a run: complete whatever happened, consistent with each other, and without secrets."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from clusters.errors import ExitCode
from reports.model import validator
from tests.unit.plugin.project import Project
from tests.unit.plugin.test_run import FAILING, PASSING, UNCLEAN, UNDECIDED

ALL = {
    "results.json",
    "report.html",
    "pytest-html.html",
    "junit.xml",
    "metrics.prom",
    "summary.md",
    "evidence",
}


def cases(project: Project) -> dict[str, ET.Element]:
    root = ET.parse(project.directory / "junit.xml").getroot()
    return {str(case.get("name")): case for case in root.iter("testcase")}


def rows(project: Project) -> str:
    """The rows of pytest-html's table, which it keeps as JSON in one attribute."""
    page = (project.directory / "pytest-html.html").read_text()
    blob = re.search(r'data-jsonblob="([^"]*)"', page)
    assert blob is not None
    return blob.group(1).replace("&#34;", '"').replace("&lt;", "<").replace("&gt;", ">")


def test_a_run_leaves_these_files_and_no_others(project: Project) -> None:
    project.checks(PASSING + FAILING)
    project.run()

    assert {path.name for path in project.directory.iterdir()} == ALL
    assert (project.path / "reports" / "out" / "latest").is_symlink()
    validator().validate(project.results)


def test_another_directory_is_the_latest_too(project: Project) -> None:
    project.checks(PASSING)
    project.run("--report-dir", "elsewhere/mine")

    assert project.directory.resolve() == (project.path / "elsewhere" / "mine").resolve()
    assert {path.name for path in project.directory.iterdir()} == ALL - {"evidence"}


def test_junit_and_html_go_where_the_user_says(project: Project) -> None:
    project.checks(PASSING)
    project.run("--junitxml", "mine.xml", "--html", "mine.html")

    assert (project.path / "mine.xml").exists()
    assert (project.path / "mine.html").exists()
    assert not (project.directory / "junit.xml").exists()


def test_junit_carries_what_the_results_say(project: Project) -> None:
    project.checks(PASSING + FAILING + UNDECIDED + UNCLEAN)
    project.run()

    found = {
        name: {one.get("name"): one.get("value") for one in case.iter("property")}
        for name, case in cases(project).items()
    }
    assert found["test_passes"] == {
        "id": "health.passes",
        "runbook": "1",
        "cluster": "fake",
        "level": "observe",
        "outcome": "passed",
    }
    assert found["test_unclean"]["outcome"] == "failed"
    assert cases(project)["test_fails"].find("failure") is not None
    assert cases(project)["test_unsure"].find("skipped") is not None
    assert cases(project)["test_unclean"].find("error") is not None


HOSTILE = r"""
@check("health.hostile", runbook="1", level=OBSERVE)
def test_hostile():
    '''It holds.'''
    print("\x00\x1b[31m]]></system-out><case/>")
    summary = "\x00\x08\x1b[31m\ufffe\uffff]]></failure><case/>&"
    raise CheckFailed(Finding(cause="pool-missing", subject="x]]><case/>", summary=summary))
"""


def test_junit_is_xml_whatever_a_failure_says(project: Project) -> None:
    project.checks(HOSTILE)
    project.run()

    failure = cases(project)["test_hostile"].find("failure")
    assert failure is not None
    assert "]]></failure><case/>&" in "".join(failure.itertext())
    assert list(failure) == []


def test_pytest_html_shows_our_columns_and_nothing_green_that_failed(project: Project) -> None:
    project.checks(FAILING.replace("    raise", '    Path("x.txt").write_text("x")\n    raise') + UNCLEAN)
    project.run()

    table = rows(project)
    assert '<td class=\\"col-id\\">health.fails</td>' in table
    assert '<td class=\\"col-level\\">disrupt</td>' in table
    assert '<td class=\\"col-result\\">Passed</td>' not in table
    assert 'href=\\"evidence/health.fails/events.txt\\"' in table
    assert "CLEANUP-FAILED on fake" in (project.directory / "pytest-html.html").read_text()


@pytest.mark.parametrize("what", ["refuses", "boot-fails"])
def test_a_refused_run_still_says_so_everywhere(project: Project, what: str) -> None:
    project.checks(PASSING + FAILING)
    project.cluster(what, "The API server at 10.0.0.1 does not answer.")

    result = project.run()

    assert result.ret == ExitCode.REFUSED
    assert project.results["run"]["verdict"] == "refused"
    assert project.results["checks"] == []
    assert set(project.not_tested) == {"health.passes", "health.fails"}
    error = cases(project)["set-up"].find("error")
    assert error is not None
    assert "10.0.0.1 does not answer" in str(error.text)
    assert "10.0.0.1 does not answer" in rows(project)
    assert {path.name for path in project.directory.iterdir()} == ALL - {"evidence"}


def test_a_set_up_that_breaks_is_told_and_no_success(project: Project) -> None:
    project.checks(PASSING)
    project.cluster("boot-breaks", "a mistake of ours")

    result = project.run()

    assert result.ret == ExitCode.INTERNAL_ERROR
    assert project.results["run"]["verdict"] == "refused"
    assert "a mistake of ours" in str(ET.tostring(cases(project)["set-up"]))


def test_evidence_is_kept_before_fixtures_end(project: Project) -> None:
    project.checks(
        '''
        from suites.plugin.failure_evidence import collector

        @collector
        def the_wire(moment):
            moment.record.attach("wire.txt", Path("state").read_text())

        @collector
        def broken(moment):
            raise OSError("no space")

        @pytest.fixture
        def state():
            Path("state").write_text("two nodes answer")
            yield
            Path("state").write_text("all is gone")

        @check("health.x", runbook="1", level=OBSERVE)
        def test_x(state):
            """Holds."""
            assert False
        '''
    )
    project.run()

    folder = project.directory / "evidence" / "health.x"
    assert (folder / "wire.txt").read_text() == "two nodes answer"
    assert {"pods.json", "events.txt", "controller-1.controller.log"} <= {
        one.name for one in folder.iterdir()
    }
    assert "managedFields" not in (folder / "pods.json").read_text()
    assert "broken could not be kept: OSError: no space" in project.check("health.x")["evidence"]


def test_a_check_that_passes_keeps_only_what_it_attaches(project: Project) -> None:
    project.checks(PASSING)
    project.run()

    assert not (project.directory / "evidence").exists()


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["alone", "workers"])
def test_no_file_holds_a_secret(project: Project, arguments: tuple[str, ...]) -> None:
    secret = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJlLWhlcmU"
    project.checks(
        f'''
        @check("health.x", runbook="1", level=OBSERVE, causes=("speaker-down",))
        def test_x(record):
            """Holds."""
            print("token: {secret}")
            record.note("found {secret}")
            record.attach("a.json", {{"kind": "Secret", "data": {{"k": "c2VjcmV0LXZhbHVl"}}}})
            record.attach("a.log", "Bearer {secret}")
            raise CheckFailed(Finding(cause="speaker-down", subject="node w1", summary="it says {secret}"))

        @check("health.y", runbook="1", level=OBSERVE)
        def test_y():
            """Holds."""
            assert "{secret}" == ""
        '''
    )
    project.run_apart(*arguments)

    texts = {path: path.read_text() for path in project.directory.rglob("*") if path.is_file()}
    assert len(texts) > 10
    assert [path.name for path, text in texts.items() if secret in text or "c2VjcmV0LXZhbHVl" in text] == []
    assert [path.name for path, text in texts.items() if "hunter2hunter2" in text] == []


def test_two_processes_make_the_same_report_as_one(project: Project) -> None:
    turns = '''
@check("failover.{name}", runbook="shape", level=DISRUPT, measured=True)
def test_{name}(record):
    """Moves."""
    record.measure("moved after", 1.0)
    Path("turn-" + os.environ["PYTEST_XDIST_WORKER"]).touch()
'''
    project.checks(PASSING + UNDECIDED + turns.format(name="a") + turns.format(name="b"))

    result = project.run_apart("-n", "2", "--repeat", "2", "-k", "not unsure")

    assert result.ret == ExitCode.PASSED, result.stdout.str()
    assert set(project.outcomes) == {"health.passes", "failover.a", "failover.b"}
    assert project.not_tested == {"health.unsure": "deselected on the command line"}
    assert project.check("failover.a")["measurements"]["moved after"]["samples"] == [1.0, 1.0]
    assert len(list(project.path.glob("turn-*"))) == 1
    assert {path.name for path in project.directory.iterdir()} == ALL - {"evidence"}
    assert len(cases(project)) == 5


def test_what_a_worker_could_not_clean_up_is_told(project: Project) -> None:
    project.cluster("undo-fails", "The namespace is still there.")
    project.checks(
        '''
        @check("allocation.x", runbook="shape", level=CREATE)
        def test_x(changes):
            """Changes."""
        '''
    )

    assert project.run_apart("-n", "2").ret == ExitCode.CLEANUP_FAILED
    assert project.results["run"]["verdict"] == "cleanup-failed"


def test_stopping_at_the_first_failure_leaves_the_rest_untested(project: Project) -> None:
    project.checks(
        FAILING + UNDECIDED + PASSING.replace("health.", "allocation.").replace("OBSERVE", "CREATE")
    )

    assert project.run("-x").ret == ExitCode.FAILED
    assert project.outcomes["allocation.passes"] == "skipped"
    assert project.check("allocation.passes")["reason"] == "not reached: the run ended before it"


# A signal that comes between Python's last look for one and a blocking call is heard only when that call ends, and
# the tests send theirs at that very moment: it waits in short steps.
WAITING = '''
@pytest.fixture
def taint():
    Path("tainted").write_text("")
    yield
    Path("tainted").unlink()

@check("failover.waits", runbook="shape", level=DISRUPT)
def test_waits(taint, changes):
    """Waits."""
    import threading
    Path("soon").write_text("")
    Path("soon").rename("waiting")
    for _ in range(600):
        threading.Event().wait(0.1)
'''


def started(project: Project, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pytest", *project.arguments(arguments, "disrupt")]
    process = subprocess.Popen(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not Path("waiting").exists() and process.poll() is None and time.monotonic() < deadline:
        os.sched_yield()
    assert Path("waiting").exists(), process.communicate()[0]
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_undoes_and_reports(project: Project, number: signal.Signals) -> None:
    project.checks(PASSING + FAILING + WAITING)
    process = started(project)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == ExitCode.INTERRUPTED, output
    assert not Path("tainted").exists()
    assert Path("cluster-log").read_text().split("\n")[-3:] == ["undone all", "closed", ""]
    assert project.outcomes == {
        "health.passes": "passed",
        "health.fails": "failed",
        "failover.waits": "skipped",
    }
    assert {"test_passes", "test_fails"} <= set(cases(project))
    assert "FAILED  health.fails" in output


def test_an_interrupted_run_that_cannot_clean_up_says_that(project: Project) -> None:
    project.cluster("undo-fails", "The namespace is still there.")
    project.checks(WAITING)
    process = started(project)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == ExitCode.CLEANUP_FAILED, output


def test_an_interrupted_run_with_workers_undoes_and_reports(project: Project) -> None:
    project.checks(PASSING + WAITING)
    process = started(project, "-n", "2")
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == ExitCode.INTERRUPTED, output
    assert not Path("tainted").exists()
    assert project.outcomes["failover.waits"] == "skipped"


def test_a_killed_run_leaves_what_was_done(project: Project) -> None:
    project.checks(PASSING + FAILING + WAITING)
    process = started(project)
    process.kill()
    process.communicate(timeout=60)

    (directory,) = [path for path in (project.path / "reports" / "out").iterdir() if not path.is_symlink()]
    results = json.loads((directory / "results.json").read_text())
    validator().validate(results)
    outcomes = {one["id"]: one["outcome"] for one in results["checks"]}
    assert outcomes["health.passes"] == "passed"
    assert outcomes["failover.waits"] == "skipped"
