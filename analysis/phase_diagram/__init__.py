"""The study `phase-diagram`: regimes in the (alpha, T) plane."""
