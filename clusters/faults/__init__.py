"""Breaking one thing of a cluster, and undoing it: context managers that journal the way back first.

Each leaves the cluster as it found it, also when its block raises; waiting for health is part of the undo. Checks that
disrupt use `lab_hosts` by way of a provider's machines; the others are for the proofs in tests/faults alone.
"""
