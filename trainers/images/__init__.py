"""The compiled trainer of the convolutional network."""
