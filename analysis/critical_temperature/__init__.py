"""The study `critical-temperature`: T_c(P) and its power law."""
