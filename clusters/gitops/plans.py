"""Change plans, waivers and the legacy overlay's accepted baseline: small validated YAML files."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from clusters.gitops import field_comparison
from clusters.gitops.documents import Document, FileError, mappings, validated
from clusters.gitops.history import Frozen
from clusters.gitops.repository_snapshot import RepositorySnapshot


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text.strip()


Text = Annotated[str, AfterValidator(_filled)]
Steps = Annotated[tuple[Text, ...], Field(min_length=1)]


class Window(Frozen):
    """When a change may be felt, and how."""

    start: datetime
    end: datetime
    impact: Text

    @model_validator(mode="after")
    def _ordered(self) -> Window:
        if self.end <= self.start:
            raise ValueError("the window ends before it starts")
        return self


class Moved(Frozen):
    """A service that a change gives another address to."""

    service: Text
    address: str = ""


class ChangePlan(Frozen):
    """What is written down before a pool change is rolled out: what runbook section 5 asks to define."""

    id: Text
    overlay: Text
    pools: Steps
    owner: Text
    preconditions: Steps
    impact_window: Window
    rollback: Steps
    validation: Steps
    expires: date
    services: tuple[Moved, ...] = ()

    def covers(self, overlay: str, pool: str) -> bool:
        """Whether the plan is for this pool of this overlay."""
        return self.overlay.rstrip("/") == overlay.rstrip("/") and pool in self.pools


class Waiver(Frozen):
    """A known fault that is accepted until a day: of which check, and of which overlay ("" for all)."""

    check: Text
    overlay: str = ""
    reason: Text
    owner: Text
    expires: date


class Waivers(Frozen):
    """The waivers file."""

    waivers: tuple[Waiver, ...] = ()


class AcceptedDifference(Frozen):
    """An object, and its fields, that may differ; * stands for anything in both."""

    object: Text
    fields: tuple[Text, ...] = ("*",)
    reason: Text


class Accepted(Frozen):
    """How far the legacy overlay may be from the shared base: versions, and differences."""

    base: Text
    version: Text
    differences: tuple[AcceptedDifference, ...] = ()

    def allows(self, name: str, field: str) -> bool:
        """Whether this field of this object may differ."""
        return any(
            field_comparison.matches(name, [each.object]) and field_comparison.matches(field, each.fields)
            for each in self.differences
        )


def read_plans(repository: RepositorySnapshot) -> tuple[tuple[str, ChangePlan], ...]:
    """Every change plan with its path. Raises FileError, with file and line, for the first that is wrong."""
    folder = f"{repository.layout.plans}/"
    found = sorted(path for path in (*repository.files, *repository.refused) if path.startswith(folder))
    texts = ((path, repository.text_of_file(path)) for path in found)
    return tuple((path, validated(ChangePlan, _only(text or "", path))) for path, text in texts)


def read_waivers(repository: RepositorySnapshot) -> tuple[Waiver, ...]:
    """The waivers, none where there is no such file. Raises FileError, with file and line."""
    path = repository.layout.waivers
    text = repository.text_of_file(path)
    return () if text is None else validated(Waivers, _only(text, path)).waivers


def read_accepted(repository: RepositorySnapshot) -> Accepted | None:
    """The accepted baseline, None where there is no such file. Raises FileError, with file and line."""
    path = repository.layout.accepted
    text = repository.text_of_file(path)
    return None if text is None else validated(Accepted, _only(text, path))


def _only(text: str, name: str) -> Document:
    found = tuple(mappings(text, name))
    if len(found) != 1:
        raise FileError(f"{name} holds {len(found)} documents where one is expected.")
    return found[0]
