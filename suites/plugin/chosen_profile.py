"""The profile of a run: one that is named, a kept observation's, or that of a repository which is judged alone.

Over a profile of provider kind lie the options of pytest-kind, which owns them, and a fixture of the user's that
gives the cluster.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest

from clusters.errors import Refused, UsageError
from suites.plugin.declare import load as load_checks

# Imported when first used, as elsewhere in this plugin: it is loaded for the project's own tests as well.
if TYPE_CHECKING:
    from clusters.observation import Snapshot
    from clusters.profile import Profile
    from clusters.profile.models import GitOps

#: Why a check of a cluster is left out where a repository is judged alone, as in a pull request.
WITHOUT_CLUSTER = "needs a cluster, and --repository without --cluster judges the repository alone"
_NO_REPOSITORY = "--without-cluster judges a repository, and"
#: Where a repository has its pages as a rule; what is not there is not judged.
_PAGES = {
    "changelog": "CHANGELOG.md",
    "service_page": "services/metallb.md",
    "runbook": "runbooks/metallb.md",
}
#: The name that pytest-kind gives where none was asked for: one for every run, so it is not used.
_DEFAULT_NAME = "pytest-kind"
#: pytest-kind's options, by the field of the profile that each goes before.
_OPTIONS = {"image": "kind_image", "binary": "kind_bin", "kubectl": "kind_kubectl_bin"}
_PATHS = ("binary", "kubectl")


def named(name: str | None, snapshot: Path | None, *, suites: Path) -> Profile:
    """The profile of that name; for a kept observation alone the one that it was made by, as far as it says.

    What the profile expected is in the observation itself. A waiver of a check that is nowhere under `suites` is a
    mistake: it would accept nothing, and nobody would know.
    """
    from clusters import profile  # noqa: PLC0415 - see above

    if name or snapshot is None:
        return profile.load(name or "", checks=lambda: load_checks(suites))
    from clusters.observation import load  # noqa: PLC0415 - see above

    return of_snapshot(load(snapshot))


def of_snapshot(kept: Snapshot) -> Profile:
    """The profile that an observation was made by, as far as it says."""
    from clusters import profile  # noqa: PLC0415 - see above

    return profile.Profile(
        name=kept.cluster or "snapshot",
        provider=profile.Provider.EXISTING,
        context=kept.context or "snapshot",
        namespace=kept.metallb_namespace,
    )


def gitops_of(repository: Path | None, overlay: str, profiles: GitOps | None = None) -> GitOps | None:
    """What --repository and --overlay name, None without both.

    --repository alone is where the repository of the profile lies, whose `gitops` says the rest. Raises UsageError for
    one without the other.
    """
    if repository is None and not overlay:
        return None
    if repository is not None and not overlay and profiles is not None:
        root, overlay = repository.expanduser().resolve(), profiles.overlay
        _require(
            root, overlay, repository, remedy="Correct gitops.overlay in the profile, or give --overlay."
        )
        return profiles.model_copy(update={"repository": root})
    if repository is None or not overlay:
        given, lacking = ("--overlay", "--repository DIR") if overlay else ("--repository", "--overlay PATH")
        raise UsageError(f"{given} needs {lacking} beside it.", remedy="Give both.")
    root = repository.expanduser().resolve()
    _require(root, overlay, repository, remedy="Give --overlay from the root.")
    from clusters.profile.models import GitOps  # noqa: PLC0415 - see above

    tree = PurePosixPath(overlay).parts[0]
    folders = {"base": f"{tree}/base", "legacy_overlay": f"{tree}/legacy/prod"}
    found = {name: path for name, path in folders.items() if (root / path).is_dir()}
    found |= {name: path for name, path in _PAGES.items() if (root / path).is_file()}
    return GitOps.model_validate({"repository": root, "overlay": overlay, **found})


def _require(root: Path, overlay: str, repository: Path, *, remedy: str) -> None:
    if not (root / overlay).exists():
        raise UsageError(f"There is no folder or file {overlay} in {repository}.", remedy=remedy)


def of_repository(gitops: GitOps | None, of: Profile | None = None) -> Profile:
    """A profile that names the repository, and a cluster that is never asked; with what the profile `of` expects.

    Its name is no cluster's, so that no run of this kind counts for one in the history. Raises UsageError where nothing
    names a repository.
    """
    from clusters.profile import Profile, Provider  # noqa: PLC0415 - see above

    if gitops is None:
        names = f"the profile {of.name} names none under gitops" if of else "nothing names one"
        raise UsageError(
            f"{_NO_REPOSITORY} {names}.",
            remedy="Give --repository DIR --overlay PATH, or a profile with gitops.",
        )
    name = of.name if of else re.sub(r"[^a-z0-9]+", "-", PurePosixPath(gitops.overlay).name.lower())
    chosen = Profile(
        name=f"repository-{name.strip('-')[:50]}".strip("-"),
        provider=Provider.EXISTING,
        context="repository-alone",
        gitops=gitops,
    )
    if of is None:
        return chosen
    meant = {"namespace": of.namespace, "networks": of.networks, "pools": of.pools, "waivers": of.waivers}
    return chosen.model_copy(update=meant)


def with_options(config: pytest.Config, chosen: Profile, *, run_id: str, logs: Path) -> Profile:
    """The profile with pytest-kind's options laid over it, and with a cluster's name that is this run's own.

    Without pytest-kind there are no such options. A profile of another provider stays as it is.
    """
    if str(chosen.provider) != "kind":
        return chosen
    from clusters.providers.kind import unique_name  # noqa: PLC0415 - pytest loads this plugin always

    option = config.option
    given = {field: value for field, name in _OPTIONS.items() if (value := getattr(option, name, None))}
    update: dict[str, Any] = {
        field: Path(value).absolute() if field in _PATHS else value for field, value in given.items()
    }
    name = getattr(option, "cluster_name", _DEFAULT_NAME)
    cluster = chosen.kind.cluster if name == _DEFAULT_NAME else name
    if not cluster and not chosen.kind.fixture and chosen.kubeconfig is None:
        cluster = unique_name(chosen.name, run_id)
    update |= {"cluster": cluster, "logs": chosen.kind.logs or logs}
    update["keep"] = chosen.kind.keep or bool(getattr(option, "keep_cluster", False))
    kubeconfig = getattr(option, "kubeconfig", None)
    return chosen.model_copy(
        update={
            "kind": chosen.kind.model_copy(update=update),
            "kubeconfig": Path(kubeconfig).absolute() if kubeconfig else chosen.kubeconfig,
        }
    )


def kubeconfig_of_fixture(session: pytest.Session, name: str) -> Path:
    """Set the fixture `name` up for the rest of the session; the kubeconfig that its value has.

    Anything with a `kubeconfig_path` will do, as pytest-kind's own `kind_cluster`. Raises Refused where there is no
    such fixture, where it fails or has no kubeconfig, and with worker processes, each of which would make its own.
    """
    if not session.items:
        raise Refused(
            f"The fixture {name} of the profile gives each worker process a cluster of its own.",
            remedy="Run without -n, or name the cluster in the profile.",
        )
    runner: Any = session.config.pluginmanager.getplugin("runner")
    item = pytest.Function.from_parent(session.items[0].parent, name=f"[{name}]", callobj=_asks)
    try:
        runner.pytest_runtest_setup(item)
        request: Any = item.funcargs["request"]
        value = request.getfixturevalue(name)
    except pytest.FixtureLookupError:
        raise Refused(
            f"There is no fixture {name}, which the profile takes its cluster from.",
            remedy="Define it in a conftest.py above suites, or in a plugin that is named with -p.",
        ) from None
    except Exception as error:
        raise Refused(f"The fixture {name} failed: {type(error).__name__}: {error}.") from error
    path = getattr(value, "kubeconfig_path", None)
    if path is None or not Path(path).is_file():
        raise Refused(
            f"The fixture {name} gives a {type(value).__name__} without a kubeconfig_path that is a file.",
            remedy="Give an object with that attribute, as pytest-kind's kind_cluster is.",
        )
    return Path(path).absolute()


def end_setup(session: pytest.Session, before_it: Any) -> None:
    """Let go of what set the fixture up; `before_it` is called at the session's end, before the fixture ends."""
    runner: Any = session.config.pluginmanager.getplugin("runner")
    session.addfinalizer(before_it)
    item = session.items[0]
    runner.pytest_runtest_teardown(item, nextitem=item)


def _asks(request: pytest.FixtureRequest) -> None:
    """What the item that sets the fixture up would run; it never is."""
