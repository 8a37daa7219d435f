"""What differs between two runs: outcomes, causes, figures; and by their observations addresses and configuration.

No I/O.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from clusters import outbound
from clusters.checks import Outcome, RunResult, Verdict
from clusters.gitops import field_comparison
from clusters.gitops.field_comparison import ABSENT, Difference
from clusters.metallb import services
from clusters.observation.snapshot import Json, Objects, Snapshot
from clusters.subject import Subject
from reports.attribution import Attribution, attributions, fails_differently
from reports.history.stored_runs import WorstSample

#: What each unit's figures differ by without a reason: a sampling interval or two, one retransmission.
_FLOORS = {"s": 0.2, "%": 1.0}
_OTHER_FLOOR = 1.0
#: With fewer earlier runs than this nobody knows what is usual, and half as much again is allowed.
_ENOUGH, _UNKNOWN = 5, 0.5
#: Three standard deviations, estimated from the median deviation, and at least a quarter of the figure.
_SPREAD, _LEAST = 3 * 1.4826, 0.25
_UNDECIDED = frozenset({Outcome.SKIPPED, Outcome.INCONCLUSIVE, None})


@dataclass(frozen=True, kw_only=True)
class EarlierRun:
    """An earlier run. `finished` is RFC 3339, UTC; of one that was killed, `verdict` is None."""

    id: str
    finished: str
    verdict: Verdict | None
    metallb_version: str = ""
    kubernetes_version: str = ""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A check whose outcome is not what it was. An outcome of None: the check was not tested at all."""

    check: str
    before: Outcome | None
    after: Outcome | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class FailingDifferently:
    """A check that failed before and fails now, by a cause or a subject that it did not fail by then."""

    check: str
    before: tuple[Attribution, ...]
    after: tuple[Attribution, ...]
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Regression:
    """A figure whose worst sample left the band of what earlier runs gave: `usual` is (lowest, highest)."""

    check: str
    figure: str
    unit: str
    before: float
    after: float
    usual: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A run beside an earlier one. `against` names that one for a reader ("the previous run", a file).

    `newly_untested` are checks that were decided then and are not now: skipped, inconclusive or left out.
    `reconfigured` holds a sentence for each object of the configuration that changed, appeared or went.
    """

    against: str
    run: EarlierRun
    newly_failing: tuple[Change, ...] = ()
    failing_differently: tuple[FailingDifferently, ...] = ()
    fixed: tuple[Change, ...] = ()
    newly_untested: tuple[Change, ...] = ()
    regressions: tuple[Regression, ...] = ()
    moves: tuple[Move, ...] = ()
    reconfigured: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether nothing worth reporting changed."""
        return not (
            self.newly_failing
            or self.failing_differently
            or self.fixed
            or self.newly_untested
            or self.regressions
            or self.moves
            or self.reconfigured
        )


#: A check and the name of one of its figures.
Name = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two runs. `outcomes` has the reason beside each outcome, and None for a check it left out.

    `attributed` has what each failed check is attributed to.
    """

    run: EarlierRun
    outcomes: Mapping[str, tuple[Outcome | None, str]]
    attributed: Mapping[str, tuple[Attribution, ...]] = field(default_factory=dict)
    figures: Mapping[Name, WorstSample] = field(default_factory=dict)
    snapshot: Snapshot | None = None


def side_of(result: RunResult, snapshot: Snapshot | None = None) -> Side:
    """A run's results, and what it observed, as one side of a comparison."""
    info = result.run
    left_out: dict[str, tuple[Outcome | None, str]] = {name: (None, why) for name, why in result.not_tested}
    return Side(
        run=EarlierRun(
            id=info.id,
            finished=info.finished,
            verdict=info.verdict,
            metallb_version=info.metallb_version,
            kubernetes_version=info.kubernetes_version,
        ),
        outcomes=left_out | {one.id: (one.outcome, one.reason) for one in result.checks},
        attributed={check.id: attributions(check) for check in result.checks},
        figures={
            (check.id, name): WorstSample(unit=one.unit, worst=one.value, lowest=one.worst == "lowest")
            for check in result.checks
            for name, one in check.measurements.items()
        },
        snapshot=snapshot,
    )


def compared(
    before: Side, after: Side, *, against: str, usual: Mapping[Name, Sequence[float]] | None = None
) -> Comparison:
    """What differs in `after`. `usual` has the worst samples of earlier runs, which say what is noise."""
    changes = list(_changes(before, after))
    found = Comparison(
        against=against,
        run=before.run,
        newly_failing=tuple(one for one in changes if one.after is Outcome.FAILED),
        failing_differently=tuple(_failing_differently(before, after)),
        fixed=tuple(one for one in changes if one.after is Outcome.PASSED and one.before is Outcome.FAILED),
        newly_untested=tuple(
            one for one in changes if one.after in _UNDECIDED and one.before not in _UNDECIDED
        ),
        regressions=tuple(_regressions(before, after, usual or {})),
        moves=tuple(moves(before.snapshot, after.snapshot)),
        reconfigured=tuple(reconfigured(before.snapshot, after.snapshot)),
    )
    return outbound.record(found)


def band(values: Sequence[float], unit: str) -> tuple[float, float]:
    """What is usual for a figure by its worst samples in earlier runs: (lowest, highest)."""
    middle = median(values)
    if len(values) < _ENOUGH:
        spread = _UNKNOWN * abs(middle)
    else:
        spread = max(_SPREAD * median(abs(one - middle) for one in values), _LEAST * abs(middle))
    spread = max(spread, _FLOORS.get(unit, _OTHER_FLOOR))
    return middle - spread, middle + spread


def _changes(before: Side, after: Side) -> Iterator[Change]:
    for check in sorted({*before.outcomes, *after.outcomes}):
        old, _ = before.outcomes.get(check, (None, ""))
        new, reason = after.outcomes.get(check, (None, "not in this run at all"))
        if old is not new:
            yield Change(check=check, before=old, after=new, reason=reason)


def _failing_differently(before: Side, after: Side) -> Iterator[FailingDifferently]:
    for check, now in sorted(after.attributed.items()):
        was = before.attributed.get(check, ())
        if fails_differently(was, now):
            yield FailingDifferently(check=check, before=was, after=now, reason=after.outcomes[check][1])


def _regressions(before: Side, after: Side, usual: Mapping[Name, Sequence[float]]) -> Iterator[Regression]:
    """The figures that are worse than before and than what is usual, by more than the noise."""
    for name, new in after.figures.items():
        old = before.figures.get(name)
        if old is None or old.unit != new.unit:
            continue
        known = usual.get(name, ())
        enough = len(known) >= _ENOUGH
        low, high = band(known if enough else (old.worst,), new.unit)
        worse = new.worst < min(low, old.worst) if new.lowest else new.worst > max(high, old.worst)
        if worse:
            yield Regression(
                check=name[0],
                figure=name[1],
                unit=new.unit,
                before=old.worst,
                after=new.worst,
                usual=(low, high) if enough else None,
            )


#: How much of a value and how many of an object's fields are shown.
_SHOWN, _FIELDS = 60, 3
#: The labels of a node that count as configuration.
_NODE_LABELS = ("node.kubernetes.io/", "metallb.io/", "kubernetes.io/hostname", "topology.kubernetes.io/")
#: Written by controllers and kubectl as they go along, not by whoever configures.
_RUNNING_NOTES = ("deprecated.daemonset.template.generation", "deployment.kubernetes.io/revision")


@dataclass(frozen=True, kw_only=True)
class Move:
    """A service ("service default/web") whose addresses are not what they were."""

    subject: str
    before: tuple[str, ...]
    after: tuple[str, ...]


def _spec(found: Json) -> Json:
    return {"spec": found.get("spec") or {}}


def _data(found: Json) -> Json:
    return {"data": found.get("data") or {}}


def _hooks(found: Json) -> Json:
    return {"webhooks": found.get("webhooks") or []}


def _node(found: Json) -> Json:
    spec, labels = found.get("spec") or {}, found["metadata"].get("labels") or {}
    # A label counts by being there: an empty value is not the same as none.
    kept = {name: value or "(empty)" for name, value in labels.items() if name.startswith(_NODE_LABELS)}
    return {
        "labels": kept,
        "spec": {name: spec[name] for name in ("taints", "unschedulable") if spec.get(name)},
    }


def _service(found: Json) -> Json:
    """What a service asks of a load balancer; not what MetalLB or the API server wrote into it."""
    spec, annotations = found.get("spec") or {}, found["metadata"].get("annotations") or {}
    asked = ("loadBalancerIP", "loadBalancerClass", "externalTrafficPolicy", "ipFamilyPolicy", "ports")
    kept = {name: spec[name] for name in asked if name in spec}
    if "ports" in kept:
        kept["ports"] = [{key: one.get(key) for key in ("port", "protocol")} for one in kept["ports"]]
    asked_for = {
        name: value
        for name, value in annotations.items()
        if "metallb" in name and not name.endswith("/ip-allocated-from-pool")
    }
    return {"annotations": asked_for, "spec": kept}


#: What of each part of an observation is configuration, with the word for one of its objects.
_PARTS: Mapping[str, tuple[str, Callable[[Json], Json]]] = {
    "ip_address_pools": ("IPAddressPool", _spec),
    "l2_advertisements": ("L2Advertisement", _spec),
    "bgp_advertisements": ("BGPAdvertisement", _spec),
    "bgp_peers": ("BGPPeer", _spec),
    "bfd_profiles": ("BFDProfile", _spec),
    "communities": ("Community", _spec),
    "deployments": ("Deployment", _spec),
    "daemon_sets": ("DaemonSet", _spec),
    "config_maps": ("ConfigMap", _data),
    "kube_proxy_config": ("ConfigMap", _data),
    "webhooks": ("webhook configuration", _hooks),
    "nodes": ("node", _node),
    "services": ("service", _service),
}


def moves(before: Snapshot | None, after: Snapshot | None) -> Iterator[Move]:
    """The services of both observations whose addresses are not the same."""
    if before is None or after is None or not (before.services.known and after.services.known):
        return
    held = {one.key: one.ingress for one in map(services.parse, before.services.items)}
    for one in map(services.parse, after.services.items):
        old = held.get(one.key)
        if old is not None and set(old) != set(one.ingress):
            yield Move(
                subject=Subject.service(one.key),
                before=tuple(map(str, old)),
                after=tuple(map(str, one.ingress)),
            )


def reconfigured(before: Snapshot | None, after: Snapshot | None) -> Iterator[str]:
    """A sentence for each object of the configuration that changed, appeared or went."""
    if before is None or after is None:
        return
    for part, (word, cut) in _PARTS.items():
        one, other = getattr(before, part), getattr(after, part)
        if one.known and other.known:
            yield from _part(word, _by_name(one), _by_name(other), cut)


def _part(
    word: str, before: Mapping[str, Json], after: Mapping[str, Json], cut: Callable[[Json], Json]
) -> Iterator[str]:
    for name in sorted({*before, *after}):
        if name not in after:
            yield f"{word} {name} is gone."
        elif name not in before:
            yield f"{word} {name} is new."
        elif found := _differences(cut(before[name]), cut(after[name])):
            changes = [
                f"{one.field} was {_shown(one.rendered)}, is {_shown(one.live)}" for one in found[:_FIELDS]
            ]
            more = f"; and {len(found) - _FIELDS} more" if len(found) > _FIELDS else ""
            yield f"{word} {name}: {'; '.join(changes)}{more}."


def _differences(before: Json, after: Json) -> list[Difference]:
    """The fields that differ, those that only one side has included."""
    there = field_comparison.differences(before, after)
    known = {one.path for one in there}
    back = field_comparison.differences(after, before)
    added = [Difference(one.path, one.live, one.rendered) for one in back if one.path not in known]
    return [one for one in (*there, *added) if not str(one.path[-1]).endswith(_RUNNING_NOTES)]


def _by_name(part: Objects) -> dict[str, Json]:
    found = {}
    for one in part.items:
        metadata = one["metadata"]
        found["/".join(filter(None, (metadata.get("namespace"), metadata["name"])))] = one
    return found


def _shown(value: Any) -> str:
    if value is ABSENT:
        return "absent"
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
