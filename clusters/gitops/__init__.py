"""The GitOps repository behind a cluster: what its overlays render, its history says and its pages claim.

Collected once per run into a `RepositorySnapshot`; every judgement is a pure function of that and of what the
cluster holds. Nothing here writes to the repository, and nothing needs the network.
"""
