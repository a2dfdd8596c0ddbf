"""The study `effective-temperature`: fluctuation against response."""
