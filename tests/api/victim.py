"""A run that changes and mends all sorts of things without end, until it is killed.

Arguments: a kubeconfig, a namespace with the objects to work on, and a file that is touched and removed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from clusters import workloads
from clusters.api import Api
from clusters.api.resources import CONFIG_MAPS, SERVICES
from clusters.changes import Changes, HostUndo, undo_forms
from clusters.journal import Journal
from tests.api.objects import config_map, service


def lower(path: str) -> None:
    """The undo of a change outside the API server."""
    Path(path).unlink(missing_ok=True)


def main(kubeconfig: str, namespace: str, flag: str) -> None:
    vars(workloads)["lower"] = lower
    undo_forms.ACTIONS["clusters.workloads:lower"] = {"path": lambda _: True}
    api = Api.connect(Path(kubeconfig), None)
    changes = Changes(api, Journal.for_run(namespace, cluster="edge"), namespace)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        one_round(changes, namespace, Path(flag))


def one_round(changes: Changes, namespace: str, flag: Path) -> None:
    number = changes.serial()
    ours = {"data": {"k": str(number), "new": "1"}}
    raised = HostUndo(text="raise a flag", action="clusters.workloads:lower", args={"path": str(flag)})
    with changes.scope():
        changes.create(service(f"made-{number}", namespace, type="LoadBalancer"), foreign="test")
        with changes.patched(CONFIG_MAPS, "kept", ours, namespace, foreign="test"):
            changes.label_node(namespace, {"rack": None, "excluded": str(number)})
            with changes.deleted(SERVICES, "theirs", namespace, foreign="test"):
                changes.create(config_map(f"inner-{number}", namespace), foreign="test")
        with changes.host_change(raised):
            flag.touch()
        changes.apply(config_map("kept", namespace, k="applied"), foreign="test")
        changes.delete(CONFIG_MAPS, "gone", namespace, foreign="test")


if __name__ == "__main__":
    main(*sys.argv[1:])
