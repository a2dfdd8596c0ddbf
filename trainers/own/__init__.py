"""Training anybody's torch module."""
