"""What is finished."""
