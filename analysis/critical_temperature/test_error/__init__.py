"""Temperatures at which the test error rises and falls."""
