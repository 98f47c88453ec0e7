"""Measures the weights of a run on its held-out text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .objective import TERMS

if TYPE_CHECKING:
    from .training import Trainer


@torch.no_grad()
def evaluate(trainer: Trainer) -> dict[str, float] | None:
    """The official metrics of pretraining, by their official names: of masked tokens means over predictions, of sentence order over
    instances; `loss` is the sum of both losses. None where nothing was held out, or the run fine-tunes."""
    world = trainer.world
    batches = trainer.source.evaluation(world.rank, world.size)
    if batches is None:
        return None
    names = ["masked_lm_loss", "masked_lm_correct", "weight", "sentence_order_loss", "sentence_order_correct", "sentence_order_weight"]
    sums = [0.0] * len(names)
    ones = {name: 1.0 for name, _, _ in TERMS[trainer.run.objective]}
    for batch in batches:
        with trainer.autocast():
            _, counted = trainer.objective(trainer.on_device(batch), ones, None, 0)
        sums = [total + float(counted[name]) for total, name in zip(sums, names)]
    word_loss, word_hits, words, order_loss, order_hits, orders = world.sum(sums)
    return {
        "masked_lm_accuracy": word_hits / words,
        "masked_lm_loss": word_loss / words,
        "sentence_order_accuracy": order_hits / orders,
        "sentence_order_loss": order_loss / orders,
        "loss": word_loss / words + order_loss / orders,
    }
