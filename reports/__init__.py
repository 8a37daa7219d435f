"""From outcomes to files that people and machines read."""
