"""Stable noise and power-law dynamics by themselves: in your own loop, and against theory."""

import numpy as np

from analysis.distributions.levy_escape import levy_escape
from analysis.distributions.power_law_escape import power_law_kappa
from analysis.distributions.stable import fit_stable
from analysis.distributions.student import fit_student
from trainers import PowerLawDynamics, simulate_levy, stable_noise

# Heavy-tailed noise for a loop of your own: 1000 particles, 200 steps, tail index 1.5.
w, noise = np.zeros(1000), stable_noise(1.5, (1000, 200), seed=0)
for step in range(200):
    w -= 0.1 * (w + 0.01 * noise[:, step])
print(f"tail index of the particles = {fit_stable(w).tail_index[0]:.2f}")

# Power-law dynamics likewise: noise whose variance grows with the distance from the minimum.
u, rng = np.zeros(4000), np.random.default_rng(0)
for _ in range(600):
    u -= 0.1 * (0.5 * u + np.sqrt(1 + 4 * u**2) * rng.standard_normal(u.size))
kappa = fit_student(u).kappa[0]
print(f"kappa of the particles = {kappa:.2f}, theory {power_law_kappa(0.5, 0.1, 4.0):.2f}")

exits = simulate_levy(1.5, 0.0856, 1.0, max_time=2000.0, n_paths=500, seed=0)
print(f"exit time = {exits.mean_time:.0f}, law {levy_escape(1.5, 0.0856, 1.0).mean_time:.0f}")

dynamics = PowerLawDynamics(curvature=1.0, learning_rate=0.1, sigma_g=1.0, sigma_h=8.0)
samples = dynamics.samples(1000, 20, burn_time=10, interval=2, dt=0.01, seed=0)
kappa = fit_student(samples.ravel()).kappa[0]
print(f"kappa = {kappa:.2f}, theory {power_law_kappa(1.0, 0.1, 8.0):.2f}")
