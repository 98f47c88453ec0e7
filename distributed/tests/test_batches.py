"""Batches are those of the TypeScript trainer, bit by bit, for any number of processes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from conftest import expected

from albert_distributed.data.collate import Batch
from albert_distributed.run import Run
from albert_distributed.sources import open_source


@pytest.mark.parametrize("world", [1, 3])
def test_batches_are_those_of_the_other_trainer(golden: Path, world: int) -> None:
    run = Run.open(golden)
    for rank in range(world):
        source = open_source(run)
        for step, digests in enumerate(expected(golden)["batches"]):
            share = source.step(step, 0, rank, world)
            mine = range(rank, len(digests), world)
            assert [number for number, _ in share.micro_batches] == list(mine)
            assert [_digest(batch) for _, batch in share.micro_batches] == [digests[i] for i in mine], f"step {step}"


def _digest(batch: Batch) -> str:
    digest = hashlib.sha256()
    for name in sorted(batch):
        digest.update(f"{name} {','.join(map(str, batch[name].shape))} ".encode())
        digest.update(batch[name].tobytes())
    return digest.hexdigest()[:16]
