"""Causes that no fault of this catalogue makes: why, and where each is proved instead."""

from __future__ import annotations

from collections.abc import Mapping

#: A cause with the reason, and the proof that stands in for a fault.
ELSEWHERE: Mapping[str, str] = {
    "gratuitous-arp-missing": (
        "Only a check of level create can name it, for it watches an address being taken; "
        "`tests/faults/test_create_and_disrupt.py` drops the packets and sees it named."
    ),
    "certificate-invalid": (
        "The lab's consumers serve no TLS; `tests/wire/test_consumer_answers.py` meets certificates that have expired, "
        "name another host or are signed by an unknown CA, of real servers on a segment."
    ),
    "reconciliation-stopped": (
        "It takes Flux or Argo CD, whose status tells of it; `tests/lab/test_gitops.py` writes into a lab what their "
        "controllers would, suspended, failing and out of sync, and sees it named and silent."
    ),
    "over-budget": (
        "Checks that measure name it where a figure misses its budget and nothing explains it; "
        "no check of level observe measures."
    ),
    "unexplained": "It is what a check says that found no cause; a fault for it would be a gap in the diagnosis.",
    **dict.fromkeys(
        (
            "target-unsafe",
            "kubernetes-unsupported",
            "legacy-configuration",
            "address-outside-pools",
            "webhook-left-over",
            "role-outdated",
            "object-not-accepted",
            "port-taken",
            "values-outdated",
            "no-spare-announcer",
            "no-way-back",
        ),
        "It is no fault while nobody upgrades: only `upgrade.readiness` names it, which is asked for by "
        "`--target-version`; `tests/unit/upgrade` trips each of its rules on an observation of a lab.",
    ),
}
