"""docs/tutorial.md, followed literally in one shell: every command, and what the page shows of its output."""

from __future__ import annotations

import fnmatch
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from clusters.lab import parts

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
#: Before each command; no output of one has it.
MARK = "@@@ command"
#: Commands that say by their exit code that a service is in trouble.
IN_TROUBLE = 1


@dataclass
class Step:
    """A command of the page with the lines that the page shows of its output."""

    command: str
    shown: list[str]


def steps(name: str) -> list[Step]:
    """The commands in their order, in a lab of another name than the page's."""
    # The lab's hosts have a /tmp of their own: what they run must lie elsewhere.
    page = PAGE.read_text().replace("$PWD/.venv/bin/python", sys.executable)
    text = re.sub(r"(?<!/)\btutorial\b(?!\.)", name, page).replace("labs/tutorial", f"labs/{name}")
    found: list[Step] = []
    for block in re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Step(line[2:], []))
            else:
                found[-1].shown.append(line)
    return found


def shows(printed: list[str], shown: list[str]) -> str:
    """The first line of the page that was not printed, in order; "" where all were. … stands for anything."""
    rest = iter(" ".join(line.split()) for line in printed)
    for line in shown:
        pattern = " ".join(line.split()).replace("[", "[[]").replace("…", "*")
        if pattern != "*" and not any(fnmatch.fnmatchcase(each, pattern) for each in rest):
            return line
    return ""


@pytest.mark.full
def test_the_tutorial_is_followed_to_its_end(lab_name: str, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    kubectl = parts.ensure(only=["kubectl"]).binary("kubectl").parent
    followed = steps(lab_name)
    assert len(followed) > 20
    script = "shopt -s expand_aliases\nexec 2>&1\n" + "".join(
        f"{step.command}\ncode=$?; echo; echo '{MARK}' {number} $code\n"
        for number, step in enumerate(followed)
    )

    done = subprocess.run(
        ["bash"],
        input=script,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PATH": f"{kubectl}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=540,
    )

    pieces = re.split(rf"^{MARK} \d+ (\d+)\n", done.stdout, flags=re.MULTILINE)
    printed, codes = pieces[0::2], [int(code) for code in pieces[1::2]]
    assert len(codes) == len(followed), done.stdout + done.stderr
    faults = []
    for step, text, code in zip(followed, printed, codes, strict=False):
        missing = shows(text.splitlines(), step.shown)
        expected = IN_TROUBLE if any("BROKEN" in line for line in step.shown) else 0
        if missing or code != expected:
            faults.append(f"$ {step.command}\n{text}\nexit code {code}; not printed: {missing!r}\n")
    assert faults == [], "\n".join(faults)


def test_a_line_that_is_not_printed_is_missed() -> None:
    printed = ["NAME   TYPE", "api    LoadBalancer   10.96.0.7   <pending>     80:31569/TCP   2s"]

    assert shows(printed, ["…", "api    LoadBalancer   …   <pending>     80:…"]) == ""
    assert shows(printed, ["api    LoadBalancer   …   172.30.0.1     80:…"]) != ""
    assert shows(printed, ["api    LoadBalancer   …", "NAME   TYPE"]) == "NAME   TYPE"
