"""What a run writes and sends: its files, the terminal, metrics, messages, and what commands print of it."""
