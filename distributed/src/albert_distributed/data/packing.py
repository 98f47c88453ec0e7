"""Lays several instances into each row of a batch, as the TypeScript trainer does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np

from .collate import Batch
from .instances import Instance


@dataclass(frozen=True)
class PackedSizes:
    """Shape of a micro-batch of packed rows."""

    rows: int
    row_length: int
    segments: int
    """Most instances in a row."""
    predictions: int
    """Most predictions in a row."""


def pack_rows(lengths: Sequence[int], sizes: PackedSizes) -> list[list[int]]:
    """Best fit decreasing: longest first, each into the fullest row that still has room; rows in the order of their first."""
    rows: list[list[int]] = []
    open_by_room: list[list[int]] = [[] for _ in range(sizes.row_length + 1)]
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        length = lengths[index]
        room = next((r for r in range(length, sizes.row_length + 1) if open_by_room[r]), None)
        if room is None:
            rows.append([])
            row, left = len(rows) - 1, sizes.row_length - length
        else:
            row, left = open_by_room[room].pop(), room - length
        rows[row].append(index)
        if left > 0 and len(rows[row]) < sizes.segments:
            open_by_room[left].append(row)
    return sorted(rows, key=lambda row: row[0])


def packed_batch(rows: Sequence[Sequence[Instance]], sizes: PackedSizes) -> Batch:
    """One micro-batch. Every instance keeps its own positions and attends to itself only; missing rows repeat the first one
    with weight 0."""
    B, S, N, M = sizes.rows, sizes.row_length, sizes.segments, sizes.predictions
    ints = {name: np.zeros((B, S), np.int32) for name in ("input_ids", "segment_ids", "position_ids")}
    batch: Batch = {
        **ints,
        "input_mask": np.zeros((B, S), np.float32),
        "attention_blocks": np.full((B, S), N, np.int32),  # padding is a block of its own
        "cls_positions": np.zeros((B, N), np.int32),
        "next_sentence_labels": np.zeros((B, N), np.int32),
        "next_sentence_weights": np.zeros((B, N), np.float32),
        "masked_lm_positions": np.zeros((B, M), np.int32),
        "masked_lm_ids": np.zeros((B, M), np.int32),
        "masked_lm_weights": np.zeros((B, M), np.float32),
    }
    for row in range(B):
        weight = 1 if row < len(rows) else 0
        token = prediction = 0
        for segment, instance in enumerate(rows[row] if weight else rows[0]):
            end = token + len(instance.input_ids)
            last = prediction + len(instance.masked_ids)
            batch["input_ids"][row, token:end] = instance.input_ids
            batch["segment_ids"][row, token:end] = instance.segment_ids
            batch["position_ids"][row, token:end] = np.arange(end - token)
            batch["input_mask"][row, token:end] = 1
            batch["attention_blocks"][row, token:end] = segment
            batch["cls_positions"][row, segment] = token
            batch["next_sentence_labels"][row, segment] = instance.label
            batch["next_sentence_weights"][row, segment] = weight
            batch["masked_lm_positions"][row, prediction:last] = token + instance.masked_positions
            batch["masked_lm_ids"][row, prediction:last] = instance.masked_ids
            batch["masked_lm_weights"][row, prediction:last] = weight
            token, prediction = end, last
    return batch
