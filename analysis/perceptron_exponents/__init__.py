"""The study `perceptron-exponents`: laws where theory is exact."""
