"""The losses of fine-tuning, by the kind of objective: of every example, [B], and sums over the micro-batch."""

from __future__ import annotations

from typing import Callable

import torch
import torch.nn.functional as F

from .model import Tensors, Trunk, classify
from .run import Run

Losses = tuple[torch.Tensor, dict[str, torch.Tensor]]

_IMPOSSIBLE = 1e30
"""Score of a position where no answer may start or end."""


def _pooled_logits(run: Run, trunk: Trunk, batch: Tensors) -> torch.Tensor:
    pooled = trunk.dropout(trunk.pool(trunk.first_states(batch)), run.model.head_dropout)
    return classify(pooled, trunk.parameters, run.heads[0].scope).float()


def classification(run: Run, trunk: Trunk, batch: Tensors) -> Losses:
    settings, labels = run.data["loss"], batch["label_ids"]
    logits = _pooled_logits(run, trunk, batch)
    losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=settings["label_smoothing"])
    if settings["focal_gamma"] > 0:
        losses = (1 - torch.exp(-losses)).clamp(min=1e-7) ** settings["focal_gamma"] * losses
    if settings["class_weights"] is not None:
        losses = losses * torch.tensor(settings["class_weights"], device=losses.device)[labels]
    return losses, {"correct": _hits(logits, labels, batch)}


def regression(run: Run, trunk: Trunk, batch: Tensors) -> Losses:
    losses = (_pooled_logits(run, trunk, batch).flatten() - batch["label_values"]).square()
    return losses, {"squared_error": (losses.detach() * batch["example_weights"]).sum()}


def multi_label(run: Run, trunk: Trunk, batch: Tensors) -> Losses:
    logits, targets = _pooled_logits(run, trunk, batch), batch["label_targets"]
    losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(-1)
    right = ((logits > 0).float() == targets).float().mean(-1)
    return losses, {"correct": (right * batch["example_weights"]).sum()}


def span(run: Run, trunk: Trunk, batch: Tensors) -> Losses:
    """The SQuAD v1 head: half the start's and half the end's cross-entropy over all positions."""
    start, end = classify(trunk.states(batch), trunk.parameters, f"{run.heads[0].scope}cls/squad/").float().unbind(-1)
    return _span_losses(start, end, batch)


def span_answerability(run: Run, trunk: Trunk, batch: Tensors) -> Losses:
    """The SQuAD v2 head: impossible positions masked, the end conditioned on the true start, and half the cross-entropy of
    "cannot be answered"."""
    scope, states, parameters = run.heads[0].scope, trunk.states(batch), trunk.parameters
    mask = batch["p_mask"]

    def masked(logits: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = logits.squeeze(-1).float() * (1 - mask) - mask * _IMPOSSIBLE
        return scores

    start = masked(trunk.dense(states, f"{scope}start_logits/dense"))
    rows = torch.arange(len(states), device=states.device)
    starts = states[rows, batch["start_positions"]].unsqueeze(1).expand_as(states)
    hidden = torch.tanh(trunk.dense(torch.cat([states, starts], -1), f"{scope}end_logits/dense_0"))
    end = masked(trunk.dense(trunk.norm(hidden, f"{scope}end_logits/LayerNorm"), f"{scope}end_logits/dense_1"))
    summary = (start.softmax(-1).unsqueeze(1) @ states.float()).squeeze(1)
    pair = torch.cat([summary, states[:, 0].float()], -1)
    dropped = trunk.dropout(torch.tanh(trunk.dense(pair, f"{scope}answer_class/dense_0")), run.model.head_dropout)
    unanswerable = (dropped @ parameters[f"{scope}answer_class/dense_1/kernel"]).flatten().float()
    losses, sums = _span_losses(start, end, batch)
    missing = F.binary_cross_entropy_with_logits(unanswerable, batch["is_impossible"], reduction="none")
    return losses + 0.5 * missing, sums


def _span_losses(start: torch.Tensor, end: torch.Tensor, batch: Tensors) -> Losses:
    starts, ends = batch["start_positions"], batch["end_positions"]
    losses = 0.5 * (F.cross_entropy(start, starts, reduction="none") + F.cross_entropy(end, ends, reduction="none"))
    return losses, {"start_correct": _hits(start, starts, batch), "end_correct": _hits(end, ends, batch)}


def _hits(logits: torch.Tensor, labels: torch.Tensor, batch: Tensors) -> torch.Tensor:
    return ((logits.argmax(-1) == labels) * batch["example_weights"]).sum()


TASK_LOSSES: dict[str, Callable[[Run, Trunk, Tensors], Losses]] = {
    "classification": classification,
    "regression": regression,
    "multi-label": multi_label,
    "span": span,
    "span-answerability": span_answerability,
}
