"""From a Snapshot to the causes behind what is wrong in it."""
