"""How loops are compiled, and the vector arithmetic that they share."""
