"""May tonight's upgrade start? What is known to break between MetalLB's versions, as a table of rules.

Pure: a `situation.Situation` of what was observed goes into `decision.decide`, which goes through `decision.RULES`:
of the versions themselves, of the configuration, of what the upgrade's manifest brings, and of the speakers.
"""
