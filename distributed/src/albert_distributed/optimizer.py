"""AdamW and LAMB by Google's rules, and clipping by the global norm."""

from __future__ import annotations

from typing import Iterable

import torch
from torch import nn

from .run import OptimizerSettings, ParameterRule

_SMALLEST_NORMAL = 1.1754944e-38


class Optimizer:
    """Updates every parameter that has a gradient.

    AdamW: w -= lr * (m / (sqrt(v) + epsilon) + decay * w). LAMB scales the bracket u by |w| / |u|, the norms of the whole variable.
    LayerNorm parameters and biases know neither decay nor that ratio. Neither rule corrects the moments' bias, as in the official
    code; `adamw-corrected` does.
    """

    def __init__(self, settings: OptimizerSettings, rules: Iterable[ParameterRule], module: nn.Module) -> None:
        parameters = dict(module.named_parameters())
        self._settings = settings
        self._trained = [(rule, parameters[rule.name]) for rule in rules if parameters[rule.name].requires_grad]
        self.m = {rule.name: torch.zeros_like(parameter) for rule, parameter in self._trained}
        self.v = {rule.name: torch.zeros_like(parameter) for rule, parameter in self._trained}

    @torch.no_grad()
    def step(self, learning_rate: float, updates: int) -> torch.Tensor:
        """One update; `updates` counts those before it. Returns the norm of the gradient before clipping."""
        s = self._settings
        gradients = [(rule, parameter, parameter.grad) for rule, parameter in self._trained if parameter.grad is not None]
        norm = torch.stack([gradient.square().sum() for _, _, gradient in gradients]).sum().sqrt()
        scale = s.clip_norm / norm.clamp(min=s.clip_norm) if s.clip_norm != 0 else torch.ones_like(norm)
        correction1, correction2 = 1 / (1 - s.beta1 ** (updates + 1)), 1 / (1 - s.beta2 ** (updates + 1))
        for rule, parameter, gradient in gradients:
            clipped = gradient * scale
            m = self.m[rule.name].mul_(s.beta1).add_(clipped, alpha=1 - s.beta1)
            v = self.v[rule.name].mul_(s.beta2).addcmul_(clipped, clipped, value=1 - s.beta2)
            if s.kind == "adamw-corrected":
                m, v = m * correction1, v * correction2
            direction = m / (v.sqrt() + s.epsilon)
            if rule.decayed and s.weight_decay != 0:
                direction = direction + parameter * s.weight_decay
            if s.kind == "lamb" and rule.decayed:
                direction = direction * _trust_ratio(parameter, direction)
            parameter.sub_(direction, alpha=learning_rate * rule.rate)
        return norm


def _trust_ratio(parameter: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    """|parameter| / |direction|, or 1 where either is zero."""
    size, step = parameter.norm(), direction.norm()
    ratio = size / step.clamp(min=_SMALLEST_NORMAL)
    return torch.where(torch.minimum(size, step) > 0, ratio, torch.ones_like(ratio))
