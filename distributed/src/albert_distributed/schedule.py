"""The learning rate of each step, in float32 arithmetic with one rounding per operation, as the TypeScript trainer computes it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

f32 = np.float32


@dataclass(frozen=True)
class Schedule:
    """How the rate moves over a run; the shapes are described in docs/training.md."""

    shape: str
    learning_rate: float
    total_steps: int
    warmup_steps: int
    power: float
    warmup_start: int

    def at(self, step: int) -> float:
        """The rate of one update; `step` counts the updates before it."""
        rate = f32(self.learning_rate)
        warmup, total = self.warmup_steps, self.total_steps
        since_start = step - self.warmup_start
        if warmup > 0 and since_start < warmup:
            return float(rate * f32(since_start / warmup))
        progress = min(max(step - warmup, 0) / max(total - warmup, 1), 1)
        match self.shape:
            case "official":  # counted from step 0, as Google's scripts do
                return float(rate * self._remaining(min(step, total) / total))
            case "rebased":
                return float(rate * self._remaining(progress))
            case "cosine":
                return float(rate * f32(0.5 * (1 + math.cos(math.pi * progress))))
            case "constant":
                return float(rate)
            case other:
                raise ValueError(f"schedule: expected official, rebased, cosine or constant, found {other!r}")

    def _remaining(self, progress: float) -> np.float32:
        left = f32(1) - f32(progress)
        return left if self.power == 1 else f32(float(left) ** float(f32(self.power)))
