"""The command `metallb-conformance`: what the suite does, without a checkout."""
