"""What a check notes down while it runs: measured figures, notes and evidence files."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from clusters import files, outbound
from clusters.checks import CheckFailed, Finding, Measurement
from clusters.checks.run_verdict import together

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class OverBudget(AssertionError):  # noqa: N818 - it is a verdict on the cluster, not an error of the program
    """Measured figures, by their names, that do not keep their budgets; raised after the check's body has ended."""

    def __init__(self, text: str, figures: Iterable[str] = ()) -> None:
        super().__init__(text)
        self.figures = frozenset(figures)


class Record:
    """One item's notes. `directory` is the item's own folder under the run's evidence."""

    def __init__(self, root: Path, folder: str) -> None:
        self._root = root
        self._folder = folder
        self.measurements: dict[str, Measurement] = {}
        self.evidence: list[str] = []

    @property
    def directory(self) -> Path:
        """The folder for files that a check writes by itself; `attach` is the shorter way."""
        path = self._root / self._folder
        return files.private_directory(path)

    def measure(
        self,
        name: str,
        value: float,
        *,
        unit: str = "s",
        budget: float | None = None,
        worst: Literal["highest", "lowest"] = "highest",
    ) -> float:
        """Keep one sample of a figure and return it.

        With a budget the figure is judged when the body has ended: the worst sample must keep it. So a
        check measures everything it can before anything fails. Raises ValueError for NaN and infinity:
        what never happened was not measured.
        """
        if not math.isfinite(value):
            raise ValueError(f"{name!r} was not measured: {value}")
        sample = Measurement(
            value=float(value), unit=unit, budget=budget, samples=(float(value),), worst=worst
        )
        known = self.measurements.get(name)
        self.measurements[name] = together(known, sample) if known else sample
        return value

    def note(self, text: str) -> None:
        """Keep one plain sentence beside the outcome."""
        self.evidence.append(outbound.text(text))

    def notes(self, texts: Iterable[str]) -> None:
        """Keep several."""
        for text in texts:
            self.note(text)

    def attach(self, name: str, data: str | bytes | Path | dict[str, Any] | list[Any]) -> str:
        """Keep `data` as a file and return its path relative to the run's directory.

        Texts, files of text and whatever becomes JSON are kept without secrets; other bytes (captures) as they are.
        Where there is no room for it, a note says so: evidence that is lost changes no outcome.
        """
        try:
            target = self._free(_UNSAFE.sub("-", name))
            self._write(target, data)
        except OSError as error:
            self.note(f"{name} could not be kept: {error.strerror or error}")
            return ""
        path = str(target.relative_to(self._root))
        self.evidence.append(path)
        return path

    @staticmethod
    def _write(target: Path, data: str | bytes | Path | dict[str, Any] | list[Any]) -> None:
        try:
            Record._fill(target, data)
        except OSError:
            with contextlib.suppress(OSError):
                target.unlink(missing_ok=True)
            raise

    @staticmethod
    def _fill(target: Path, data: str | bytes | Path | dict[str, Any] | list[Any]) -> None:
        if isinstance(data, Path):
            data = data.read_bytes()
        if isinstance(data, bytes):
            target.write_bytes(outbound.file_content(data))
        elif isinstance(data, str):
            target.write_text(outbound.text(data), encoding="utf-8")
        else:
            text = json.dumps(outbound.value(data), indent=1, sort_keys=True, default=str)
            target.write_text(outbound.shown_in_json(text) + "\n", encoding="utf-8")

    def require_budgets(self) -> None:
        """Raise OverBudget when a measurement does not keep its budget."""
        over = {name: one for name, one in self.measurements.items() if not one.within_budget}
        if over:
            raise OverBudget("\n".join(_overrun(name, one) for name, one in over.items()), over)

    def _free(self, name: str) -> Path:
        stem, dot, suffix = name.partition(".")
        target = self.directory / name
        number = 2
        while target.exists():
            target = self.directory / f"{stem}-{number}{dot}{suffix}"
            number += 1
        return target


class Findings:
    """Findings gathered by a check's body; any of them fails the check when the body has ended."""

    def __init__(self) -> None:
        self.found: list[Finding] = []

    def add(self, finding: Finding) -> None:
        """Keep one finding."""
        self.found.append(finding)

    def extend(self, findings: Iterable[Finding]) -> None:
        """Keep several."""
        self.found.extend(findings)

    def require_none(self) -> None:
        """Raise CheckFailed when anything was found."""
        if self.found:
            raise CheckFailed(self.found)


def _overrun(name: str, one: Measurement) -> str:
    bound = "at most" if one.worst == "highest" else "at least"
    return f"{name}: {one.value:g} {one.unit}, where the budget is {bound} {one.budget:g} {one.unit}"
