"""The summary of a run in one ConfigMap, for a run in a pod: what everybody may read with kubectl.

It is the run's report and no change to what is tested, so no journal undoes it. The ConfigMap has to be there
already: a run may write to that one object and make none.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clusters.api import Api, service_account
from clusters.api.resources import CONFIG_MAPS
from clusters.checks import RunResult
from clusters.checks.serialise import run_to_dict
from clusters.errors import ConformanceError, UsageError
from reports.publish.summary import markdown

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?/[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
#: An object may hold 1 MiB. What does not fit is cut or left out, and says so.
_MOST_SUMMARY, _MOST_RESULTS = 200_000, 700_000


@dataclass(frozen=True, kw_only=True)
class SummaryConfigMap:
    """The ConfigMap to write to, and the kubeconfig of the pod's own login."""

    namespace: str
    name: str
    kubeconfig: Path

    def write(self, result: RunResult) -> str:
        """Put the run in the place of what was there; why that did not succeed, or an empty text."""
        try:
            api = Api.connect(self.kubeconfig, service_account.CONTEXT)
            api.patch(CONFIG_MAPS, self.name, {"data": data_of(result)}, self.namespace)
        except ConformanceError as error:
            return str(error)
        return ""


def data_of(result: RunResult) -> dict[str, Any]:
    """What the ConfigMap holds; a key that a run has nothing for is taken out of it (None)."""
    run = result.run
    text = markdown(result)
    results = json.dumps(run_to_dict(result), separators=(",", ":"))
    fits = len(results.encode()) <= _MOST_RESULTS
    return {
        "run": run.id,
        "finished": run.finished,
        "verdict": str(run.verdict),
        "summary.md": text if len(text) <= _MOST_SUMMARY else f"{text[:_MOST_SUMMARY]}\n\n(cut here)\n",
        "results.json": results if fits else None,
        "left-out": None
        if fits
        else "results.json is too long for a ConfigMap; it is among the run's files.",
    }


def configmap_of(option: str | None) -> SummaryConfigMap | None:
    """The ConfigMap that --summary-configmap names. Raises UsageError, also outside of a pod."""
    if not option:
        return None
    if not _NAME.fullmatch(option):
        raise UsageError(f"--summary-configmap {option} is not NAMESPACE/NAME.")
    kubeconfig = service_account.kubeconfig()
    if kubeconfig is None:
        raise UsageError(
            "--summary-configmap works only for a run in a pod, and this run is not in one.",
            remedy="The same is in summary.md in the run's directory.",
        )
    namespace, _, name = option.partition("/")
    return SummaryConfigMap(namespace=namespace, name=name, kubeconfig=kubeconfig)
