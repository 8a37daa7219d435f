"""Rendering a Helm chart as `helm template` does, from the repository and what is at hand, without the network.

The chart lies in the repository, or it is MetalLB's own, which comes from MetalLB's module in the Go module cache:
whole, with its subcharts. helm sees a copy, an empty home without plugins, and no network where that can be taken
away.
"""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from clusters import budgets, sandbox
from clusters.confinement import Folder, Found, RefusedPath, Tree, joined, shown
from clusters.errors import ConformanceError, Inconclusive
from clusters.gitops import release_manifests
from clusters.gitops.documents import FileError, NeedsNetworkError, OverlayError, listing, mapping, mappings
from clusters.gitops.release_manifests import CHART, Modules
from clusters.metallb import versions
from clusters.objects import Object
from clusters.sandbox import Limits, TooMuch, TooSlow

#: Bytes of memory for one render and of what it prints, and the files of a chart and their bytes.
_MEMORY, _PRINTED = 1 << 30, 16 << 20
_MOST_FILES, _MOST_BYTES = 2000, 64 << 20
_ENDING = ".tgz"
#: Nothing that is fetched is left where a program of ours is run; were it, this would make it fail at once instead of
#: fetching it, also where the kernel does not let it go without a network. A crash is to be told in one line.
OFFLINE = {
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "GOTRACEBACK": "none",
}


class NotAtHandError(NeedsNetworkError):
    """MetalLB's own chart is not at hand: the rest of an overlay can be rendered without it, for it holds no pools.

    `release` is the version that is meant ("0.16.2"), empty where that is not one.
    """

    def __init__(self, message: str, *, remedy: str, release: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.release = release


class GivenUp(Inconclusive):
    """A render that was ended because it took more than it gets: that says nothing of the overlay."""


@dataclass(frozen=True)
class ChartUse:
    """A chart that something in the repository installs: which, from where, and with what.

    `where` is the file and line, or the object, that says so. `path` is where the chart lies in the repository, ""
    for one that is published at `repository`. `values` are files of values, the later ones winning.
    """

    where: str
    name: str
    repository: str = ""
    version: str = ""
    path: str = ""
    release: str = CHART
    namespace: str = "metallb-system"
    values: tuple[bytes, ...] = ()
    crds: bool = True

    def release_of(self, version: str = "") -> str:
        """The release that is meant ("0.16.2"), empty where that is not one; `version` in place of the chart's own."""
        text = version or self.version
        found = versions.parse(text)
        return str(found) if found is not None and str(found) == text.removeprefix("v") else ""

    def with_values(self, values: Object) -> ChartUse:
        """The same with more values, which win."""
        more = (yaml.safe_dump(values).encode("utf-8"),) if values else ()
        return replace(self, values=(*self.values, *more))


@dataclass(frozen=True)
class ChartRender:
    """What a chart renders, with a sentence on where it was taken from.

    `left_out` is the one sentence, with its remedy, of MetalLB's own chart where that is not at hand: then it is not in
    the objects.
    """

    objects: tuple[Object, ...] = ()
    source: str = ""
    left_out: NotAtHandError | None = None


@dataclass(frozen=True)
class Helm:
    """`helm template`; `program` is None where Helm is not installed. `modules` has MetalLB's charts."""

    program: Path | None = None
    modules: Modules = field(default_factory=Modules)

    def render(self, use: ChartUse, tree: Tree, *, version: str = "") -> ChartRender:
        """What the chart renders; `version` in place of the chart's own.

        Raises OverlayError, NeedsNetworkError for another chart than MetalLB's that is not at hand and for a Helm that
        is not, and GivenUp.
        """
        try:
            return self._render(use, tree, version)
        except NotAtHandError as error:
            return ChartRender(left_out=error)

    def _render(self, use: ChartUse, tree: Tree, version: str) -> ChartRender:
        if self.program is None:
            named = f"{use.where} installs the Helm chart {shown(use.name)}"
            text = f"{named}, and Helm is not installed here to render it."
            remedy = "Install helm, or build it: python -m clusters.lab.parts helm"
            if use.path or not release_manifests.is_chart(use.name, use.repository):
                raise NeedsNetworkError(text, remedy=remedy)
            raise NotAtHandError(text, remedy=remedy, release=use.release_of(version))
        with tempfile.TemporaryDirectory(prefix="chart-") as scratch:
            target = Folder(Path(scratch).resolve())
            try:
                placed = self._laid_out(use, tree, target, version)
                for number, content in enumerate(use.values):
                    target.write(f"values-{number}.yaml", content)
            except RefusedPath as error:
                raise OverlayError(f"{use.where} names what is not read: {error.args[0]}") from None
            except OSError as error:
                raise GivenUp(
                    f"The chart {shown(use.name)} cannot be copied to {scratch}: {error.strerror}."
                ) from None
            try:
                printed = self._run(use, target.root, placed.path)
            except OverlayError:
                if placed.without is None:
                    raise
                # It may well be that it stands on what was left out.
                raise NeedsNetworkError(str(placed.without.args[0]), remedy=placed.without.remedy) from None
        found = mappings(printed, f"What the chart {shown(use.name)} renders")
        source = f"{use.where}: the chart {shown(use.name)} was taken from {placed.source}"
        return ChartRender(tuple(each.data for each in found), source, placed.without)

    def _laid_out(self, use: ChartUse, tree: Tree, target: Folder, version: str) -> _Placed:
        """Copy the chart to `target`."""
        if use.path:
            found = tree.find(joined("", use.path))
            if found.kind == "file" and found.path.endswith(_ENDING):
                target.write(f"chart{_ENDING}", tree.read(found.path))
                return _Placed(f"chart{_ENDING}", shown(found.path))
            if found.kind == "folder":
                files = dict(_files(tree, found))
                brought, without = self._completed(use, files, version)
                _write(target, "chart", files)
                return _Placed("chart", f"{shown(found.path)}{brought}", without)
            raise OverlayError(f"{use.where} installs the chart {shown(use.path)}, which does not exist.")
        if not release_manifests.is_chart(use.name, use.repository):
            raise NeedsNetworkError(
                f"{use.where} installs the chart {shown(use.name)} from {shown(use.repository) or 'nowhere'}, "
                "which is not MetalLB's own, and was not fetched.",
                remedy="Commit the chart, or what it renders, and name that.",
            )
        wanted = _exact(use, version)
        _write(target, "chart", self._released(use, wanted))
        return _Placed("chart", _from_module(wanted))

    def _completed(
        self, use: ChartUse, files: dict[str, bytes], version: str
    ) -> tuple[str, NotAtHandError | None]:
        """Put MetalLB's chart where a chart depends on it and does not hold it; what to say of that.

        Where it is not at hand the chart no longer depends on it, and why is returned too.
        """
        about = _about(files.get("Chart.yaml", b""), use)
        held = {name.partition("/")[2].partition("/")[0] for name in files if name.startswith("charts/")}
        said, without = "", None
        for each in map(mapping, tuple(listing(about.get("dependencies")))):
            name, repository = str(each.get("name", "")), str(each.get("repository", ""))
            if repository.startswith("file://") or any(
                one == name or one.startswith(f"{name}-") for one in held
            ):
                continue
            inner = replace(
                use, name=name, repository=repository, version=str(each.get("version", "")), path=""
            )
            if not release_manifests.is_chart(name, repository):
                raise NeedsNetworkError(
                    f"{use.where}: the chart {shown(use.path)} depends on {shown(name)} from {shown(repository)}, "
                    "which is not in its charts/ and was not fetched.",
                    remedy="Commit it there: helm dependency build.",
                )
            try:
                wanted = _exact(inner, version)
                for path, content in self._released(inner, wanted).items():
                    files[f"charts/{name}/{path}"] = content
                each["version"] = wanted
                said = f", and {name} from {_from_module(wanted)}"
            except NotAtHandError as error:
                without = error
                about["dependencies"] = [one for one in listing(about.get("dependencies")) if one is not each]
            files["Chart.yaml"] = yaml.safe_dump(about).encode("utf-8")
            files.pop("Chart.lock", None)
        return said, without

    def _released(self, use: ChartUse, version: str) -> Mapping[str, bytes]:
        found = self.modules.chart(version)
        if found is None:
            raise NotAtHandError(
                f"{use.where} installs MetalLB's chart {version}, which is not at hand here and was not fetched.",
                remedy=(
                    f"Bring MetalLB's module to this machine (go mod download go.universe.tf/metallb@v{version}), "
                    "or name what the chart renders by --rendered FILE."
                ),
                release=version,
            )
        return found

    def _run(self, use: ChartUse, root: Path, chart: str) -> str:
        assert self.program is not None, "render has seen to it"
        values = (
            word for number, _ in enumerate(use.values) for word in ("--values", f"values-{number}.yaml")
        )
        crds = ("--include-crds",) if use.crds else ()
        named = (
            "--namespace",
            use.namespace,
            "--skip-tests",
            "--no-hooks",
            "--skip-schema-validation",  # a schema may refer to other places, which Helm would load
            *crds,
            *values,
            "--",
            use.release,
            chart,
        )
        try:
            with tempfile.TemporaryDirectory(prefix="home-") as home:
                done = sandbox.run_isolated(
                    (self.program, "template", *named),
                    directory=root,
                    environment={
                        "PATH": sandbox.search_path(),
                        "HOME": home,
                        "HELM_PLUGINS": home,
                        **OFFLINE,
                    },
                    limits=Limits(
                        seconds=budgets.seconds(budgets.OVERLAY_RENDERED), output=_PRINTED, memory=_MEMORY
                    ),
                )
        except OSError as error:
            raise Inconclusive(
                f"helm at {self.program} cannot be run: {error.strerror}.", remedy="Install helm."
            ) from None
        except (TooSlow, TooMuch):
            raise GivenUp(
                f"{use.where}: rendering its chart takes more time or prints more than it gets."
            ) from None
        if done.code == -signal.SIGKILL or done.errors.startswith(("fatal error: ", "runtime: ")):
            raise GivenUp(
                f"{use.where}: rendering its chart asks for more than {_MEMORY >> 20} MiB of memory."
            )
        if done.code != 0 and "unknown flag: --skip-schema-validation" in done.errors:
            raise Inconclusive(
                f"helm at {self.program} is too old: it cannot leave out charts' schemas.",
                remedy="Install Helm 3.16 or newer.",
            )
        if done.code != 0:
            said = " ".join(done.errors.split()).removeprefix("Error: ").replace(f"{root}/", "")
            reason = (shown(said, most=400) or "helm gave no reason").rstrip(".")
            raise OverlayError(f"{use.where}: the chart {shown(use.name)} does not render: {reason}.")
        return done.output.decode("utf-8", errors="replace")


@dataclass(frozen=True)
class _Placed:
    """A chart that was laid out: its path, where it was taken from, and what it goes without."""

    path: str
    source: str
    without: NotAtHandError | None = None


def at_hand(modules: Modules) -> Helm:
    """Helm as it is here: installed, or built as one of the lab's parts."""
    found = sandbox.program("helm")
    return Helm(Path(found) if found else _built(), modules)


def _built() -> Path | None:
    # Imported here: a run against an existing cluster needs nothing of the lab.
    from clusters.lab.parts import cache_root, toolchain  # noqa: PLC0415 - see above
    from clusters.lab.parts.ready import Parts, slots  # noqa: PLC0415 - see above

    try:
        root = cache_root()
        return Parts(slots(root, toolchain.find(root).version)).binary("helm")
    except ConformanceError:
        return None


def _exact(use: ChartUse, version: str) -> str:
    """The one release of MetalLB's that is meant. Raises NotAtHandError for a range: its newest is not known."""
    found = use.release_of(version)
    if not found:
        raise NotAtHandError(
            f"{use.where} installs the chart {shown(use.name)} in version {shown(use.version) or '(none)'}, "
            "which names no one release: which it is today was not asked for.",
            remedy="Pin the version, or name what the chart renders by --rendered FILE.",
        )
    return found


def _from_module(version: str) -> str:
    return f"MetalLB's module of {version} in the Go module cache"


def _about(content: bytes, use: ChartUse) -> Object:
    """What Chart.yaml says."""
    try:
        found = tuple(mappings(content.decode("utf-8"), f"{use.path}/Chart.yaml"))
    except UnicodeDecodeError:
        raise FileError(f"{shown(use.path)}/Chart.yaml is not text in UTF-8.") from None
    return mapping(found[0].data) if len(found) == 1 else {}


def _files(tree: Tree, found: Found) -> Iterator[tuple[str, bytes]]:
    """The files of a chart's folder, by their paths in it."""
    taken = 0
    for number, path in enumerate(tree.entries(found.path)):
        content = tree.read(path)
        taken += len(content)
        if number >= _MOST_FILES or taken > _MOST_BYTES:
            raise OverlayError(
                f"The chart {shown(found.path)} has more than {_MOST_FILES} files, or {_MOST_BYTES >> 20} MiB."
            )
        yield path.removeprefix(f"{found.path}/"), content


def _write(target: Folder, folder: str, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        target.write(f"{folder}/{path}", content)
