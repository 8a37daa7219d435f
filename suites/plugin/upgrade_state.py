"""Around an upgrade: whether the cluster is ready for --target-version, and who held which address before and after.

Readiness is decided by the observation, the repository, and that release itself. `--phase before` keeps a state that
`--phase after` compares with.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

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
    """The state of one cluster before an upgrade.

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


def write(kept: SavedPhase, path: Path) -> None:
    """Write the state; a half-written file never stays. Raises UsageError where it cannot be written."""
    try:
        files.write_atomically(path, kept.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise UsageError(
            f"The state before the upgrade cannot be written to {path}: {error.strerror}.",
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
