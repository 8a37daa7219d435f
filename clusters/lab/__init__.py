"""The embedded lab: a real Kubernetes with real MetalLB, in network namespaces of one Linux machine."""
