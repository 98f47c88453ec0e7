"""Reads the features of a fine-tune, as the program keeps them: one record an example."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .collate import Record

_ENTRY = np.dtype([("offset", "<f8"), ("bytes", "<u4"), ("tokens", "<u4")])


class FeatureStore:
    """Records stay on the disk, mapped into memory; sixteen bytes of each are read."""

    def __init__(self, directory: Path) -> None:
        path = directory / "manifest.json"
        try:
            manifest = json.loads(path.read_bytes())
            if manifest.get("formatVersion") != 1:
                raise ValueError(f"expected features of version 1, found {manifest.get('formatVersion')}")
            self._index = np.fromfile(directory / "index.bin", dtype=_ENTRY)
            self._words: npt.NDArray[np.int32] = np.memmap(directory / "records.bin", dtype="<i4", mode="r")
            if len(self._index) != manifest["count"] or 4 * len(self._words) != manifest["bytes"]:
                raise ValueError("its files have not the sizes that it says")
        except (OSError, ValueError) as error:
            raise ValueError(f"{path}: no features here: {error}. Make the run again with --distributed") from error
        self._schema: list[tuple[str, str]] = [(name, dtype) for name, dtype in manifest["schema"]]

    @property
    def lengths(self) -> npt.NDArray[np.uint32]:
        """Tokens of each record."""
        return np.asarray(self._index["tokens"])

    @property
    def names(self) -> list[str]:
        """The tensors of every record."""
        return [name for name, _ in self._schema]

    def read(self, index: int) -> Record:
        at = int(self._index["offset"][index]) // 4
        record = {}
        for name, dtype in self._schema:
            count = int(self._words[at])
            values = self._words[at + 1 : at + 1 + count]
            record[name] = values if dtype == "int32" else values.view("<f4")
            at += 1 + count
        return record
