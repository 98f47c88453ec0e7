"""ALBERT in PyTorch over parameters by their official names: the same arithmetic as the TypeScript trainer's."""

from __future__ import annotations

import math
from typing import Callable, Mapping

import torch
import torch.nn.functional as F

from .dropout import Dropout
from .run import Head, ModelShape

Parameters = Mapping[str, torch.Tensor]
Tensors = Mapping[str, torch.Tensor]

_MASKED = -10000.0
"""Added to the scores of keys that must not be seen; finite, as in the official code."""

_ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "gelu": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_erf": F.gelu,
    "silu": F.silu,
    "relu": F.relu,
    "tanh": torch.tanh,
    "linear": lambda x: x,
}


class Trunk:
    """One forward pass from token ids to hidden states. B rows, S tokens, H wide."""

    def __init__(self, shape: ModelShape, parameters: Parameters, dropout: Dropout) -> None:
        self.shape = shape
        self.parameters = parameters
        self.dropout = dropout

    def states(self, batch: Tensors) -> torch.Tensor:
        """The last hidden states of every token, [B, S, H]."""
        tokens, bias = self._embedded(batch), _attention_bias(batch)
        for scope in self.shape.blocks:
            tokens = self._block(scope, tokens, tokens, bias)
        return tokens

    def first_states(self, batch: Tensors) -> torch.Tensor:
        """Of the last hidden states those of first tokens, [B, H]: the last block is computed for them alone."""
        tokens, bias = self._embedded(batch), _attention_bias(batch)
        *blocks, last = self.shape.blocks
        for scope in blocks:
            tokens = self._block(scope, tokens, tokens, bias)
        return self._block(last, tokens[:, :1], tokens, bias)[:, 0]

    def pool(self, first: torch.Tensor) -> torch.Tensor:
        return activate(self.dense(first, "bert/pooler/dense"), self.shape.pooler_act)

    def dense(self, x: torch.Tensor, scope: str) -> torch.Tensor:
        return x @ self.parameters[f"{scope}/kernel"] + self.parameters[f"{scope}/bias"]

    def norm(self, x: torch.Tensor, scope: str) -> torch.Tensor:
        gamma, beta = self.parameters[f"{scope}/gamma"], self.parameters[f"{scope}/beta"]
        return F.layer_norm(x, gamma.shape, gamma, beta, self.shape.layer_norm_eps)

    def _embedded(self, batch: Tensors) -> torch.Tensor:
        scope = "bert/embeddings"
        ids = batch["input_ids"]
        x = F.embedding(ids, self.parameters[f"{scope}/word_embeddings"])
        if self.shape.token_types:
            x = x + F.embedding(batch["segment_ids"], self.parameters[f"{scope}/token_type_embeddings"])
        positions = self.parameters[f"{scope}/position_embeddings"]
        x = x + (F.embedding(batch["position_ids"], positions) if "position_ids" in batch else positions[: ids.shape[1]])
        x = self.dropout(self.norm(x, f"{scope}/LayerNorm"), self.shape.hidden_dropout)
        return self.dense(x, "bert/encoder/embedding_hidden_mapping_in") if self.shape.embedding_projection else x

    def _block(self, scope: str, queries: torch.Tensor, tokens: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """One transformer block: the next states of the queries, [B, Q, H]."""
        attended = self.dense(self._attention(f"{scope}/attention_1/self", queries, tokens, bias), f"{scope}/attention_1/output/dense")
        y = self.norm(self.dropout(attended, self.shape.hidden_dropout) + queries, f"{scope}/LayerNorm")
        inner = activate(self.dense(y, f"{scope}/ffn_1/intermediate/dense"), self.shape.hidden_act)
        outer = self.dense(inner, f"{scope}/ffn_1/intermediate/output/dense")
        return self.norm(self.dropout(outer, self.shape.hidden_dropout) + y, f"{scope}/LayerNorm_1")

    def _attention(self, scope: str, queries: torch.Tensor, tokens: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        heads, width = self.shape.attention_heads, queries.shape[-1] // self.shape.attention_heads

        def split(x: torch.Tensor, part: str) -> torch.Tensor:
            return self.dense(x, f"{scope}/{part}").view(len(x), -1, heads, width).transpose(1, 2)

        query, key, value = split(queries, "query"), split(tokens, "key"), split(tokens, "value")
        if self.shape.attention_dropout == 0:
            context = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        else:
            scores = query @ key.transpose(-1, -2) * (1 / math.sqrt(width)) + bias
            context = self.dropout(scores.softmax(-1), self.shape.attention_dropout) @ value
        return context.transpose(1, 2).reshape(queries.shape)


def activate(x: torch.Tensor, name: str) -> torch.Tensor:
    return _ACTIVATIONS[name](x)


def classify(x: torch.Tensor, parameters: Parameters, scope: str) -> torch.Tensor:
    """One linear layer whose weights are laid out [out, in]."""
    return x @ parameters[f"{scope}output_weights"].T + parameters[f"{scope}output_bias"]


def masked_lm_logits(trunk: Trunk, head: Head, states: torch.Tensor) -> torch.Tensor:
    """Vocabulary logits [n, V] of hidden states [n, H]; a tied output matrix is the word embedding table."""
    scope = f"{head.scope}cls/predictions"
    x = activate(trunk.dense(states, f"{scope}/transform/dense"), trunk.shape.hidden_act)
    x = trunk.norm(x, f"{scope}/transform/LayerNorm")
    words = trunk.parameters[f"{scope}/output_weights" if head.untied else "bert/embeddings/word_embeddings"]
    return x @ words.T + trunk.parameters[f"{scope}/output_bias"]


def gather_tokens(states: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Hidden states at chosen positions of each row: [B, S, H] and [B, M] to [B * M, H]."""
    index = positions.unsqueeze(-1).expand(-1, -1, states.shape[-1])
    return states.gather(1, index).flatten(0, 1)


def _attention_bias(batch: Tensors) -> torch.Tensor:
    """0 for visible keys, -10000 for padding and, in packed rows, for other blocks: [B, 1, 1, S] or [B, 1, S, S]."""
    visible: torch.Tensor = batch["input_mask"][:, None, None, :]
    if "attention_blocks" in batch:
        blocks = batch["attention_blocks"]
        visible = (blocks[:, None, :, None] == blocks[:, None, None, :]).float() * visible
    bias: torch.Tensor = (1 - visible) * _MASKED
    return bias
