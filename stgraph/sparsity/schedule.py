"""How sparse a network is at which moment of its training."""

from __future__ import annotations

from typing import NamedTuple

RAMPS = ("linear", "cubic")


class SparsitySchedule(NamedTuple):
    r"""Dense for a share of the training, then sparse: at once or by and by.

    Attributes:
        warm_up: Share of the training during which nothing is cut.
        ramp: Share of the training after it during which sparsity grows; 0: one step.
        shape: ``"linear"``, or ``"cubic"``: fast at first, slowly at last
            (`Zhu and Gupta <https://arxiv.org/abs/1710.01878>`_, eq. 1).
    """

    warm_up: float = 0.0
    ramp: float = 0.0
    shape: str = "linear"

    def check(self) -> None:
        """Raises:
        ValueError: if it never reaches its end, or a word is unknown.
        """
        if not (0 <= self.warm_up <= 1 and 0 <= self.ramp <= 1 and self.warm_up + self.ramp <= 1):
            raise ValueError(
                "'warm_up' and 'ramp' are shares of the training and together at most 1 (got "
                f"{self.warm_up} and {self.ramp})"
            )
        if self.shape not in RAMPS:
            raise ValueError(f"unknown shape {self.shape!r} of a ramp; known are {RAMPS}")

    def factor(self, progress: float) -> float:
        """Share of the final sparsity, after a share ``progress`` of the training."""
        if progress < self.warm_up:
            return 0.0
        if self.ramp == 0 or progress >= self.warm_up + self.ramp:
            return 1.0
        way = (progress - self.warm_up) / self.ramp
        return way if self.shape == "linear" else 1 - (1 - way) ** 3


#: Sparse from the first step on.
AT_ONCE = SparsitySchedule()
