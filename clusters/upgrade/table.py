"""The whole table of what is known to break on the way from one MetalLB version to another."""

from __future__ import annotations

from clusters.upgrade import holding, running, shipping, targets
from clusters.upgrade.rule import Rule

RULES: tuple[Rule, ...] = (*targets.RULES, *holding.RULES, *shipping.RULES, *running.RULES)
