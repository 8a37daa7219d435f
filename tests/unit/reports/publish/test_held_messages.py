"""Messages that wait: quiet hours, receivers that are gone for a night, reminders while a cluster is not well."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reports.__main__ import main
from tests.unit.plugin.project import Project
from tests.unit.reports.publish.receivers import Web, nobody, web
from tests.unit.reports.publish.test_delivery import failing, sinks

__all__ = ["failing"]
ALWAYS = ("--quiet-hours", "00:00-24:00")


def history_of(path: Path) -> Path:
    """The history of a project."""
    return path / "reports" / "history.db"


def earlier(project: Project, hours: float) -> None:
    """Let everything that the history knows of messages have happened some hours earlier."""
    with closing(sqlite3.connect(history_of(project.path))) as connection, connection:
        for table, column in (("sent", "at"), ("outbox", "made")):
            for (text,) in connection.execute(f"SELECT {column} FROM {table}").fetchall():
                then = datetime.fromisoformat(text) - timedelta(hours=hours)
                connection.execute(
                    f"UPDATE {table} SET {column} = ?",
                    (f"{then.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z",),
                )


def messages(receiver: Web) -> list[dict[str, str]]:
    return [json.loads(body) for _, _, _, body in receiver.requests]


def test_what_happens_in_quiet_hours_is_sent_after_them_and_nothing_is_lost(failing: Project) -> None:
    with web() as hook:
        first = failing.run_apart(*sinks(failing, f"json://{hook.place}"), *ALWAYS)
        (failing.path / "broken").unlink()
        second = failing.run_apart(*sinks(failing, f"json://{hook.place}"), *ALWAYS)
        assert hook.requests == []
        third = failing.run_apart(*sinks(failing, f"json://{hook.place}"))
        fourth = failing.run_apart(*sinks(failing, f"json://{hook.place}"))

    first.stdout.fnmatch_lines(["notification: held back until * UTC (quiet hours), 1 message waiting"])
    second.stdout.fnmatch_lines(["notification: held back until * UTC (quiet hours), 2 messages waiting"])
    third.stdout.fnmatch_lines(["notification: sent to line 2 of * (json), with 2 messages that waited"])
    fourth.stdout.fnmatch_lines(["notification: none, nothing changed since the previous run"])
    told = messages(hook)
    assert [one["title"].rpartition(": ")[2] for one in told] == ["FAILED on fake", "PASSED on fake"]
    assert all(one["message"].startswith("Of ") for one in told)
    assert all("and not sent then.\n\n" in one["message"] for one in told)


def test_a_message_of_quiet_hours_leaves_by_a_command_as_well(
    failing: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    with web() as hook:
        notify = sinks(failing, f"json://{hook.place}")
        failing.run_apart(*notify, *ALWAYS)
        capsys.readouterr()
        command = ["deliver", *notify, "--history", str(history_of(failing.path))]
        assert main([*command, "--cluster", "another"]) == 0
        assert main(command) == 0
        assert main(command) == 0

    assert len(hook.requests) == 1
    assert capsys.readouterr().out.splitlines() == [
        "notification: no message waits",
        f"notification: sent to line 2 of {failing.path / 'sinks.txt'} (json), with 1 message that waited",
        "notification: no message waits",
    ]


def test_a_receiver_that_is_gone_for_a_night_has_it_the_next_night_and_the_other_one_only_once(
    failing: Project,
) -> None:
    with web() as hook:
        with nobody() as gone:
            first = failing.run_apart(*sinks(failing, f"json://{hook.place}", f"json://127.0.0.1:{gone}"))
        with web() as back:
            second = failing.run_apart(*sinks(failing, f"json://{hook.place}", f"json://{back.place}"))
            third = failing.run_apart(*sinks(failing, f"json://{hook.place}", f"json://{back.place}"))

    first.stdout.fnmatch_lines(
        [
            "notification: sent to line 2 of *",
            "notification: 1 message waiting, for the next run or `python -m reports deliver` to send",
            "not delivered: line 3 of * (json): *",
        ]
    )
    second.stdout.fnmatch_lines(["notification: sent to line 3 of * (json), with 1 message that waited"])
    third.stdout.no_fnmatch_line("*message*wait*")
    assert (len(hook.requests), len(back.requests)) == (1, 1)


def test_a_command_without_receivers_or_with_dead_ones(
    failing: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    with nobody() as gone:
        notify = sinks(failing, f"json://127.0.0.1:{gone}")
        failing.run_apart(*notify, *ALWAYS)
        capsys.readouterr()
        history = ("--history", str(history_of(failing.path)))

        assert main(["deliver", *history]) == 4
        assert main(["deliver", *notify, *history]) == 1

    captured = capsys.readouterr()
    assert "There is nobody to send to. Give --notify FILE" in captured.err
    assert "not delivered: line 2 of " in captured.err
    assert captured.out == (
        "notification: 1 message waiting, for the next run or `python -m reports deliver` to send\n"
    )


def test_a_message_waits_two_weeks_and_no_longer(failing: Project) -> None:
    with nobody() as gone:
        failing.run_apart(*sinks(failing, f"json://127.0.0.1:{gone}"), *ALWAYS)
    earlier(failing, 15 * 24)

    with web() as hook:
        result = failing.run_apart(*sinks(failing, f"json://{hook.place}"))

    assert hook.requests == []
    result.stdout.fnmatch_lines(["notification: 1 message dropped, after waiting too long"])


def test_a_history_that_cannot_be_kept_holds_nothing_back(failing: Project) -> None:
    with web() as hook:
        result = failing.run_apart(
            *sinks(failing, f"json://{hook.place}"), *ALWAYS, "--history", "/proc/no/history.db"
        )

    assert len(hook.requests) == 1
    result.stdout.fnmatch_lines(["notification: not held back in the quiet hours, for it cannot be kept: *"])


def test_while_it_stays_broken_a_reminder_comes_now_and_then_and_says_for_how_long(failing: Project) -> None:
    told = []
    with web() as hook:
        arguments = (*sinks(failing, f"json://{hook.place}"), "--remind-after", "72")
        for night in range(5):
            before = len(hook.requests)
            failing.run_apart(*arguments)
            told.append(len(hook.requests) - before)
            earlier(failing, 24 if night else 23.9)
        (failing.path / "broken").unlink()
        failing.run_apart(*arguments)
        earlier(failing, 100)
        failing.run_apart(*arguments)

    assert told == [1, 0, 0, 1, 0]
    first, again, fixed = messages(hook)
    assert again["title"] == "MetalLB conformance: still FAILED on fake"
    assert again["message"] != first["message"]
    assert (
        "Nothing changed since the previous run. This is a reminder, the last message was "
        in again["message"]
    )
    assert "Still failing (1):\n- health.first: " in again["message"]
    assert ": 4 runs in a row" in again["message"]
    assert fixed["title"] == "MetalLB conformance: PASSED on fake"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--remind-after", "0"), "*--remind-after 0 is not a number of hours from 1 to 2208.*"),
        (("--quiet-hours", "nights"), "*--quiet-hours: 'nights' are no hours: write *"),
        (
            ("--report-url", "javascript:alert(1)"),
            "*--report-url is not an address that a message can link to.*",
        ),
        (("--report-url", "https://user:word@host/"), "*--report-url is not an address*no password*"),
        (("--report-url", "https://host/__all__?x"), "*--report-url is not an address*"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_runs(
    failing: Project, given: tuple[str, str], said: str
) -> None:
    result = failing.pytest_apart(*failing.arguments(given, "observe"))

    assert result.ret == 4
    result.stderr.fnmatch_lines([said])
    assert not (failing.path / "reports").exists()


def test_a_message_links_to_the_page_and_the_page_says_where_it_is_opened(failing: Project) -> None:
    with web() as hook:
        failing.run_apart(
            *sinks(failing, f"json://{hook.place}"), "--report-url", "https://reports.example/metallb/"
        )

    link = f"https://reports.example/metallb/{failing.directory.resolve().name}/report.html"
    (message,) = messages(hook)
    assert message["message"].endswith(f"\nReport: {link}")
    assert f'<a href="{link}">' in (failing.directory / "report.html").read_text()


def test_without_an_address_a_message_names_the_file_and_its_host(failing: Project) -> None:
    with web() as hook:
        failing.run_apart(*sinks(failing, f"json://{hook.place}"))

    (message,) = messages(hook)
    assert f"\nReport: {failing.directory.resolve()}/report.html on " in message["message"]


def test_what_is_found_in_declared_maintenance_says_so_and_fails_all_the_same(failing: Project) -> None:
    failing.add_to_profile('maintenance: ["00:00-24:00"]\n')
    with web() as hook:
        result = failing.run_apart(*sinks(failing, f"json://{hook.place}"))

    assert result.ret == 1
    assert failing.results["run"]["maintenance"] == "00:00-24:00"
    (message,) = messages(hook)
    assert message["title"] == "MetalLB conformance: FAILED on fake (in declared maintenance)"
    said = "This run fell into declared maintenance (00:00-24:00): what it found may be the work going on."
    for text in (message["message"], (failing.directory / "report.html").read_text()):
        assert said in text
    assert said in (failing.directory / "summary.md").read_text()
    metrics = (failing.directory / "metrics.prom").read_text()
    assert 'metallb_conformance_run_in_maintenance{cluster="fake"} 1.0' in metrics
    assert 'metallb_conformance_run_verdict{cluster="fake",verdict="failed"} 1.0' in metrics
    result.stdout.fnmatch_lines(["*FAILED on fake (*, in declared maintenance)*"])


def test_a_run_outside_of_the_declared_hours_says_nothing_of_them(failing: Project) -> None:
    failing.add_to_profile('maintenance: ["2020-01-01 00:00-24:00"]\n')

    failing.run_apart()

    assert "maintenance" not in failing.results["run"]
    assert "declared maintenance" not in (failing.directory / "report.html").read_text()


def test_a_check_that_never_passed_has_a_time_since_when_and_loses_it_with_its_first_pass(
    failing: Project,
) -> None:
    name = (
        'metallb_conformance_check_never_passed_since_timestamp_seconds{check="health.first",cluster="fake"}'
    )
    found = []
    for broken in (True, True, False, True):
        if broken:
            (failing.path / "broken").touch()
        else:
            (failing.path / "broken").unlink()
        failing.run_apart()
        lines = (failing.directory / "metrics.prom").read_text().splitlines()
        found.append([float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)])

    assert [len(one) for one in found] == [1, 1, 0, 0]
    assert found[1][0] == pytest.approx(found[0][0], abs=2)  # the first run's time, and not the second's
