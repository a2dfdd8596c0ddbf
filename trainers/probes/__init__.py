"""Observables that are measured on request."""
