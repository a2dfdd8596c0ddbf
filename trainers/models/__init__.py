"""The networks as functions of their weights."""
