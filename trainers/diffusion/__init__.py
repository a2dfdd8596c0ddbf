"""Model processes of the noise, without a network."""
