"""From the announcing node to a backend and back: what was seen of that stretch, and the cause behind what is lost."""

from clusters.diagnosis.forwarding.lost_packets import Forwarding
from clusters.diagnosis.forwarding.stretch import Stretch

__all__ = ["Forwarding", "Stretch"]
