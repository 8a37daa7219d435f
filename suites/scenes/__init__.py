"""What the create and disrupt checks act on: services of the run, free addresses, owners, failovers."""
