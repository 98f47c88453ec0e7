"""The batches of a pretraining run, stage by stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Sequence

import numpy as np

from .collate import Batch, Record, StepShare, collate
from .instances import Instance, InstanceSource
from .packing import PackedSizes, pack_rows, packed_batch
from .segments import InstanceOptions
from .token_store import Documents, TokenStore, split_held_out


class PretrainingSource:
    """Which instances a step takes is arithmetic: step s of a stage takes the next `batch_size` positions, so that a resumed run
    continues without replay, with as many processes as it then has."""

    def __init__(self, data: dict[str, Any], directory: Path, seed: int) -> None:
        """`data` is that of `run.json`; paths in it count from `directory`."""
        self._data = data
        self._seed = seed
        store = TokenStore(directory / data["store"])
        self._store = store
        self._held_out: Documents
        self._train: Documents
        if "evaluation_store" in data:
            self._train, self._held_out = store, TokenStore(directory / data["evaluation_store"])
        else:
            self._train, self._held_out = split_held_out(store, data["held_out"])
        self._open: tuple[dict[str, Any], int, InstanceSource] | None = None

    def step(self, step: int, attempt: int, rank: int, world: int) -> StepShare:
        stage = [each for each in self._data["stages"] if each["from_step"] <= step][-1]
        source = self._instances(stage, attempt)
        size: int = self._data["batch_size"]
        first = (step - stage["from_step"]) * size

        def instances(start: int, end: int) -> list[Instance]:
            return [source.instance(*divmod(first + i, len(source))) for i in range(start, end)]

        if stage["packing"] is not None:  # which instances share a row depends on all of the step
            return _packed_share(instances(0, size), stage, rank, world)
        rows: int = stage["rows"]
        micro_batches: list[tuple[int, Batch]] = []
        mine: list[Instance] = []
        for number in range(rank, -(-size // rows), world):
            some = instances(number * rows, min(size, (number + 1) * rows))
            mine += some
            micro_batches.append((number, padded_batch(some, rows, stage["sequence_length"], stage["predictions"])))
        return StepShare(micro_batches, len(mine), _tokens(mine))

    def evaluation(self, rank: int, world: int) -> list[Batch] | None:
        """This process's share of the held-out instances, in batches; None where nothing was held out."""
        if len(self._held_out) == 0:
            return None
        settings = self._data["evaluation"]
        length: int = settings["sequence_length"]
        source = InstanceSource(self._held_out, self._options(length), settings["seed"])
        count = min(settings["instances"], len(source))
        rows, predictions = self._data["stages"][-1]["rows"], self._data["stages"][-1]["predictions"]
        starts = range(rank * rows, count, world * rows)
        return [
            padded_batch([source.instance(0, i) for i in range(at, min(count, at + rows))], rows, length, predictions)
            for at in starts
        ]

    def _instances(self, stage: dict[str, Any], attempt: int) -> InstanceSource:
        if self._open is None or self._open[0] is not stage or self._open[1] != attempt:
            # Stages and restarts draw from seeds far apart, so that neighbouring seeds of a user never share instances.
            seed = self._seed + attempt * 2**40 + stage["from_step"] * 2**20
            self._open = stage, attempt, InstanceSource(self._train, self._options(stage["sequence_length"]), seed)
        return self._open[2]

    def _options(self, length: int) -> InstanceOptions:
        return InstanceOptions.of(self._data["instances"], length, self._store.vocab_size, self._store.special)


def padded_batch(instances: Sequence[Instance], rows: int, length: int, predictions: int) -> Batch:
    """One instance a row, padded to `length` tokens."""
    per_token = {name: (length,) for name in ("input_ids", "input_mask", "segment_ids")}
    per_prediction = {name: (predictions,) for name in ("masked_lm_positions", "masked_lm_ids", "masked_lm_weights")}
    order = {"next_sentence_labels": (1,), "next_sentence_weights": (1,)}
    return collate([_record(each) for each in instances], rows, {**per_token, **per_prediction, **order})


def _packed_share(instances: list[Instance], stage: dict[str, Any], rank: int, world: int) -> StepShare:
    packing = stage["packing"]
    sizes = PackedSizes(stage["rows"], stage["sequence_length"], packing["segments"], packing["predictions"])
    plan = pack_rows([len(each.input_ids) for each in instances], sizes)
    micro_batches: list[tuple[int, Batch]] = []
    mine: list[Instance] = []
    for number in range(rank, -(-len(plan) // sizes.rows), world):
        rows = [[instances[i] for i in row] for row in plan[number * sizes.rows : (number + 1) * sizes.rows]]
        mine += [instance for row in rows for instance in row]
        micro_batches.append((number, packed_batch(rows, sizes)))
    return StepShare(micro_batches, len(mine), _tokens(mine))


def _record(instance: Instance) -> Record:
    return {
        "input_ids": instance.input_ids,
        "segment_ids": instance.segment_ids,
        "masked_lm_positions": instance.masked_positions,
        "masked_lm_ids": instance.masked_ids,
        "masked_lm_weights": np.ones(len(instance.masked_ids), np.float32),
        "next_sentence_labels": np.array([instance.label], np.int32),
        "next_sentence_weights": np.ones(1, np.float32),
    }


def _tokens(instances: Sequence[Instance]) -> int:
    return sum(len(each.input_ids) for each in instances)
