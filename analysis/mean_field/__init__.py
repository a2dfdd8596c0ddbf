"""Dynamical mean-field theory of the perceptron."""
