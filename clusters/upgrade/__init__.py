"""May tonight's upgrade start? What is known to break between MetalLB's versions, as a table of rules.

Pure: a `situation.Situation` of what was observed goes into `decision.decide`, which goes through `table.RULES`.
`releases` knows the versions there are. Nothing is imported here, as the versions are asked for before anything else.
"""
