"""Stable and Student distributions of noise, and the escapes that they cause."""
