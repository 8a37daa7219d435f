"""One rule about upgrades, and what it looks at: a `Situation`, what was observed and what is to be applied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from clusters.cause_ids import CauseId
from clusters.diagnosis.facts import Facts
from clusters.errors import Inconclusive
from clusters.gitops.kustomize import Render
from clusters.gitops.repository_snapshot import RepositorySnapshot
from clusters.metallb import versions
from clusters.metallb.install import Flavour
from clusters.metallb.services import Service
from clusters.objects import Object
from clusters.observation.snapshot import Snapshot
from clusters.subject import Subject


@dataclass(frozen=True)
class Situation:
    """A cluster before an upgrade to `target`.

    `repository` is what its GitOps repository says, None where the profile names none. `manifest` holds the
    objects of the target's release, None where it is not at hand. `values` are the Helm values that the upgrade
    is to be made with, None where no file was named.
    """

    snapshot: Snapshot
    target: Version
    repository: RepositorySnapshot | None = None
    manifest: tuple[Object, ...] | None = None
    values: Object | None = None

    @cached_property
    def facts(self) -> Facts:
        """What was observed, indexed."""
        return Facts(self.snapshot)

    @cached_property
    def current(self) -> Version | None:
        """The version that runs, None where its images do not say."""
        return self.facts.components.version

    @cached_property
    def kubernetes(self) -> Version:
        """The API server's version. Raises Inconclusive where it is not known."""
        found = versions.parse(self.snapshot.kubernetes_version)
        if found is None:
            raise Inconclusive(
                f"The API server's version {self.snapshot.kubernetes_version!r} is no version number."
            )
        return found

    @property
    def helm(self) -> bool:
        """Whether MetalLB was installed by Helm."""
        found = self.facts.components.install
        return any(part.flavour is Flavour.HELM for part in (found.controller, found.speaker) if part)

    @property
    def applied(self) -> Render | None:
        """What the overlay renders, if that is the target already; None where nothing says what will be applied."""
        render = self.repository.working if self.repository else None
        return render if render and render.version == str(self.target) else None

    @property
    def addressed(self) -> Iterator[Service]:
        """MetalLB's services that hold an address."""
        yield from self.facts.addressed.values()

    def release(self, kind: str) -> dict[str, Object]:
        """The target release's objects of a kind by name. Raises Inconclusive where it is not at hand."""
        objects = self.manifest
        if objects is None and self.applied and self.applied.complete:
            objects = self.applied.objects
        if objects is None:
            raise Inconclusive(
                f"The release manifest of MetalLB {self.target} is not at hand, so its definitions are not known.",
                remedy=f"Keep metallb-native.yaml of {self.target} in the overlay that pins it.",
            )
        return {each["metadata"]["name"]: each for each in objects if each.get("kind") == kind}


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """What a rule saw of one subject. `stops` is False where the upgrade may go on and one has to know."""

    subject: Subject
    summary: str
    lines: tuple[str, ...] = ()
    stops: bool = True


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What is known to break on the way from one version to another.

    `current` and `target` say which upgrades it is about, as version specifiers ("" for all). `condition` is what
    must be so for it to matter, `consequence` what happens then, `remedy` what to do before, `commands` the
    templates of what to type, `source` where it is known from. `look` gives what was seen of it, and raises
    Inconclusive where that cannot be told.
    """

    id: str
    current: str = ""
    target: str = ""
    condition: str
    consequence: str
    remedy: str
    commands: tuple[str, ...]
    source: str
    cause: CauseId
    look: Callable[[Situation], Iterable[Sighting]]

    def about(self, situation: Situation) -> bool | None:
        """Whether the rule is about this upgrade; None where that depends on a running version nobody knows."""
        if not _within(self.target, situation.target):
            return False
        if not self.current:
            return True
        return _within(self.current, situation.current) if situation.current else None


def _within(specifier: str, version: Version) -> bool:
    return SpecifierSet(specifier).contains(version, prereleases=True)
