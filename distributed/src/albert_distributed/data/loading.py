"""Makes the batches of the steps to come, ahead where there are processes for that."""

from __future__ import annotations

from typing import Any, Iterator

from torch.utils.data import DataLoader, Dataset

from .collate import StepShare, StepSource


def load_steps(source: StepSource, steps: range, attempt: int, rank: int, world: int, workers: int) -> Iterator[StepShare]:
    """The shares of one process of these steps, in order. `workers` 0 makes each when it is asked for."""
    shares = _Shares(source, attempt, rank, world)
    return iter(DataLoader(shares, batch_size=None, sampler=steps, num_workers=workers, collate_fn=_as_it_is))


class _Shares(Dataset[StepShare]):
    """The shares of one process by the number of the step."""

    def __init__(self, source: StepSource, attempt: int, rank: int, world: int) -> None:
        self._source, self._attempt, self._rank, self._world = source, attempt, rank, world

    def __getitem__(self, step: int) -> StepShare:
        share = self._source.step(step, self._attempt, self._rank, self._world)
        if share.micro_batches:
            return share
        # A process without work must meet the others all the same: it computes a micro-batch that counts for nothing.
        batch = self._source.step(step, self._attempt, 0, 1 << 30).micro_batches[0][1]
        idle = {name: data * 0 if name.endswith("_weights") else data for name, data in batch.items()}
        return StepShare([(0, idle)], 0, 0)


def _as_it_is(share: Any) -> Any:
    return share
