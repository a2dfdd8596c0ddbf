"""The perceptron w.x from w = 0, trained until all data are fitted."""
