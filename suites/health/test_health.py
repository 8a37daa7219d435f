"""Section 1 of the runbook: pods, configuration and addresses at first sight."""

from __future__ import annotations

from clusters.diagnosis.answers import health
from suites.causes import CONTROLLER, CUT_OFF, EVERYWHERE, PENDING, REFUSED, SPEAKER
from suites.plugin import OBSERVE, check
from suites.plugin.run_fixtures import Observed

_PODS = "kubectl -n {metallb_namespace} get pods -o wide"
_CONFIG = "kubectl -n {metallb_namespace} get ipaddresspools,l2advertisements"
_SERVICES = "kubectl get svc -A | grep LoadBalancer"


@check(
    "health.pods-ready",
    runbook="1",
    level=OBSERVE,
    causes=(*CONTROLLER, *SPEAKER),
    commands=(_PODS,),
)
def test_controller_and_speakers_are_ready(observed: Observed) -> None:
    """Controller and speakers run and are ready on every node they are meant for.

    Restarts are named. A pod that only just started is given the time that its probes take.
    """
    observed.expect(health.pods_ready)


@check(
    "health.config-present",
    runbook="1",
    level=OBSERVE,
    commands=(_CONFIG,),
)
def test_every_pool_is_advertised(observed: Observed) -> None:
    """IPAddressPools and L2Advertisements exist, and every pool is advertised by at least one.

    Pools that the profile names have the addresses that it says.
    """
    observed.expect(health.config_present)


@check(
    "health.services-addressed",
    runbook="1",
    level=OBSERVE,
    causes=PENDING,
    commands=(_SERVICES,),
)
def test_every_service_holds_an_address_of_a_pool(observed: Observed) -> None:
    """Every LoadBalancer service holds an address of a pool; none is held twice without a sharing key."""
    observed.expect(health.services_addressed)


@check(
    "health.config-accepted",
    runbook="1",
    level=OBSERVE,
    causes=(*REFUSED, *CONTROLLER, *CUT_OFF),
    commands=(
        "kubectl -n {metallb_namespace} get configurationstates",
        "kubectl -n {metallb_namespace} get ipaddresspool {pool} -o yaml | kubectl apply --dry-run=server -f -",
    ),
)
def test_metallb_accepts_its_configuration(observed: Observed) -> None:
    """MetalLB has accepted the configuration it is given.

    By its ConfigurationStates (0.15.3 and newer), its metric for a stale configuration, and a server-side dry
    run of a pool, which stores nothing and is skipped where it is not permitted.
    """
    observed.expect(health.config_accepted)


@check(
    "health.scope",
    runbook="1",
    level=OBSERVE,
    causes=EVERYWHERE,
    commands=(_PODS, _CONFIG, _SERVICES),
)
def test_trouble_does_not_reach_the_whole_cluster(observed: Observed) -> None:
    """The run says whether what it found touches one service, one pool or the whole cluster.

    It fails where the whole cluster is touched, and passes with a note where it is one service, one pool or nothing.
    """
    observed.expect(health.how_far)
