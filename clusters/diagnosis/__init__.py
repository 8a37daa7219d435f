"""From a Snapshot to the causes behind what is wrong in it: pure, and the same for a live and a saved one."""

from clusters.diagnosis.diagnosis import Diagnosis, observed
from clusters.diagnosis.symptoms import explain_service

__all__ = ["Diagnosis", "explain_service", "observed"]
