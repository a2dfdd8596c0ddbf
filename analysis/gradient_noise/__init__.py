"""The study `gradient-noise`: tail indices of the gradient noise."""
