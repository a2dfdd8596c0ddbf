"""Stationary runs, twins and responses: what an effective temperature needs."""
