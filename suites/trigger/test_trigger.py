"""The runbook's trigger conditions."""

from __future__ import annotations

from clusters.commands import FETCH
from clusters.diagnosis.answers import trigger
from suites.causes import PENDING, UNREACHED, UNSERVED
from suites.plugin import OBSERVE, check
from suites.plugin.run_fixtures import Observed


@check(
    "trigger.pending-services",
    runbook="Trigger",
    level=OBSERVE,
    causes=PENDING,
    commands=("kubectl get svc -A | grep LoadBalancer", "kubectl -n {namespace} describe svc {service}"),
)
def test_no_service_waits_for_an_address(observed: Observed) -> None:
    """No LoadBalancer service that MetalLB owns waits for an address longer than its budget."""
    observed.expect(trigger.pending_services)


@check(
    "trigger.unreachable-address",
    runbook="Trigger",
    level=OBSERVE,
    needs={"wire"},
    causes=UNREACHED,
    commands=("kubectl get svc -A | grep LoadBalancer", FETCH),
)
def test_every_address_answers_from_outside(observed: Observed) -> None:
    """Every assigned address answers on its service's ports from outside the cluster.

    Ports are tried over TCP and UDP, never by ping, which MetalLB does not answer. Silence over UDP proves nothing.
    """
    observed.expect(trigger.unreachable_address)


@check(
    "trigger.edge-address",
    runbook="Trigger",
    level=OBSERVE,
    needs={"wire"},
    causes=UNSERVED,
    commands=("kubectl -n {namespace} get svc {service} -o wide", FETCH),
)
def test_every_consumer_serves_at_its_address(observed: Observed) -> None:
    """Every consumer of the profile holds its expected address and serves there.

    Each of its addresses is asked, whoever gives it to the service. Ingress controllers and gateways that the profile
    does not name are listed with the line to add. An address is an IP address: names are asked for by a probe of
    protocol dns, or stand in the probe's host.
    """
    observed.expect(trigger.edge_address)
