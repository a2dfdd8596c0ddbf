"""What is read back from a study."""
