"""How a check says that it did not pass: exceptions that carry findings or a reason."""

from __future__ import annotations

from collections.abc import Sequence

from clusters.checks.outcome import Finding

#: The folder of a run's directory that every evidence file is under.
EVIDENCE = "evidence/"


class CheckFailed(Exception):  # noqa: N818 - it is a verdict on the cluster, not an error of the program
    """A promise does not hold, for the causes that `findings` name. The text is written for a person."""

    def __init__(self, findings: Finding | Sequence[Finding]) -> None:
        found = (findings,) if isinstance(findings, Finding) else tuple(findings)
        if not found:
            raise ValueError("A failed check names at least one finding.")
        super().__init__("\n".join(describe(finding) for finding in found))
        self.findings = found


class NotSupported(Exception):  # noqa: N818 - as above
    """What the check looks at does not exist in this version or variant; the text says since when it does."""


def is_evidence_path(text: str) -> bool:
    """Whether a text among evidence is a path relative to the run's directory, not something to read.

    It names a file in a folder of `EVIDENCE`: what would lead out of it, wherever a page is opened, is none.
    """
    parts = text.split("/")
    below = text.startswith(EVIDENCE) and len(parts) > 2 and not {"", ".", ".."} & set(parts)
    return below and text.isprintable() and not set(text) & set(" \\")


def describe(finding: Finding) -> str:
    """A finding as a few plain lines: cause and subject, what was seen, what to do, what to type."""
    lines = [f"{finding.cause}: {finding.subject}: {finding.summary}"]
    seen = [text for text in finding.evidence if not is_evidence_path(text)]
    lines += [f"  seen: {line}" for text in seen for line in text.splitlines()]
    lines += [f"  ruled out: {text}" for text in finding.ruled_out]
    if finding.remedy:
        lines.append(f"  remedy: {finding.remedy}")
    lines += [f"  $ {command}" for command in finding.commands]
    return "\n".join(lines)
