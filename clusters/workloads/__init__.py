"""What a run puts on a cluster to test with: an echo workload, services before it, pools of its own."""
