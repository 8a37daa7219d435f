"""What a cluster is: how to get one, observe one, disturb one and put it back."""

__version__ = "0.2.0"
