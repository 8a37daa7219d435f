"""What a judgement needs of the repository, as frozen data that can be kept and judged elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from clusters import outbound
from clusters.checks import NotSupported
from clusters.confinement import RefusedPath, joined
from clusters.errors import Inconclusive, UsageError
from clusters.gitops.documents import FileError
from clusters.gitops.field_comparison import schemas_in
from clusters.gitops.forms import Published
from clusters.gitops.history import Frozen, History
from clusters.gitops.kustomize import Render
from clusters.gitops.reconcilers import Reconciler
from clusters.objects import Object
from clusters.profile import GitOps

Model = TypeVar("Model", bound=Frozen)

#: The shape of the saved form; a file of a newer version is refused.
REPOSITORY_VERSION = 1


def _below_the_root(overlay: str) -> str:
    """The overlay's path, plain. The folder that it begins with is MetalLB's, so it cannot be the root itself."""
    try:
        path = joined("", overlay)
    except RefusedPath as error:
        raise ValueError(str(error.args[0])) from None
    if not path:
        raise ValueError("The overlay must be a folder below the repository's root, not the root itself.")
    return path


class Layout(Frozen):
    """Where things lie in the repository; paths from its root, empty where the profile names none."""

    overlay: Annotated[str, AfterValidator(_below_the_root)]
    #: The overlays of all clusters, with one * where their names stand; empty for the overlay's neighbours.
    pattern: str = ""
    #: What pages and plans call the cluster, and the folder whose changes are MetalLB's, where the profile says.
    name: str = ""
    top: str = ""
    #: The chart that the overlay has the values of, where nothing in the repository names it.
    chart: Published | None = None
    application: str = ""
    base: str = ""
    legacy: str = ""
    service_page: str = ""
    changelog: str = ""
    runbook: str = ""
    #: The networks around the cluster's pools, and their gateways, as far as the profile names them.
    networks: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    #: The MetalLB version that the cluster was asked to run instead of the one that the overlay pins.
    version: str = ""

    @property
    def tree(self) -> str:
        """The folder whose changes are MetalLB's changes: the top one of the overlays ("metallb"), if none is named."""
        return self.top or PurePosixPath(self.overlay).parts[0]

    @property
    def trees(self) -> tuple[str, ...]:
        """That folder, and the overlay where it lies elsewhere."""
        within = PurePosixPath(self.overlay).is_relative_to(self.tree)
        return (self.tree,) if within else (self.tree, self.overlay)

    @property
    def overlays(self) -> str:
        """The folder in which the overlay and its siblings lie."""
        return str(PurePosixPath(self.overlay).parent)

    @property
    def cluster(self) -> str:
        """What the repository calls the cluster: the name in the overlay's path."""
        return self.name or self.cluster_of(self.overlay)

    def cluster_of(self, folder: str) -> str:
        """What the repository calls the cluster that a folder is for.

        That is what stands in the place of the *, else the cluster's own name, where that is given, of a folder that is
        its own; else the folder's.
        """
        before, star, after = self.pattern.partition("*")
        if star and folder.startswith(before):
            inner = folder.removeprefix(before).partition("/")[0].removesuffix(after.partition("/")[0])
            if inner:
                return inner
        own = any(
            PurePosixPath(folder).is_relative_to(each) for each in (self.overlay, self.top or self.overlay)
        )
        return self.name if self.name and own and not star else PurePosixPath(folder).stem

    @property
    def accepted(self) -> str:
        """The file that says in what the legacy overlay may differ from the base."""
        return f"{self.legacy}/accepted.yaml" if self.legacy else ""

    @property
    def waivers(self) -> str:
        """The file with the waivers."""
        return f"{self.tree}/waivers.yaml"

    @property
    def plans(self) -> str:
        """The folder with the change plans."""
        return f"{self.tree}/plans"

    @property
    def steps(self) -> str:
        """The file that says which check encodes which sentence of the runbook."""
        return str(PurePosixPath(self.runbook).with_suffix(".checks.yaml")) if self.runbook else ""

    @property
    def follow_ups(self) -> str:
        """The list of work that was put off."""
        return "follow-ups.md"


def layout_of(gitops: GitOps, *, version: str = "", namespace: str = "metallb-system") -> Layout:
    """The layout that a profile's `gitops` names; `version` for a cluster that runs another than is pinned.

    `namespace` is MetalLB's.

    Raises UsageError for an overlay that is no folder below the repository's root.
    """
    chart = gitops.chart and Published(**gitops.chart.model_dump(), namespace=namespace)
    try:
        return Layout(
            overlay=gitops.overlay.strip("/"),
            pattern=gitops.overlays.strip("/"),
            name=gitops.cluster,
            top=gitops.tree.strip("/"),
            chart=chart,
            application=gitops.application,
            base=gitops.base.strip("/"),
            legacy=gitops.legacy_overlay.strip("/"),
            service_page=gitops.service_page,
            changelog=gitops.changelog,
            runbook=gitops.runbook,
            version=version,
        )
    except ValidationError as error:
        said = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise UsageError(
            f"gitops.overlay of the profile is {gitops.overlay!r}: {said}",
            remedy="Name the folder above it as gitops.repository.",
        ) from None


class LiveObject(Frozen):
    """The live counterpart of one rendered object, cut down to the fields that were rendered.

    `found` is None where there is none. `unreadable` says why it could not be looked at. `applied_by` names the
    objects of Flux and Argo CD that mark it as their own.
    """

    key: str
    found: Object | None = None
    unreadable: str = ""
    verb: str = ""
    resource: str = ""
    applied_by: tuple[str, ...] = ()


class RepositorySnapshot(Frozen):
    """What one run saw of the repository, and of the live objects that it renders.

    `renders` holds the working tree's overlays by folder, the base and the legacy overlay among them;
    `intended` what the last commit renders for this cluster, or the commit that `reconcilers` say they applied: that is
    `deployed` then, and `committed` what the last commit renders. `previous` is what the commit before the last
    change of the folder renders for it (None where there is none). `files` are texts by path; what is not
    there is not in it, and of what is there and was not read, `refused` holds the one sentence why. `schemas` are
    the installed CRDs' by kind and version ("IPAddressPool v1beta1").
    """

    repository_version: Literal[1] = 1
    taken_at: str
    root: str
    layout: Layout
    files: dict[str, str] = Field(default_factory=dict)
    refused: dict[str, str] = Field(default_factory=dict)
    renders: dict[str, Render] = Field(default_factory=dict)
    intended: Render
    previous: Render | None = None
    history: History = History()
    live: tuple[LiveObject, ...] | None = None
    reconcilers: tuple[Reconciler, ...] = ()
    deployed: str = ""
    committed: Render | None = None
    schemas: dict[str, Object] = Field(default_factory=dict)

    @property
    def known_schemas(self) -> Mapping[str, Object]:
        """The schemas by kind and version: those that are installed, else those that the overlay renders."""
        return {**schemas_in(self.intended.objects), **self.schemas}

    @property
    def latest(self) -> Render:
        """What the last commit renders for this cluster, whether it is deployed yet or not."""
        return self.committed or self.intended

    @property
    def today(self) -> str:
        """The day of the observation, as YYYY-MM-DD."""
        return self.taken_at[:10]

    @property
    def working(self) -> Render:
        """What the working tree renders for this cluster."""
        return self.renders.get(self.layout.overlay, self.intended)

    def text(self, path: str, *, what: str) -> str:
        """A page's text. Raises NotSupported where the profile names none, Inconclusive where it is not there."""
        if not path:
            raise NotSupported(f"the profile names no {what} under gitops")
        if path in self.refused:
            raise Inconclusive(f"The {what} {path} is not read: {self.refused[path]}")
        if path not in self.files:
            raise Inconclusive(
                f"The {what} {path} does not exist in the repository.",
                remedy="Correct gitops in the profile.",
            )
        return self.files[path]

    def optional(self, path: str) -> str:
        """A page's text, empty where there is none. Raises Inconclusive where it was not read."""
        if path in self.refused:
            raise Inconclusive(f"{path} is not read: {self.refused[path]}")
        return self.files.get(path, "")

    def text_of_file(self, path: str) -> str | None:
        """The text of a file with fields, None where there is none. Raises FileError where it was not read."""
        if path in self.refused:
            raise FileError(self.refused[path])
        return self.files.get(path)

    def without_secrets(self) -> RepositorySnapshot:
        """The same to be kept: what is the same secret in two places has the same mark in both, and only here.

        So what is rendered and what is live are told apart as before. The schemas say nothing of any object.
        """
        mark = outbound.SameMark()

        def text(found: str) -> str:
            return outbound.secretless(found, mark)

        def render(found: Render) -> Render:
            objects = tuple(outbound.value(each, mark) for each in found.objects)
            return _read_again(found, text, objects=objects)

        def counterpart(each: LiveObject) -> LiveObject:
            return _read_again(each, text, found=outbound.value(each.found, mark))

        return self.model_copy(
            update={
                "files": {path: text(each) for path, each in self.files.items()},
                "renders": {name: render(each) for name, each in self.renders.items()},
                "intended": render(self.intended),
                "previous": self.previous and render(self.previous),
                "committed": self.committed and render(self.committed),
                "reconcilers": tuple(_read_again(each, text) for each in self.reconcilers),
                "history": _read_again(self.history, text),
                "live": None if self.live is None else tuple(map(counterpart, self.live)),
            }
        )

    def to_json(self) -> str:
        """The saved form."""
        return outbound.shown_in_json(self.model_dump_json())

    @classmethod
    def from_json(cls, text: str, *, name: str = "the saved repository") -> RepositorySnapshot:
        """The reverse of `to_json`. Raises UsageError for what is none, or is of a newer version."""
        try:
            return cls.model_validate_json(text)
        except ValueError as error:
            first = str(error).splitlines()[0]
            raise UsageError(
                f"{name} holds no repository observation of version {REPOSITORY_VERSION}: {first}.",
                remedy="Save it again with this version of the suite.",
            ) from None


def _read_again(model: Model, text: Callable[[str], str], /, **changed: Any) -> Model:
    """A model with its own texts, and those of the models in it, as `text` gives them, but for what is `changed`."""
    names = (name for name in type(model).model_fields if name not in changed)
    return model.model_copy(update=changed | {name: _without(getattr(model, name), text) for name in names})


def _without(value: Any, text: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Frozen):
        return _read_again(value, text)
    return tuple(_without(each, text) for each in value) if isinstance(value, tuple) else value


def usable(render: Render) -> Render:
    """The render itself. Raises Inconclusive with its one sentence where there is none."""
    if render.problem:
        raise Inconclusive(render.problem, remedy=render.remedy)
    return render
