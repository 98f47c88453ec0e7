"""The official n-gram masking of one sequence, draw by draw as the TypeScript trainer does it."""

from __future__ import annotations

from .randomness import RandomStream
from .segments import InstanceOptions
from .token_store import CONTINUES, Words

Word = tuple[list[int], int]
"""The positions of a word's tokens, and the segment that it lies in."""


def mask_tokens(tokens: Words, options: InstanceOptions, rng: RandomStream) -> tuple[list[int], list[tuple[int, int]]]:
    """Masks `[CLS] a [SEP] b [SEP]`, packed tokens.

    Runs of words are visited in random order, each with a random length; a run that would exceed the budget is shortened word by
    word, one that meets a token already taken is passed over. Of the tokens taken, 80 % become [MASK], 10 % stay, 10 % become a
    random piece, each decided for itself.

    Returns the ids after masking, and (position, original id) of what is to be predicted, ascending.
    """
    packed: list[int] = tokens.tolist()
    original = [token & 0x7FFFFFFF for token in packed]
    ids = original.copy()
    if options.masked_lm_prob == 0:
        return ids, []
    words = _find_words(packed, options)
    # As in Python, and in the official script, halves round to even.
    budget = min(options.max_predictions_per_sequence, max(1, round(len(packed) * options.masked_lm_prob)))
    probabilities = _ngram_probabilities(options)
    taken = [False] * len(packed)
    predictions: list[tuple[int, int]] = []
    order = rng.order(len(words))
    for first in order:
        if len(predictions) >= budget:
            break
        for position in _draw_run(words, first, rng.choice(probabilities) + 1, budget - len(predictions), taken):
            taken[position] = True
            predictions.append((position, original[position]))
            ids[position] = _replacement(ids[position], options, rng)
    if options.permutation or options.official_quirks:
        again = rng.order(len(words))  # drawn, officially, even when nothing is permuted
        order = [order[index] for index in again]
    if options.permutation:
        chosen: list[int] = []
        for first in order:
            if len(chosen) >= budget:
                break
            for position in _draw_run(words, first, rng.choice(probabilities) + 1, budget - len(chosen), taken):
                taken[position] = True
                chosen.append(position)
        chosen.sort()
        before = ids.copy()
        for position, place in zip(chosen, rng.order(len(chosen))):
            ids[position] = before[chosen[place]]
            predictions.append((position, original[position]))
    return ids, sorted(predictions)


def _ngram_probabilities(options: InstanceOptions) -> list[float]:
    """Probabilities of run lengths 1 .. ngram."""
    weights = [1 / (n + 1) for n in range(options.ngram)]
    total = 0.0
    for weight in weights:  # in this order, so that the sum is that of the other side to the last bit
        total += weight
    probabilities = [weight / total for weight in weights]
    return probabilities if options.favor_shorter_ngram else probabilities[::-1]


def _find_words(packed: list[int], options: InstanceOptions) -> list[Word]:
    cls, sep = options.special["cls"], options.special["sep"]
    words: list[Word] = []
    segment = 0
    for position, token in enumerate(packed):
        if token == cls or token == sep:
            if token == sep and not options.official_quirks:
                segment += 1
        elif options.whole_word_mask and token >= CONTINUES and words and words[-1][1] == segment:
            words[-1][0].append(position)
        else:
            words.append(([position], segment))
    return words


def _draw_run(words: list[Word], first: int, length: int, room: int, taken: list[bool]) -> list[int]:
    """Positions of up to `length` words from word `first` on, as many words as fit `room`; none when one is taken."""
    segment = words[first][1]
    for n in range(length, 0, -1):
        run = [position for word in words[first : first + n] if word[1] == segment for position in word[0]]
        if len(run) <= room:
            return [] if any(taken[position] for position in run) else run
    return []


def _replacement(token: int, options: InstanceOptions, rng: RandomStream) -> int:
    special = options.special
    if rng.random() < 0.8:
        return special["mask"]
    if rng.random() < 0.5:
        return token
    while True:
        replacement = rng.integer(0, options.vocab_size - 1)
        if options.official_quirks or replacement not in (special["pad"], special["unk"], special["cls"], special["sep"], special["mask"]):
            return replacement
