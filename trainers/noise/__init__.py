"""Gradient noise at fixed weights, and noise that is injected."""
