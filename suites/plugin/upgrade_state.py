"""Around an upgrade: whether the cluster is ready for --target-version, and who held which address before and after.

Readiness is decided by the observation, the repository, and that release itself. `--phase before` keeps a state that
`--phase after` compares with. Between them `--phase during` asks consumers, and keeps what they missed beside that
state; `--phase after` tells it that the upgrade is over, by a file as well: the two are processes of their own.
"""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from clusters import bounds, budgets, files, yaml_text
from clusters.bounds import Unusable, content
from clusters.errors import Inconclusive, UsageError
from clusters.gitops import release_manifests
from clusters.gitops.repository_snapshot import RepositorySnapshot
from clusters.metallb import versions
from clusters.observation.snapshot import Json, Snapshot
from clusters.upgrade.decision import Decision, decide
from clusters.upgrade.decision_record import FILE
from clusters.upgrade.rule import Situation
from suites.plugin.record import Record

VERSION = 1
#: Addresses of consumers of which figures are read.
_MOST = 100
_KEEP_AGAIN = "Keep the state anew with --phase before, before the upgrade."


def readiness(
    version: str,
    values: Json | None,
    record: Record,
    snapshot: Snapshot,
    repository: RepositorySnapshot | None,
    *,
    named: Path | None = None,
) -> Decision:
    """The decision about the upgrade to `version` with these Helm values; it is kept among the check's evidence.

    `named` is the target's release manifest, where a person gave one.
    """
    target = versions.parse(version)
    assert target is not None  # the check is not run without one
    found = decide(
        Situation(
            snapshot=snapshot,
            target=target,
            repository=repository,
            manifest=_manifest(version.removeprefix("v"), named),
            values=values,
        )
    )
    record.attach(FILE, found.record.as_json())
    for rule, seen in found.heed:
        record.note(f"{seen.summary} {rule.consequence} {rule.remedy}")
    return found


def _manifest(version: str, named: Path | None) -> tuple[Json, ...] | None:
    """The objects of the target's release, from the manifest that was named or is at hand; None where there is none."""
    found = release_manifests.at_hand(named).get(version)
    place = found or release_manifests.of_module_cache().manifest(version)
    return tuple(yaml_text.documents(place.read_bytes().decode("utf-8"))) if place else None


class SavedPhase(BaseModel):
    """The state of one cluster before an upgrade; `serving` are the consumers that kept their probes' promises.

    `addresses` are those of every LoadBalancer service by "namespace/name"; `owners` says which machine
    answered for each address: a node's name, or a MAC. `uid` is the kube-system namespace's. `taken_at` is
    RFC 3339, UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    upgrade_state: Literal[1] = 1
    cluster: str
    uid: str
    taken_at: AwareDatetime
    kubernetes_version: str
    metallb_version: str
    addresses: dict[str, tuple[str, ...]]
    owners: dict[str, tuple[str, ...]]
    serving: tuple[str, ...] = ()

    def for_cluster(self, uid: str, *, now: dt.datetime) -> SavedPhase:
        """Itself. Raises Inconclusive where it is of another cluster than `uid`, or too old to compare with."""
        taken = f"{self.taken_at:%Y-%m-%d %H:%M} UTC"
        if uid != self.uid:
            raise Inconclusive(
                f"The kept state is of another cluster: of {self.cluster} (UID {self.uid}), taken {taken}, and "
                f"this one's UID is {uid}.",
                remedy="Name the file of this cluster with --phase-file.",
            )
        age, limit = now - self.taken_at, budgets.get(budgets.UPGRADE_WINDOW).within
        if age.total_seconds() > limit:
            raise Inconclusive(
                f"The kept state was taken {taken}, {age.days} days ago: too long to say what the upgrade changed.",
                remedy=_KEEP_AGAIN,
            )
        return self


class ConsumerGaps(BaseModel):
    """What a consumer's users missed: seconds (`longest`, in `total`), and requests of those `sent` `by` a probe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service: Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]{1,253}/[a-z0-9.-]{1,253}$")]
    longest: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    total: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    cut: Annotated[int, Field(ge=0)]
    failed: Annotated[int, Field(ge=0)]
    sent: Annotated[int, Field(ge=0)]
    by: Annotated[str, StringConstraints(pattern=r"^[a-z]{1,8} [0-9a-fA-F.:]{2,45}:\d{1,5}$")]


class SavedGaps(BaseModel):
    """What consumers of the cluster `uid` missed `since` a time `until` another, and whether measuring has `ended`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    upgrade_consumers: Literal[1] = 1
    uid: str
    since: AwareDatetime
    until: AwareDatetime
    ended: bool
    consumers: Annotated[tuple[ConsumerGaps, ...], Field(max_length=_MOST)]


@dataclass(frozen=True)
class GapsFile:
    """Where `--phase during` keeps what consumers missed, beside the state at `kept`, and learns that it is over."""

    kept: Path

    @property
    def path(self) -> Path:
        """The file with the figures."""
        return self.kept.with_name(f"{self.kept.stem}.consumers.json")

    @property
    def over(self) -> bool:
        """Whether somebody has said that the upgrade is over."""
        return self._over.exists()

    @property
    def _over(self) -> Path:
        return self.kept.with_name(f"{self.kept.stem}.over")

    def forget(self) -> None:
        """Another upgrade begins: what was measured of the last one is of no use."""
        for path in (self.path, self._over):
            path.unlink(missing_ok=True)

    def begin(self) -> None:
        """Measuring begins: an end that was told before is not its own."""
        self._over.unlink(missing_ok=True)

    def end(self) -> None:
        """Say that the upgrade is over, to who measures it."""
        # Where that cannot be written, it goes on, and what it has written up to now is read.
        with suppress(OSError):
            files.write_atomically(self._over, "")

    def write(self, gaps: SavedGaps) -> None:
        """Keep the figures so far. Raises UsageError where they cannot be written."""
        _write(gaps, self.path, "What the upgrade costs consumers")

    def read(self, uid: str, *, since: dt.datetime) -> SavedGaps | None:
        """The figures of this cluster's upgrade, of which the state was kept at `since`; None where there are none."""
        try:
            found = SavedGaps.model_validate_json(content(self.path, most=bounds.RESULTS_BYTES))
        except FileNotFoundError:
            return None
        except (OSError, Unusable, ValidationError) as error:
            said = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else error
            raise Inconclusive(
                f"What the upgrade cost consumers cannot be read from {self.path}: {said}.",
                remedy="Remove that file, and nothing is said of it.",
            ) from None
        return found if found.uid == uid and found.since >= since else None


def write(kept: SavedPhase, path: Path) -> None:
    """Write the state; a half-written file never stays. Raises UsageError where it cannot be written."""
    _write(kept, path, "The state before the upgrade")


def _write(kept: SavedPhase | SavedGaps, path: Path, what: str) -> None:
    try:
        files.write_atomically(path, kept.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise UsageError(
            f"{what} cannot be written to {path}: {error.strerror}.",
            remedy="Name another place with --phase-file.",
        ) from None


def read(path: Path) -> SavedPhase:
    """The state that `path` holds. Raises UsageError, one sentence, for a file that is missing, foreign or newer."""
    try:
        text = content(path, most=bounds.RESULTS_BYTES)
    except FileNotFoundError:
        raise UsageError(
            f"There is no state from before the upgrade: {path} does not exist.",
            remedy="Name the file that --phase before wrote with --phase-file.",
        ) from None
    except (OSError, Unusable) as error:
        raise UsageError(f"The state before the upgrade cannot be read from {path}: {error}.") from None
    try:
        return SavedPhase.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["loc"] == ("upgrade_state",):
            raise UsageError(
                f"{path} was written by another version of this suite "
                f"(upgrade_state is {str(first['input'])[:40]}, not {VERSION}).",
                remedy="Compare with the version that wrote it.",
            ) from None
        place = ".".join(map(str, first["loc"])) or "it"
        raise UsageError(
            f"{path} holds no state from before an upgrade: {place}: {first['msg']}.", remedy=_KEEP_AGAIN
        ) from None
