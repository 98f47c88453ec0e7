"""The trainer, but process 1 dies by SIGKILL in step 23 of its first life."""

from __future__ import annotations

import os
import signal
import sys

import torch

from albert_distributed.__main__ import main
from albert_distributed.optimizer import Optimizer

_step = Optimizer.step


def _dying(self: Optimizer, learning_rate: float, updates: int) -> torch.Tensor:
    if updates == 23 and os.environ["RANK"] == "1" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        os.kill(os.getpid(), signal.SIGKILL)
    return _step(self, learning_rate, updates)


Optimizer.step = _dying  # type: ignore[method-assign]
sys.exit(main())
