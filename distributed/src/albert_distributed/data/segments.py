"""Cuts documents into chunks and pairs of segments, draw by draw as the TypeScript trainer does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterator, Sequence

import numpy as np

from .randomness import RandomStream
from .token_store import CONTINUES, Documents, Words

KINDS = ("in-order", "swapped", "random-next", "split", "split-swapped")
"""How the second segment of a chunk comes about; a chunk holds the index."""
IN_ORDER, SWAPPED, RANDOM_NEXT, SPLIT, SPLIT_SWAPPED = range(5)


@dataclass(frozen=True)
class InstanceOptions:
    """Everything that decides what instances a text gives, besides the draws."""

    max_sequence_length: int
    short_sequence_prob: float
    random_next_sentence: bool
    single_sentence: str
    masked_lm_prob: float
    max_predictions_per_sequence: int
    ngram: int
    favor_shorter_ngram: bool
    whole_word_mask: bool
    permutation: bool
    official_quirks: bool
    vocab_size: int
    special: dict[str, int]

    @classmethod
    def of(cls, settings: dict[str, Any], max_sequence_length: int, vocab_size: int, special: dict[str, int]) -> InstanceOptions:
        return cls(max_sequence_length=max_sequence_length, vocab_size=vocab_size, special=special, **settings)


@dataclass(frozen=True)
class Chunk:
    """A run of a document's sentences that becomes one instance."""

    first: int
    sentences: int
    first_segment: int
    """How many of the sentences make up the first segment."""
    kind: int
    target_tokens: int
    """Tokens that both segments together should reach."""


def cut_document(lengths: Sequence[int], options: InstanceOptions, rng: RandomStream) -> Iterator[Chunk]:
    """Cuts one document into chunks, by the tokens of its sentences alone."""
    max_tokens = options.max_sequence_length - 3
    target = max_tokens
    if rng.random() < options.short_sequence_prob:
        target = rng.integer(2, max_tokens)
    first = tokens = at = 0
    while at < len(lengths):
        tokens += lengths[at]
        if at < len(lengths) - 1 and tokens < target:
            at += 1
            continue
        sentences = at + 1 - first
        first_segment = 1 if sentences == 1 else rng.integer(1, sentences - 1)
        kind = _single_kind(lengths[at], options, rng) if sentences == 1 else _pair_kind(options, rng)
        if kind is not None:
            yield Chunk(first, sentences, first_segment, kind, target)
        if kind == RANDOM_NEXT:
            at -= sentences - first_segment  # the unused sentences begin the next chunk
        first = at + 1
        tokens = 0
        at += 1


def _pair_kind(options: InstanceOptions, rng: RandomStream) -> int:
    negative = rng.random() < 0.5
    if not negative:
        return IN_ORDER
    return RANDOM_NEXT if options.random_next_sentence else SWAPPED


def _single_kind(tokens: int, options: InstanceOptions, rng: RandomStream) -> int | None:
    if options.single_sentence == "random-next":
        return RANDOM_NEXT
    if options.single_sentence == "drop" or tokens < 2:
        return None
    return SPLIT_SWAPPED if rng.random() < 0.5 else SPLIT


def choose_pair(
    documents: Documents, document: int, chunk: Chunk, options: InstanceOptions, rng: RandomStream
) -> tuple[Words, Words]:
    """Both segments of a chunk, before they are cut to length."""
    a = documents.read(document, chunk.first, chunk.first_segment)
    if chunk.kind == RANDOM_NEXT:
        other = _other_document(len(documents), document, options.official_quirks, rng)
        start = rng.integer(0, len(documents.lengths(other)) - 1)
        return a, documents.read_at_least(other, start, chunk.target_tokens - len(a))
    if chunk.kind in (SPLIT, SPLIT_SWAPPED):
        cut = _word_start(a, rng)
        return (a[:cut], a[cut:]) if chunk.kind == SPLIT else (a[cut:], a[:cut])
    b = documents.read(document, chunk.first + chunk.first_segment, chunk.sentences - chunk.first_segment)
    return (a, b) if chunk.kind == IN_ORDER else (b, a)


def _other_document(count: int, document: int, official_quirks: bool, rng: RandomStream) -> int:
    """Officially up to ten draws over all documents, the last of which may be the same document again."""
    if not official_quirks and count > 1:
        other = rng.integer(0, count - 2)
        return other if other < document else other + 1
    other = document
    for _ in range(10):
        if other != document:
            break
        other = rng.integer(0, count - 1)
    return other


def _word_start(tokens: Words, rng: RandomStream) -> int:
    """A random place after the first token at which a word begins, or any place in a text that is one word."""
    starts = np.flatnonzero(tokens[1:] < CONTINUES) + 1
    if len(starts) > 0:
        return int(starts[rng.integer(0, len(starts) - 1)])
    return rng.integer(1, len(tokens) - 1)


def truncate_randomly(first: Words, second: Words, max_tokens: int, rng: RandomStream) -> tuple[Words, Words]:
    """Again and again the longer segment (on a tie the second) loses its first or, as likely, its last token."""
    a, b = [0, len(first)], [0, len(second)]
    while a[1] - a[0] + b[1] - b[0] > max_tokens:
        longer = a if a[1] - a[0] > b[1] - b[0] else b
        if rng.random() < 0.5:
            longer[0] += 1
        else:
            longer[1] -= 1
    return first[a[0] : a[1]], second[b[0] : b[1]]
