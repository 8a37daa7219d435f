"""How a command comes by an observation: a saved one, or a look at the cluster of a profile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clusters.diagnosis import Diagnosis
    from clusters.observation import Snapshot
    from clusters.profile import Profile

Look = Callable[[], "Diagnosis"]


@contextmanager
def looking(name: str, snapshot: Path | None, *, wire: bool) -> Iterator[Look]:
    """What gives a diagnosis each time it is called: of the saved observation, or of the profile's cluster as it is.

    With `wire` the addresses are also asked for from the profile's vantage. Raises ConformanceError.
    """
    if snapshot is not None:
        yield lambda: _saved(snapshot)
        return
    from clusters import profile, providers  # noqa: PLC0415 - a saved observation needs no cluster
    from clusters.api import Api  # noqa: PLC0415 - see above
    from clusters.diagnosis import observed  # noqa: PLC0415 - see above
    from clusters.observation.collecting import collect  # noqa: PLC0415 - see above

    chosen = _without_vantage(profile.load(name), wire=wire)
    with providers.open_cluster(chosen) as cluster:
        api = Api.connect(cluster.kubeconfig, cluster.context)

        def look() -> Snapshot:
            return collect(
                api,
                namespace=chosen.namespace,
                vantage=cluster.vantage if wire else None,
                routed=cluster.routed if wire else None,
                profile=chosen,
            )

        yield lambda: observed(look)


def _saved(path: Path) -> Diagnosis:
    from clusters.diagnosis import Diagnosis  # noqa: PLC0415 - see above
    from clusters.observation import load  # noqa: PLC0415 - see above

    return Diagnosis(load(path))


def _without_vantage(chosen: Profile, *, wire: bool) -> Profile:
    return chosen if wire else chosen.model_copy(update={"vantage": "", "routed_vantage": ""})
