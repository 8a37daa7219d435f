"""The decision before an upgrade as a check keeps it among a run's evidence, and as the report reads it again.

Fields may be added; what is here keeps its name, as scripts read the file.
"""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from clusters import outbound
from clusters.json_text import parsed

#: What the file is called.
FILE = "decision.json"


class _Record(BaseModel):
    """Frozen data; a field that a newer release has added is no reason not to read the others."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)


class SightingRecord(_Record):
    """What a rule saw of one subject. `stops` is False where the upgrade may go on and one has to know."""

    subject: str
    summary: str
    evidence: tuple[str, ...] = ()
    stops: StrictBool


class RuleRecord(_Record):
    """One rule of the table with what it came to; `unknown` says why that could not be determined."""

    id: str
    result: str
    current: str = Field(alias="from")
    target: str = Field(alias="to")
    condition: str
    consequence: str
    remedy: str
    commands: tuple[str, ...] = ()
    source: str
    cause: str = ""
    unknown: str = ""
    seen: tuple[SightingRecord, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The rule as data."""
        return self.model_dump(mode="json", by_alias=True)


class DecisionRecord(_Record):
    """The whole decision; every rule is in it, whatever it says."""

    schema_version: int = 1
    verdict: str
    current: str
    target: str
    unknown: tuple[str, ...] = ()
    rules: tuple[RuleRecord, ...] = ()

    @classmethod
    def read(cls, text: str | bytes) -> Self:
        """What a file holds, without what may not leave a run. Raises ValueError for one that is none."""
        return cls.model_validate(outbound.record(parsed(text)))

    def as_json(self) -> dict[str, Any]:
        """The decision as data."""
        return self.model_dump(mode="json", by_alias=True)
