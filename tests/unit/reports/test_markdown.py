"""Markdown of a run says what was seen and does nothing else, whatever words a cluster or a results.json has."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from clusters.checks import CheckResult, Finding, Measurement, Outcome, RunResult, Verdict
from clusters.commands import Command
from reports.history.comparison import Change, Comparison, EarlierRun, Regression, Side
from reports.history.history_view import HistoryView
from reports.markup import code, fenced, plain
from reports.pages import upgrade_decision
from reports.pages.upgrade_decision import Answer, Decision, Heed, Reason
from reports.publish.comparison_text import markdown as compared
from reports.publish.summary import markdown, noted
from tests.unit.reports.conftest import INFO

HARMLESS = "word"
HOSTILE = (
    "![p](http://evil.example/p.png)",
    "[click](http://evil.example/)",
    "[a]: http://evil.example/",
    "<img src=x onerror=alert(1)>",
    "<!-- hidden",
    "https://evil.example/x www.evil.example a@evil.example",
    "<https://evil.example>",
    "@everyone @org/team @user",
    "fixes #1, GH-12, owner/repo#3, !4",
    "# heading",
    "===",
    "---",
    "***",
    "- item",
    "1. item",
    "12) item",
    "> quoted",
    "```\n<script>alert(1)</script>\n```",
    "~~~",
    "```",
    "`````",
    "`code` ``code``",
    "*em* **strong** _em_ __strong__ ~~gone~~",
    "a | b | c",
    "| --- | --- |",
    "&lt;b&gt; &#64;everyone &commat;everyone",
    "\\",
    "\\`\\`\\`",
    "line\n\n# heading\n\n    code\n",
    "line\r\n- item\u2028# heading\u0085x",
    "$x^2$ $$y$$ :tada: [^1] [!NOTE]",
    "    indented",
    "\t- item",
    "trailing  \nbreak\\\nbreak",
    "*",
    "`",
    "[",
    "_",
)
ANY = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(),
    st.text(alphabet="`*_[]()<>!#~|\\&;:/@.-+=>1 \n\tax$"),
    st.lists(st.sampled_from(HOSTILE), min_size=2, max_size=3).map(" ".join),
)
#: What nobody but us may have put there.
_LIVE = re.compile(r"\w://|\bwww\.|@\w|[#!&]\d|\bGH-\d", re.IGNORECASE)


def run_with(text: str) -> RunResult:
    """A run that has the text in every place that holds somebody's words."""
    finding = Finding(
        cause=text, subject=text, summary=text, evidence=(text,), remedy=text, commands=(Command(text),) * 2
    )
    failed = CheckResult(
        id=text,
        title=text,
        runbook=(text,),
        level=text,
        outcome=Outcome.FAILED,
        reason=text,
        findings=(finding,),
        measurements={text: Measurement(value=2, unit=text, budget=1)},
    )
    info = replace(INFO, id=text, cluster=text, kubernetes_version=text, metallb_version=text, allow=text)
    return RunResult(
        run=info,
        checks=(failed, replace(failed, outcome=Outcome.INCONCLUSIVE)),
        not_tested=((text, text),),
    )


def summary_of(text: str) -> str:
    change = Change(check=text, before=Outcome.PASSED, after=Outcome.FAILED, reason=text)
    return markdown(run_with(text), HistoryView(problem=text, comparison=comparison(text, change)))


def comparison(text: str, change: Change) -> Comparison:
    earlier = past_run(text)
    slower = Regression(check=text, figure=text, unit=text, before=1, after=2, usual=None)
    return Comparison(
        against=text, run=earlier, newly_failing=(change,), regressions=(slower,), reconfigured=(text,)
    )


def comparison_of(text: str) -> str:
    change = Change(check=text, before=Outcome.PASSED, after=Outcome.FAILED, reason=text)
    after = Side(
        run=replace(past_run(text), metallb_version=f"{text} 9", kubernetes_version=f"{text} 9"), outcomes={}
    )
    return compared(comparison(text, change), after)


def past_run(text: str) -> EarlierRun:
    return EarlierRun(
        id=text,
        finished=INFO.finished,
        verdict=Verdict.FAILED,
        metallb_version=text,
        kubernetes_version=text,
    )


def decision_of(text: str) -> str:
    reason = Reason(
        check=text, text=text, stops=True, subject=text, remedy=text, commands=(Command(text), Command(text))
    )
    return upgrade_decision.markdown(
        Decision(
            answer=Answer.NO_GO,
            cluster=text,
            current=text,
            target=text,
            run=text,
            finished=INFO.finished,
            reasons=(reason, replace(reason, stops=False)),
            heed=(Heed(text=text, consequence=text, remedy=text),),
        )
    )


PAGES = {"summary": summary_of, "comparison": comparison_of, "decision": decision_of}


def tokens(text: str) -> list[Token]:
    """Every token, those within lines too."""
    parsed = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    return [one for token in parsed for one in (token, *(token.children or ()))]


def shape(text: str) -> list[tuple[str, str, int]]:
    """What a page is made of, without its words."""
    return [
        (one.type, one.tag, one.level) for one in tokens(text) if one.type not in {"text", "text_special"}
    ]


def words(text: str) -> str:
    """What is read on the page in the end, a line a paragraph, without code."""
    return "\n".join(
        "".join(
            "\n" if one.type == "softbreak" else one.content
            for one in token.children or ()
            if one.type in {"text", "text_special", "softbreak"}
        )
        for token in tokens(text)
        if token.type == "inline"
    )


@pytest.mark.parametrize("page", PAGES)
@given(text=ANY.filter(str.strip))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_page_is_made_of_the_same_parts_whatever_is_said_on_it(page: str, text: str) -> None:
    made = PAGES[page](text)

    assert shape(made) == shape(PAGES[page](HARMLESS))
    assert not _LIVE.search(words(made))


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("text", HOSTILE)
def test_a_page_of_hostile_words_has_nothing_live(page: str, text: str) -> None:
    made = PAGES[page](text)

    assert shape(made) == shape(PAGES[page](HARMLESS))
    assert {one.type for one in tokens(made)} & {
        "link_open",
        "image",
        "html_inline",
        "html_block",
        "s_open",
    } == set()


@given(text=ANY)
@settings(max_examples=300)
def test_what_is_read_in_the_end_is_what_was_said(text: str) -> None:
    said = " ".join(text.split())
    if said.isprintable():
        read = words(f"- x {plain(text)}").removeprefix("x").strip().replace("\u200b", "")
        assert read == said.replace("\u200b", "")


@given(text=ANY)
def test_a_command_is_one_line_of_its_block(text: str) -> None:
    lines = list(fenced([text, "last"], indent="  "))
    (block,) = [one for one in tokens("\n".join(["- item", "", *lines])) if one.type == "fence"]

    assert block.info == "sh"
    assert block.content.splitlines()[-1] == "last"
    assert len(lines) == 4


@given(text=ANY)
def test_code_is_one_piece(text: str) -> None:
    made = code(text)

    if text.strip() and text.isprintable():
        (piece,) = [one for one in tokens(f"x {made} y") if one.type == "code_inline"]
        assert piece.content.strip() == " ".join(text.split())
    elif not text.strip():
        assert made == ""


def test_plain_words_stay_as_they_are() -> None:
    for text in ("12.5 s", "10 of 12 (node_1): it can't", "shop/web at 10.0.0.1:80", "it's 50 %, not tested"):
        assert plain(text) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_the_note_of_what_was_not_delivered_is_escaped_too(text: str) -> None:
    made = noted("# x\n", [f"not delivered: {text}"])

    assert shape(made) == shape(noted("# x\n", ["not delivered: word"]))
    assert not _LIVE.search(words(made))
