"""Breaking one thing of a cluster, and mending it: context managers that journal the way back first.

Each leaves the cluster as it found it, also when its block raises; waiting for health is part of mending.
"""
