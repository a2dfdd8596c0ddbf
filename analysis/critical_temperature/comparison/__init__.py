"""Critical temperatures of several studies or batch sizes beside each other."""
