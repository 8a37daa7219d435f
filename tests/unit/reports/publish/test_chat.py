"""A message calls nobody, leads nowhere and hides nothing in any chat, whatever a cluster's words are."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.checks import CheckResult, Finding, Outcome, RunResult, Verdict
from clusters.commands import Command
from reports.attribution import Attribution
from reports.markup import for_chat
from reports.publish.digest import ChangesSince, body, title
from reports.publish.outlets import receivers
from tests.unit.reports.conftest import INFO
from tests.unit.reports.publish.receivers import web

HOSTILE = (
    "<!channel> <!here> <!everyone|x> <!subteam^S1>",
    "<@U123ABC> <@&123> <@!1> <#C123>",
    "@here @everyone @channel @all @**all** @user",
    "<users/all>",
    "<https://evil.example|the runbook>",
    "[the runbook](https://evil.example)",
    "[the runbook][1] [1]: https://evil.example",
    "![x](https://evil.example/x.png)",
    "https://evil.example www.evil.example mailto:a@evil.example",
    "||hidden|| ~~gone~~ **loud** ```block```",
    "tg://user?id=1",
)
#: What any of the chats acts on.
_LIVE = re.compile(
    r"<[!@#]|<\w+[/:|]|@[\w*]|\]\(|\]\[|\]:|!\[|\w://|\bwww\.|\|\||~~|\*\*|``|__", re.IGNORECASE
)


def told(text: str, directory: Path) -> tuple[str, str]:
    finding = Finding(cause="x", subject=text, summary=text, commands=(Command(f"kubectl get {text}"),))
    check = CheckResult(
        id=text,
        title=text,
        runbook=(),
        level="observe",
        outcome=Outcome.FAILED,
        reason=text,
        findings=(finding,),
    )
    result = RunResult(run=replace(INFO, cluster=text), checks=(check,), not_tested=())
    said = ChangesSince(
        verdict=Verdict.FAILED,
        before=Verdict.PASSED,
        failing=(text,),
        differently={text: (Attribution(cause=text, subject=text),)},
        fixed=(text,),
        undecided=(text,),
        stale=(text,),
    )
    return title(result), body(result, said, report=str(directory))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_place_of_a_digest_has_anything_live(text: str, tmp_path: Path) -> None:
    for part in told(text, tmp_path):
        assert not _LIVE.search(part)


@given(st.one_of(st.text(), st.text(alphabet="<>@!#[]()|:/*~`_ wa."), st.sampled_from(HOSTILE)))
def test_a_text_looks_the_same_and_has_nothing_live(text: str) -> None:
    said = for_chat(text)

    assert said.replace("\u200b", "") == text.replace("\u200b", "")
    assert not _LIVE.search(said)


def test_plain_words_and_commands_are_left_alone() -> None:
    text = "- health.x: node w1\n  $ kubectl -n <namespace> get svc web -o wide | grep -F 10.0.0.1 [1]"

    assert for_chat(text) == text


def test_a_chat_that_takes_markdown_gets_nothing_live(tmp_path: Path) -> None:
    with web() as chat:
        file = tmp_path / "sinks.txt"
        file.write_text(f"mmost://{chat.place}/3ccdd113474722377935511fc85d3dd4\n")
        (receiver,) = receivers(file)
        assert receiver.send(*told(" ".join(HOSTILE), tmp_path)) == ""

    (request,) = chat.requests
    posted = json.loads(request[3])["text"]
    assert "the runbook" in posted
    assert not _LIVE.search(posted)
