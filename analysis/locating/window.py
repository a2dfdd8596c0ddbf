"""Scales of temperature that are known before anything is measured."""

from __future__ import annotations

from dataclasses import dataclass

NOISE_GROUP = (6.0, 35.0)
"""Noise-dominated lazy training, in units of the expected T_noise."""
HOT_GROUP = (1 / 3, 1.0)
"""Temperatures near the largest stable one, in units of eta_max/B."""


NOISE_ONSET = 2.1
"""Where noise doubles the lazy weight change, in units of T_1 = 1/(alpha K)."""


@dataclass(frozen=True)
class Window:
    """Scales of temperature of one alpha, known before anything is measured."""

    onset: float
    """T_1, the scale at which noise begins to matter."""
    stable: float
    """eta_max, the largest stable learning rate."""

    def groups(self) -> dict[str, tuple[float, float]]:
        """Return the ends of the groups ``cold``, ``noisy`` and ``hot``."""
        onset = NOISE_ONSET * self.onset
        return {
            "cold": (0.0, self.onset),
            "noisy": (NOISE_GROUP[0] * onset, NOISE_GROUP[1] * onset),
            "hot": (HOT_GROUP[0] * self.stable, HOT_GROUP[1] * self.stable),
        }

    def has_noisy_plateau(self) -> bool:
        """Whether noise-dominated lazy training ends well before the stability edge."""
        groups = self.groups()
        return groups["noisy"][1] < groups["hot"][0]
