"""How far ahead of the weights batches are drawn and looked at."""

from __future__ import annotations

import math

ADAPTIVE = 0
"""Look-ahead that follows the observed fraction of rounds that move the weights."""
LOOK_AHEADS = (4, 8, 16, 32, 64, 128, 256)


class LookAhead:
    """Chooses how many points a round evaluates, from how often rounds move the weights.

    With an overhead of c rows, m rows cost c + m and reach a violator with probability
    1 - exp(-m q).
    """

    def __init__(self, overhead: float, fixed: int) -> None:
        self._overhead = overhead
        self._fixed = fixed
        self._moved, self._rounds, self._rows = 0.5, 1.0, 4.0

    @property
    def rows(self) -> int:
        """Rows of the next round."""
        if self._fixed:
            return self._fixed
        hit = min(self._moved / self._rounds, 0.98)
        q = max(-math.log(1 - hit) * self._rounds / self._rows, 1e-6)

        def gain(rows: int) -> float:
            return (1 - math.exp(-rows * q)) / (self._overhead + rows)

        return max(LOOK_AHEADS, key=gain)

    def learn(self, moved: int, rounds: int, rows: int) -> None:
        """Note that `moved` of so many rounds of one replica moved its weights."""
        self._moved = 0.9 * self._moved + moved
        self._rounds = 0.9 * self._rounds + rounds
        self._rows = 0.9 * self._rows + rounds * rows
