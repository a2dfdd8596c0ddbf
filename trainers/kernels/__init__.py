"""The compiled trainer of the multilayer perceptron."""
