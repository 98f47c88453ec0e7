"""Makes pretraining instances of a token store on demand, each a pure function of epoch and position."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .masking import mask_tokens
from .randomness import RandomStream, derive_seed, permutation
from .segments import IN_ORDER, SPLIT, Chunk, InstanceOptions, choose_pair, cut_document, truncate_randomly
from .token_store import Documents

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Instance:
    """One pretraining example, without padding: T tokens, M predictions."""

    input_ids: Ints
    """`[CLS] a [SEP] b [SEP]` after masking. int32 [T]"""
    segment_ids: Ints
    """0 up to and including the first [SEP], then 1. int32 [T]"""
    masked_positions: Ints
    """Ascending. int32 [M]"""
    masked_ids: Ints
    """The original ids at those positions. int32 [M]"""
    label: int
    """Sentence order: 0 in order, 1 swapped or from another document."""


class InstanceSource:
    """The instances of a text. The first of an epoch costs a pass over the sentence lengths; only one epoch's plan is kept."""

    def __init__(self, documents: Documents, options: InstanceOptions, seed: int) -> None:
        self._documents = documents
        self._options = options
        self._seed = seed
        self._plan = _EpochPlan(documents, options, seed, 0)
        if len(self._plan.order) == 0:
            raise ValueError("the text gives no instance: expected a document of two sentences, found none")
        self._length = len(self._plan.order)

    def __len__(self) -> int:
        """Instances of every epoch: of the first. Others may plan some more or fewer; these are left out, or come twice."""
        return self._length

    def instance(self, epoch: int, position: int) -> Instance:
        if self._plan.epoch != epoch:
            self._plan = _EpochPlan(self._documents, self._options, self._seed, epoch)
        plan = self._plan
        index = int(plan.order[position % len(plan.order)])
        rng = RandomStream(derive_seed(self._seed, "pretraining-instance", epoch, index))
        document, *chunk = plan.chunks[index].tolist()
        return _build(self._documents, document, Chunk(*chunk), self._options, rng)


class _EpochPlan:
    """Where the chunks of one epoch lie, and in which order they come."""

    def __init__(self, documents: Documents, options: InstanceOptions, seed: int, epoch: int) -> None:
        rows: list[tuple[int, int, int, int, int, int]] = []
        for document in range(len(documents)):
            rng = RandomStream(derive_seed(seed, "pretraining-chunks", epoch, document))
            for c in cut_document(documents.lengths(document).tolist(), options, rng):
                rows.append((document, c.first, c.sentences, c.first_segment, c.kind, c.target_tokens))
        self.epoch = epoch
        self.chunks = np.array(rows, dtype=np.uint32).reshape(-1, 6)
        self.order = permutation(len(rows), derive_seed(seed, "pretraining-order", epoch))


def _build(documents: Documents, document: int, chunk: Chunk, options: InstanceOptions, rng: RandomStream) -> Instance:
    pair = choose_pair(documents, document, chunk, options, rng)
    first, second = truncate_randomly(*pair, options.max_sequence_length - 3, rng)
    cls, sep = options.special["cls"], options.special["sep"]
    tokens = np.concatenate([[cls], first, [sep], second, [sep]]).astype(np.uint32)
    segment_ids = np.zeros(len(tokens), dtype=np.int32)
    segment_ids[len(first) + 2 :] = 1
    ids, predictions = mask_tokens(tokens, options, rng)
    return Instance(
        input_ids=np.array(ids, dtype=np.int32),
        segment_ids=segment_ids,
        masked_positions=np.array([position for position, _ in predictions], dtype=np.int32),
        masked_ids=np.array([label for _, label in predictions], dtype=np.int32),
        label=0 if chunk.kind in (IN_ORDER, SPLIT) else 1,
    )
