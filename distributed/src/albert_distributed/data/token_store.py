"""Reads token stores, which `albert pretrain` writes: tokenised text, as documents of sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..forms import read_form

Words = npt.NDArray[np.uint32]

CONTINUES = 0x80000000
"""Set in a packed token that continues the word of the token before it."""


class Documents(Protocol):
    """Tokenised documents, by index; sentences and documents are never empty. Tokens are packed: see `CONTINUES`."""

    def __len__(self) -> int: ...

    def lengths(self, document: int) -> Words:
        """Tokens of each sentence of a document."""

    def read(self, document: int, first: int, sentences: int) -> Words:
        """The tokens of `sentences` sentences from sentence `first` on, end to end."""

    def read_at_least(self, document: int, first: int, tokens: int) -> Words:
        """Whole sentences from `first` on: at least one, and as many as it takes to reach `tokens` or the document's end."""


class TokenStore:
    """A token store's directory. Tokens stay on the disk, mapped into memory; eight bytes per document are read."""

    def __init__(self, directory: Path) -> None:
        """Raises `ValueError` for what is no token store of version 1, or whose files have not the manifest's sizes."""
        path = directory / "manifest.json"
        advice = "Make the run again with --distributed"
        manifest = read_form(path, "albert-token-store", "formatVersion", "token store", advice)
        self.vocab_size: int = manifest["tokenizer"]["vocabSize"]
        self.special: dict[str, int] = manifest["tokenizer"]["special"]
        self._shards = [_Shard(directory, number, sizes) for number, sizes in enumerate(manifest["shards"])]
        self._first = np.cumsum([0, *(shard.documents for shard in self._shards)])

    def __len__(self) -> int:
        return int(self._first[-1])

    def content_hashes(self) -> Words:
        """For each document a number that depends on nothing but its tokens; uniform over 32 bits."""
        return np.concatenate([shard.hashes for shard in self._shards])

    def lengths(self, document: int) -> Words:
        shard, start, end = self._locate(document)
        return np.diff(shard.token_ends(start, end))

    def read(self, document: int, first: int, sentences: int) -> Words:
        shard, start, _ = self._locate(document)
        ends = shard.token_ends(start + first, start + first + sentences)
        return shard.tokens[ends[0] : ends[-1]]

    def read_at_least(self, document: int, first: int, tokens: int) -> Words:
        shard, start, last = self._locate(document)
        # Every sentence has a token, so that many sentences are always enough.
        ends = shard.token_ends(start + first, min(last, start + first + max(1, tokens)))
        enough = int(np.searchsorted(ends[1:-1] - ends[0], tokens))
        return shard.tokens[ends[0] : ends[enough + 1]]

    def _locate(self, document: int) -> tuple[_Shard, int, int]:
        """The shard of a document, and its first sentence and the one after its last, among the shard's."""
        number = int(np.searchsorted(self._first, document, side="right")) - 1
        shard = self._shards[number]
        local = document - int(self._first[number])
        return shard, int(shard.sentence_ends[local - 1]) if local > 0 else 0, int(shard.sentence_ends[local])


class _Shard:
    def __init__(self, directory: Path, number: int, sizes: dict[str, int]) -> None:
        def words(kind: str, count: int) -> Words:
            path = directory / f"{kind}-{number:05d}.bin"
            found = path.stat().st_size if path.exists() else 0
            if found != 4 * count:
                raise ValueError(f"{path}: expected {4 * count} bytes, found {found}; make the run again with --distributed")
            return np.memmap(path, dtype="<u4", mode="r")

        self.documents = sizes["documents"]
        self.tokens = words("tokens", sizes["tokens"])
        self._sentences = words("sentences", sizes["sentences"])
        table = np.array(words("documents", 2 * self.documents)).reshape(-1, 2)
        self.sentence_ends = table[:, 0]
        self.hashes = table[:, 1]

    def token_ends(self, first: int, last: int) -> Words:
        """Where sentence `first` starts, then where each of the sentences `first`..`last` (half-open) ends, among the tokens."""
        if first > 0:
            return self._sentences[first - 1 : last]
        return np.concatenate([np.zeros(1, dtype=np.uint32), self._sentences[:last]])


class Subset:
    """Some documents of a store, under numbers of their own."""

    def __init__(self, store: TokenStore, chosen: npt.NDArray[np.int64]) -> None:
        self._store = store
        self._chosen = chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def lengths(self, document: int) -> Words:
        return self._store.lengths(int(self._chosen[document]))

    def read(self, document: int, first: int, sentences: int) -> Words:
        return self._store.read(int(self._chosen[document]), first, sentences)

    def read_at_least(self, document: int, first: int, tokens: int) -> Words:
        return self._store.read_at_least(int(self._chosen[document]), first, tokens)


def split_held_out(store: TokenStore, share: float) -> tuple[Subset, Subset]:
    """The documents to train on and those held out, by a hash of their content: copies are never on both sides."""
    held_out = store.content_hashes() < share * 2**32
    return Subset(store, np.flatnonzero(~held_out)), Subset(store, np.flatnonzero(held_out))
