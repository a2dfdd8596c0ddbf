"""The study `optimal-temperature`: the temperature of least test error."""
