"""Clusters of kind: made with pytest-kind, on Docker's own network, with MetalLB from the overlay `local`.

pytest-kind is licensed under the GPL and is an extra, so only `clusters.kind.making` imports it, and only
`clusters.providers.kind` imports that.
"""

from __future__ import annotations
