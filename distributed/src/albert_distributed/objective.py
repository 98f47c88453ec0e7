"""What a run minimises: the loss of a micro-batch, as its share of the step's."""

from __future__ import annotations

from typing import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import nn

from .data.collate import Batch
from .data.randomness import Seed
from .dropout import Dropout
from .model import Tensors, Trunk, classify, gather_tokens, masked_lm_logits
from .run import Run
from .task_losses import TASK_LOSSES

Sums = dict[str, torch.Tensor]
"""Sums over a micro-batch, by name: scalars without gradient."""

TERMS: dict[str, list[tuple[str, str, float]]] = {
    "pretraining": [("masked_lm", "masked_lm_weights", 1e-5), ("sentence_order", "next_sentence_weights", 0.0)],
    **{kind: [("examples", "example_weights", 0.0)] for kind in TASK_LOSSES},
}
"""Of each objective its weighted means, sum(weight * loss) / (sum(weight) + epsilon): name, tensor of the weights, epsilon."""


class Objective(nn.Module):
    """A model with its loss. Every parameter is registered under its official name."""

    def __init__(self, run: Run, weights: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        if run.objective not in _LOSSES:
            raise ValueError(f"run.json: objective: expected one of {', '.join(_LOSSES)}, found {run.objective}")
        self.run = run
        self._loss = _LOSSES[run.objective]
        for rule in run.parameters:
            self.register_parameter(rule.name, nn.Parameter(weights[rule.name].clone(), requires_grad=rule.trained))

    def forward(self, batch: Tensors, scales: Mapping[str, float], seed: Seed | None, micro_batch: int) -> tuple[torch.Tensor, Sums]:
        """The micro-batch's share of the step's loss, and sums over it; `seed` None is evaluation."""
        trunk = Trunk(self.run.model, dict(self.named_parameters()), Dropout(seed, micro_batch))
        return self._loss(self.run, trunk, batch, scales)


def term_weights(objective: str, batches: list[Batch]) -> list[float]:
    """For each term of an objective the sum of its weights over some micro-batches."""
    return [float(sum(batch[weights].sum() for batch in batches)) for _, weights, _ in TERMS[objective]]


def scales_of(objective: str, totals: list[float]) -> dict[str, float]:
    """The factor of each term, from the sums of its weights over the whole step; 0 where nothing has weight."""
    return {
        name: 0.0 if total == 0 else 1 / (total + epsilon) for (name, _, epsilon), total in zip(TERMS[objective], totals)
    }


def _pretraining(run: Run, trunk: Trunk, batch: Tensors, scales: Mapping[str, float]) -> tuple[torch.Tensor, Sums]:
    masked_lm, sentence_order = run.heads
    states = trunk.states(batch)
    words = masked_lm_logits(trunk, masked_lm, gather_tokens(states, batch["masked_lm_positions"]))
    first = gather_tokens(states, batch["cls_positions"]) if "cls_positions" in batch else states[:, 0]
    order = classify(trunk.pool(first), trunk.parameters, f"{sentence_order.scope}cls/seq_relationship/")
    word_ids, word_weights = batch["masked_lm_ids"].flatten(), batch["masked_lm_weights"].flatten()
    labels, label_weights = batch["next_sentence_labels"].flatten(), batch["next_sentence_weights"].flatten()
    masked_loss = _weighted(words, word_ids, word_weights) * scales["masked_lm"]
    order_loss = _weighted(order, labels, label_weights) * scales["sentence_order"]
    return masked_loss + order_loss, {
        "masked_lm_loss": masked_loss.detach(),
        "masked_lm_correct": _hits(words, word_ids, word_weights),
        "sentence_order_loss": order_loss.detach(),
        "sentence_order_correct": _hits(order, labels, label_weights),
        "sentence_order_weight": label_weights.sum(),
        "weight": word_weights.sum(),
    }


def _task(run: Run, trunk: Trunk, batch: Tensors, scales: Mapping[str, float]) -> tuple[torch.Tensor, Sums]:
    losses, sums = TASK_LOSSES[run.objective](run, trunk, batch)
    weights = batch["example_weights"]
    return (losses * weights).sum() * scales["examples"], {**sums, "weight": weights.sum()}


def _weighted(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (F.cross_entropy(logits.float(), labels, reduction="none") * weights).sum()


def _hits(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return ((logits.argmax(-1) == labels) * weights).sum()


Loss = Callable[[Run, Trunk, Tensors, Mapping[str, float]], tuple[torch.Tensor, Sums]]
_LOSSES: dict[str, Loss] = {"pretraining": _pretraining, **{kind: _task for kind in TASK_LOSSES}}
