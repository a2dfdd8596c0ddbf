"""What is asked: a study's settings, and how they may grow."""
