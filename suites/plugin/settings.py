"""The command line options of a run, and the frozen settings that are made of them."""

from __future__ import annotations

import argparse
import json
import re
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clusters import bounds, files
from clusters.checks import Level
from clusters.errors import UsageError
from suites.plugin import chosen_profile
from suites.plugin.declare import SUITES, suites_folder
from suites.plugin.sharding import Shard, shard_of

if TYPE_CHECKING:
    from clusters.profile import Profile

#: Words of a DNS label: before the dot the run, after it which shard of the run.
_RUN_ID = re.compile(r"(?=.{1,40}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)?")
DEFAULT_PLACE = files.REPORTS / "out"
BEFORE, DURING, AFTER = "before", "during", "after"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What one run was asked to do. The same in every worker process.

    `level` is what may be done: the lower one of --allow and the profile's ceiling. `directory` is
    absolute. `started` is RFC 3339, UTC. `phase` is "before", "during" or "after" for an upgrade that somebody
    else performs, else empty; `phase_file` is what the first keeps and the last compares with. With `repository_alone`
    only what needs no cluster is judged, and `profile` names none. `manifest` is a release manifest of MetalLB's for an
    overlay that only names it, or for the upgrade; `rendered` what somebody else has rendered of the cluster's overlay.
    """

    profile: Profile
    level: Level
    directory: Path
    run_id: str
    started: str
    patience: float
    repeat: int
    confirm_cluster: str
    target_version: str
    helm_values: dict[str, Any] | None
    save_snapshot: Path | None
    snapshot: Path | None
    baseline: Path | None
    shard: Shard | None = None
    phase: str = ""
    phase_file: Path = Path()
    repository_alone: bool = False
    manifest: Path | None = None
    rendered: Path | None = None

    @property
    def asks_cluster(self) -> bool:
        """Whether a cluster is asked at all: not where a saved observation, or a repository alone, is judged."""
        return self.snapshot is None and not self.repository_alone

    @property
    def evidence(self) -> Path:
        """The folder of the run's evidence."""
        return self.directory / "evidence"


#: Where the settings are kept on pytest's config; absent where no run was asked for.
SETTINGS = pytest.StashKey[Settings]()
_PLAN_FOLDER = pytest.StashKey[Path]()


def add_options(parser: pytest.Parser) -> None:
    """Register the options. pytest-kind's names are left to pytest-kind."""
    group = parser.getgroup("conformance", "MetalLB conformance")
    add = group.addoption
    add(
        "--cluster",
        metavar="NAME",
        action="append",
        help="the profile to run against: a name in clusters/profiles, or a file; several run side by side",
    )
    add(
        "--allow",
        choices=[str(level) for level in Level],
        default=str(Level.OBSERVE),
        help="the most that this run may do (default: observe); the profile's own ceiling also holds",
    )
    add("--confirm-cluster", metavar="UID", default="", help="the kube-system namespace's UID, see --allow")
    add("--report-dir", metavar="DIR", type=Path, help="where the run's files go (default: reports/out/RUN)")
    add("--run-id", metavar="ID", type=name_of_run, help="the run's name; ID.PART for a shard of run ID")
    add(
        "--shard", metavar="I/N", help="run only part I of N of the checks; needs --run-id, see reports merge"
    )
    add(
        "--balance-by",
        metavar="FILE",
        type=Path,
        help="the earlier results.json that says how long each check takes, for --shard",
    )
    add("--save-snapshot", metavar="FILE", type=Path, help="keep what was observed")
    add("--snapshot", metavar="FILE", type=Path, help="judge a saved observation, with no cluster at all")
    add(
        "--repository",
        metavar="DIR",
        type=Path,
        help="judge this GitOps repository: alone, with no cluster, or in place of the profile's",
    )
    add("--overlay", metavar="PATH", default="", help="the overlay in it that is meant, see --repository")
    add(
        "--without-cluster",
        action="store_true",
        help="judge the profile's repository alone, and ask no cluster: with --repository, the clone at DIR",
    )
    add("--baseline", metavar="FILE", type=Path, help="an earlier results.json to compare with")
    add("--target-version", metavar="V", default="", help="the MetalLB version that an upgrade would go to")
    add(
        "--manifest",
        metavar="FILE",
        type=Path,
        help="MetalLB's release manifest, of the overlay or the upgrade",
    )
    add("--rendered", metavar="FILE", type=Path, help="what the overlay renders, rendered by somebody else")
    add("--helm-values", metavar="FILE", type=Path, help="the Helm values that it would be made with")
    add(
        "--phase",
        choices=[BEFORE, DURING, AFTER],
        default="",
        help="around an upgrade that somebody else performs: keep who holds which address, ask consumers, compare",
    )
    add(
        "--phase-file",
        metavar="FILE",
        type=Path,
        help="what --phase before keeps and --phase after compares with (default: reports/out/upgrade-NAME.json)",
    )
    add("--patience", metavar="X", type=positive, default=1.0, help="multiply every time budget")
    add("--repeat", metavar="N", type=count, default=1, help="repetitions of every measured check")
    add("--explain", metavar="ID", help="print what a check promises, or a cause means, and run nothing")
    parser.addini(
        SUITES,
        "where the checks are (default: suites, of the root directory)",
        type="string",
        default="suites",
    )


def choose_suites(config: pytest.Config) -> None:
    """Let a run that names a cluster and no path run the suites, not the project's own tests."""
    if wanted(config) and config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        config.args = [str(suites_folder(config))]


def wanted(config: pytest.Config) -> bool:
    """Whether this pytest run is to run checks and to write a report."""
    option = config.option
    asked = option.cluster or option.snapshot or option.repository or option.overlay or option.without_cluster
    return bool(asked) and not (option.collectonly or option.explain)


def settings_from(config: pytest.Config) -> Settings:
    """The settings of this run; a worker process takes the run's name and place from the controller.

    Raises UsageError for a profile that cannot be used.
    """
    option = config.option
    given = worker_input(config)
    started = datetime.now(UTC)
    shard = shard_of(option.shard, option.balance_by)
    run_id = str(given.get("run_id") or _name_of(option.run_id, shard) or fresh_id(started))
    chosen, alone = _chosen(config)
    place = option.report_dir or config.rootpath / DEFAULT_PLACE / run_id
    directory = Path(given.get("directory") or place).absolute()
    return Settings(
        profile=chosen_profile.with_options(
            config, chosen, run_id=run_id, logs=directory / "evidence" / "kind"
        ),
        level=_lower(Level(option.allow), Level(chosen.allow) if not option.snapshot else Level.OBSERVE),
        directory=directory,
        run_id=run_id,
        started=str(given.get("started") or f"{started:%Y-%m-%dT%H:%M:%SZ}"),
        patience=option.patience,
        repeat=option.repeat,
        confirm_cluster=option.confirm_cluster,
        target_version=_target(option.target_version),
        helm_values=_helm_values(option.helm_values),
        save_snapshot=option.save_snapshot,
        snapshot=option.snapshot,
        baseline=option.baseline,
        phase=option.phase,
        phase_file=_phase_file(config, chosen.name),
        shard=shard,
        repository_alone=alone,
        manifest=option.manifest,
        rendered=option.rendered,
    )


def _chosen(config: pytest.Config) -> tuple[Profile, bool]:
    """The profile of the run, and whether its repository is judged alone."""
    option = config.option
    if not (option.cluster or option.snapshot):
        gitops = chosen_profile.gitops_of(option.repository, option.overlay)
        return chosen_profile.of_repository(gitops), True
    chosen = chosen_profile.named(
        next(iter(option.cluster or ()), None), option.snapshot, suites=suites_folder(config)
    )
    gitops = chosen_profile.gitops_of(option.repository, option.overlay, chosen.gitops) or chosen.gitops
    if not option.without_cluster:
        return chosen.model_copy(update={"gitops": gitops}), False
    if option.snapshot:
        raise UsageError("--without-cluster judges a repository alone, and --snapshot an observation.")
    return chosen_profile.of_repository(gitops, chosen), True


def _name_of(run_id: str | None, shard: Shard | None) -> str | None:
    """The run's name where one is given; of a shard, the run's name and which shard it is."""
    if shard is None or (run_id and "." in run_id):
        return run_id
    if run_id is None:
        raise UsageError(
            "--shard needs --run-id, and the same one for all parts of the run.",
            remedy="Its parts could not be joined without.",
        )
    return f"{run_id}.{shard.number}"


def fresh_id(started: datetime | None = None) -> str:
    """A name for a run or a fleet that begins now: "20261124-052258-5a61"."""
    return f"{started or datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def _phase_file(config: pytest.Config, cluster: str) -> Path:
    """Where the state around an upgrade is kept. Raises UsageError where it is needed and cannot be used."""
    option = config.option
    path = Path(option.phase_file or config.rootpath / DEFAULT_PLACE / f"upgrade-{cluster}.json").absolute()
    if option.phase and option.snapshot:
        raise UsageError(
            "--phase looks at a cluster, and --snapshot judges without one: give one of the two."
        )
    if option.phase in (DURING, AFTER):
        from suites.plugin import upgrade_state  # noqa: PLC0415 - only such a run needs it

        upgrade_state.read(path)
    return path


def _target(text: str) -> str:
    """The target version without a v before it. Raises UsageError for what is no release."""
    if not text:
        return ""
    from clusters.metallb.versions import target_of  # noqa: PLC0415 - as above

    return str(target_of(text))


def _helm_values(path: Path | None) -> dict[str, Any] | None:
    """The values in a file. Raises UsageError for a file that holds none."""
    if path is None:
        return None
    from clusters import yaml_text  # noqa: PLC0415 - as above
    from clusters.bounds import content  # noqa: PLC0415 - as above

    try:
        found = yaml_text.parsed(content(path, most=bounds.CONFIGURATION_BYTES).decode("utf-8")) or {}
    except OSError as error:
        raise UsageError(f"--helm-values {path} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"--helm-values {path} is not text.") from None
    except ValueError as error:  # too large, or no YAML
        raise UsageError(f"--helm-values {path} is not YAML that can be read: {error}.") from None
    if not isinstance(found, dict):
        raise UsageError(f"--helm-values {path} holds no values.")
    return found


def _lower(first: Level, second: Level) -> Level:
    return min(first, second, key=lambda level: level.rank)


def worker_input(config: pytest.Config) -> Mapping[str, Any]:
    """What the controller told this worker process, or nothing where this is no worker."""
    text = getattr(config, "workerinput", {}).get("conformance", "")
    return json.loads(text) if text else {}


def for_worker(config: pytest.Config) -> str:
    """What the controller tells a worker process."""
    settings = config.stash[SETTINGS]
    handed_on = {
        "run_id": settings.run_id,
        "directory": str(settings.directory),
        "started": settings.started,
        "plan_folder": str(plan_folder(config)),
    }
    return json.dumps(handed_on)


def plan_folder(config: pytest.Config) -> Path:
    """Where a worker process leaves the plan for the controller: not on the report's disk, which may be full."""
    if given := worker_input(config).get("plan_folder"):
        return Path(given)
    if _PLAN_FOLDER not in config.stash:
        folder = config.stash[_PLAN_FOLDER] = Path(tempfile.mkdtemp(prefix="metallb-conformance-"))
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    return config.stash[_PLAN_FOLDER]


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is one of several that run the checks, and writes no report."""
    return hasattr(config, "workerinput")


def positive(text: str) -> float:
    """A number above zero, for argparse."""
    value = float(text)
    if not 0 < value <= bounds.LARGEST_FACTOR:
        raise ValueError(f"{text} is not above zero, or above {bounds.LARGEST_FACTOR:g}")
    return value


def name_of_run(text: str) -> str:
    """A run's id, for argparse: it becomes a label, part of object names and a folder."""
    if not _RUN_ID.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a run's name: lower case letters, digits and dashes, at most one dot, 40 in all"
        )
    return text


def count(text: str) -> int:
    """A whole number of at least one, for argparse."""
    value = int(text)
    if value < 1:
        raise ValueError(f"{text} is less than one")
    return value
