"""What leaves the run's directory: a file for the node exporter, a push, and a digest when there is news."""
