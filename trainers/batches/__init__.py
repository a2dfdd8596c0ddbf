"""Which samples enter a step: every random number."""
