"""Dropout whose masks are a pure function of seed, micro-batch and place, bit by bit those of the TypeScript trainer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from .data.randomness import Seed

_KEY_LENGTH = 8
_KEY_LIMIT = 1024
_MODULUS = 65536


class Dropout:
    """The dropout of one forward pass. Sites are numbered in the order of execution; one of probability 0 has no number.

    Element (row, column) is kept if <x_row, key_column> mod 65536 is at least probability * 65536, where x_row is a fixed vector of
    eight whole numbers below 1024 and key_column one column of the site's key. All sums stay below 2^24: float32 holds them exactly,
    in whatever order they are added.
    """

    def __init__(self, seed: Seed | None, micro_batch: int = 0) -> None:
        """`seed` None is evaluation: nothing is dropped."""
        self._seed = seed
        self._micro_batch = micro_batch
        self._site = 0

    def __call__(self, x: torch.Tensor, probability: float) -> torch.Tensor:
        if self._seed is None or probability == 0:
            return x
        columns = x.shape[-1]
        key = torch.from_numpy(dropout_key(self._seed, self._micro_batch, self._site, columns)).to(x.device)
        self._site += 1
        with torch.autocast(x.device.type, enabled=False):
            hashed = _row_vectors(x.numel() // columns, x.device) @ (key / _MODULUS)
            kept = (hashed - hashed.floor() >= probability).to(x.dtype) * (1 / (1 - probability))
        return x * kept.view(x.shape)


def dropout_key(seed: Seed, micro_batch: int, site: int, columns: int) -> npt.NDArray[np.float32]:
    """The key of one site: float32 [8, columns], whole numbers below 1024."""
    stream = _mixed(np.uint32(seed[0]))
    for part in (seed[1], micro_batch, site):
        stream = _mixed(stream ^ np.uint32(part))
    places = _mixed(np.arange(_KEY_LENGTH * columns, dtype=np.uint32))
    return (_mixed(stream ^ places) % np.uint32(_KEY_LIMIT)).astype(np.float32).reshape(_KEY_LENGTH, columns)


_rows: dict[torch.device, torch.Tensor] = {}


def _row_vectors(rows: int, device: torch.device) -> torch.Tensor:
    """The fixed vectors, float32 [rows, 8]; the largest that were asked for are kept."""
    known = _rows.get(device)
    if known is None or len(known) < rows:
        values = _mixed(np.arange(rows * _KEY_LENGTH, dtype=np.uint32)) % np.uint32(_KEY_LIMIT)
        known = _rows[device] = torch.from_numpy(values.astype(np.float32).reshape(rows, _KEY_LENGTH)).to(device)
    return known[:rows]


def _mixed(value: npt.NDArray[np.uint32] | np.uint32) -> npt.NDArray[np.uint32]:
    """A 32-bit mixing function in which every bit of the input changes about half of the output's."""
    x = np.atleast_1d(np.asarray(value, dtype=np.uint32)) + np.uint32(0x9E3779B9)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x21F0AAAD)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x735A2D97)
    return x ^ (x >> np.uint32(15))
