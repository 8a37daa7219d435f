"""The metrics of runs in the real Prometheus; no cluster."""
