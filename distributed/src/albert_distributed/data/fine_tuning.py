"""The batches of a fine-tune: which examples each step sees, and in which shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Sequence

import numpy as np

from .collate import Batch, StepShare, collate
from .features import FeatureStore
from .randomness import derive_seed, permutation

_PER_TOKEN = ("input_ids", "input_mask", "segment_ids", "p_mask")
_FILL = {"p_mask": 1.0}
"""No answer may lie in padding."""


class FineTuningSource:
    """Every epoch uses every example exactly once; which step sees which is a pure function of (seed, epoch)."""

    def __init__(self, data: dict[str, Any], directory: Path, seed: int) -> None:
        """`data` is that of `run.json`; paths in it count from `directory`."""
        self._seed = seed
        self._features = FeatureStore(directory / data["features"])
        self._batch_size: int = data["batch_size"]
        self._grouping: str = data["grouping"]
        self._buckets: list[dict[str, int]] = data["buckets"]
        limits = [bucket["sequence_length"] for bucket in self._buckets]
        self._bucket_of = np.searchsorted(limits, self._features.lengths).tolist()
        self._open: tuple[int, int, list[list[int]]] | None = None

    def step(self, step: int, attempt: int, rank: int, world: int) -> StepShare:
        examples = len(self._bucket_of)
        epoch, place = divmod(step, -(-examples // self._batch_size))
        if self._open is None or self._open[:2] != (attempt, epoch):
            # Attempts shuffle by seeds far apart, so that neighbouring seeds of a user never share an order.
            self._open = attempt, epoch, self._steps(self._seed + attempt * 2**40, epoch)
        micro_batches: list[tuple[int, Batch]] = []
        mine: list[int] = []
        for number, (bucket, some) in enumerate(self._micro_batches(self._open[2][place])):
            if number % world == rank:
                mine += some
                micro_batches.append((number, self._batch(bucket, some)))
        return StepShare(micro_batches, len(mine), int(self._features.lengths[mine].sum()))

    def evaluation(self, rank: int, world: int) -> list[Batch] | None:
        """None: the program itself evaluates the result."""
        return None

    def _micro_batches(self, examples: Sequence[int]) -> list[tuple[dict[str, int], list[int]]]:
        """Longest first, so that a shape that does not fit memory fails at once."""
        lengths = self._features.lengths
        longest_first = sorted(examples, key=lambda example: (-int(lengths[example]), example))
        plans = []
        at = 0
        while at < len(longest_first):
            bucket = self._buckets[self._bucket_of[longest_first[at]]]
            plans.append((bucket, longest_first[at : at + bucket["rows"]]))
            at += bucket["rows"]
        return plans

    def _batch(self, bucket: dict[str, int], examples: list[int]) -> Batch:
        records = [self._features.read(example) for example in examples]
        shapes: dict[str, tuple[int, ...]] = {"input_mask": (bucket["sequence_length"],), "example_weights": ()}
        for name in self._features.names:
            several = (len(records[0][name]),) if name == "label_targets" else ()
            shapes[name] = (bucket["sequence_length"],) if name in _PER_TOKEN else several
        return collate(records, bucket["rows"], shapes, _FILL)

    def _steps(self, seed: int, epoch: int) -> list[list[int]]:
        """The examples of each step of an epoch."""
        examples = len(self._bucket_of)
        if self._grouping == "none":
            return _chunks(permutation(examples, derive_seed(seed, "order", epoch)).tolist(), self._batch_size)
        # Each bucket is shuffled and cut into full steps; what is left over moves up to the next longer bucket.
        members: list[list[int]] = [[] for _ in self._buckets]
        for example, bucket in enumerate(self._bucket_of):
            members[bucket].append(example)
        full: list[list[int]] = []
        left_over: list[int] = []
        for bucket, own in enumerate(members):
            order = permutation(len(own), derive_seed(seed, "bucket", epoch, bucket)).tolist()
            pool = left_over + [own[index] for index in order]
            usable = len(pool) - len(pool) % self._batch_size
            full += _chunks(pool[:usable], self._batch_size)
            left_over = pool[usable:]
        steps = [full[index] for index in permutation(len(full), derive_seed(seed, "steps", epoch)).tolist()]
        return [*steps, left_over] if left_over else steps


def _chunks(items: list[int], size: int) -> list[list[int]]:
    return [items[at : at + size] for at in range(0, len(items), size)]
