"""Lays records into the fixed shapes of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Protocol, Sequence

import numpy as np
import numpy.typing as npt

Batch = dict[str, npt.NDArray[Any]]
"""A micro-batch by the names of the TypeScript trainer's `batchTensors`."""

Record = Mapping[str, npt.NDArray[Any]]
"""One example by the same names, without the batch axis and without padding."""


@dataclass(frozen=True)
class StepShare:
    """What one process computes of an optimizer step."""

    micro_batches: list[tuple[int, Batch]]
    """With each micro-batch its number in the step, from which its dropout is drawn."""
    examples: int
    tokens: int
    """Without padding."""


class StepSource(Protocol):
    """The batches of a run: a pure function of the step and of how often the run was restarted after a divergence."""

    def step(self, step: int, attempt: int, rank: int, world: int) -> StepShare:
        """Micro-batches `rank`, `rank + world`, ... of a step."""

    def evaluation(self, rank: int, world: int) -> list[Batch] | None:
        """This process's share of what weights are measured on; None where there is nothing."""


def collate(records: Sequence[Record], rows: int, shapes: Mapping[str, tuple[int, ...]], fill: Mapping[str, float] | None = None) -> Batch:
    """Stacks records, each padded to its tensor's shape.

    `shapes` has a tensor's shape without the batch axis. Rows beyond the records are filler: they repeat the first record, so that
    none is without a token to attend to, but for their weights (tensors whose name ends in `_weights`), which are 0.
    `input_mask` and `example_weights` are made here.
    """
    batch: Batch = {}
    for name, shape in shapes.items():
        real = name == "input_mask" or name.endswith("_weights") or name in ("p_mask", "is_impossible", "label_values", "label_targets")
        data = np.full((rows, *shape), (fill or {}).get(name, 0), np.float32 if real else np.int32)
        for row in range(rows):
            filler = row >= len(records)
            record = records[0] if filler else records[row]
            if name == "input_mask":
                data[row, : len(record["input_ids"])] = 1
            elif name == "example_weights":
                data[row] = 0 if filler else 1
            elif not (filler and name.endswith("_weights")):
                value = record[name]
                data.reshape(rows, -1)[row, : len(value)] = value
        batch[name] = data
    return batch
