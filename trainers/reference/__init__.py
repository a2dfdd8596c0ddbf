"""The readable trainer: start reading here."""
