"""Clusters of kind: made with pytest-kind, on Docker's own network, with MetalLB from the overlay `local`.

pytest-kind is licensed under the GPL and is an extra, so only `clusters.providers.kind.creation` imports it, and only
`clusters.providers.kind.kind_cluster` imports that.
"""

from __future__ import annotations
