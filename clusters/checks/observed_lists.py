"""The lists of an observation, by their names, on which causes and checks rest."""

from __future__ import annotations

POOLS, NODES, PODS, SERVICES = "ip_address_pools", "nodes", "pods", "services"
SLICES, DAEMON_SETS, ADVERTISEMENTS = "endpoint_slices", "daemon_sets", "l2_advertisements"
BGP_ADVERTISEMENTS, NAMESPACES, POLICIES = "bgp_advertisements", "namespaces", "network_policies"
#: What an election rests on.
ELECTION = (NODES, PODS, DAEMON_SETS, POOLS, ADVERTISEMENTS, SLICES)
#: What the answer to a service without address rests on, besides the services and the pools.
ALLOCATION = (NAMESPACES, "deployments", PODS)
