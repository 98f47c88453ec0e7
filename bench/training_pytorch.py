"""Seconds per AdamW step of an ALBERT-base classifier in PyTorch: the other side of bench/training.ts.

usage: training_pytorch.py THREADS STEPS MODEL:EXAMPLESxLENGTH...  ->  [seconds, ...], null where the model is not installed

MODEL is lean (a plain module that does no more than it must), lean-fused (the same with fused attention) or transformers
(AlbertForSequenceClassification with eager attention).
"""

import json
import sys
import time

import torch
import torch.nn.functional as F

V, E, H, HEADS, LAYERS, FEED_FORWARD, POSITIONS = 30_000, 128, 768, 12, 12, 3072, 512


class Albert(torch.nn.Module):
    def __init__(self, fused_attention):
        super().__init__()
        self.fused_attention = fused_attention
        self.words = torch.nn.Embedding(V, E)
        self.types = torch.nn.Embedding(2, E)
        self.positions = torch.nn.Embedding(POSITIONS, E)
        self.embedding_norm = torch.nn.LayerNorm(E, eps=1e-12)
        self.projection = torch.nn.Linear(E, H)
        self.query, self.key, self.value, self.output = (torch.nn.Linear(H, H) for _ in range(4))
        self.attention_norm = torch.nn.LayerNorm(H, eps=1e-12)
        self.inner = torch.nn.Linear(H, FEED_FORWARD)
        self.outer = torch.nn.Linear(FEED_FORWARD, H)
        self.block_norm = torch.nn.LayerNorm(H, eps=1e-12)
        self.pooler = torch.nn.Linear(H, H)
        self.classifier = torch.nn.Linear(H, 2)

    def attend(self, x, bias):
        rows, length, _ = x.shape
        q, k, v = (part(x).view(rows, length, HEADS, H // HEADS).transpose(1, 2) for part in (self.query, self.key, self.value))
        if self.fused_attention:
            context = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        else:
            scores = q @ k.transpose(-1, -2) / (H // HEADS) ** 0.5 + bias
            context = scores.softmax(-1) @ v
        return self.output(context.transpose(1, 2).reshape(rows, length, H))

    def forward(self, ids, types, mask):
        places = torch.arange(ids.shape[1], device=ids.device)
        x = self.projection(self.embedding_norm(self.words(ids) + self.types(types) + self.positions(places)))
        bias = (1 - mask)[:, None, None, :] * -10_000.0
        for _ in range(LAYERS):
            x = self.attention_norm(self.attend(x, bias) + x)
            x = self.block_norm(self.outer(F.gelu(self.inner(x), approximate="tanh")) + x)
        return self.classifier(torch.tanh(self.pooler(x[:, 0])))


def transformers_albert():
    """The model of transformers as a function of (ids, types, mask), or None where that package is absent."""
    try:
        from transformers import AlbertConfig, AlbertForSequenceClassification
    except ImportError:
        return None
    config = AlbertConfig(
        vocab_size=V,
        embedding_size=E,
        hidden_size=H,
        num_attention_heads=HEADS,
        num_hidden_layers=LAYERS,
        intermediate_size=FEED_FORWARD,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        classifier_dropout_prob=0.0,
        attn_implementation="eager",
    )

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = AlbertForSequenceClassification(config)

        def forward(self, ids, types, mask):
            return self.model(input_ids=ids, token_type_ids=types, attention_mask=mask).logits

    return Logits()


MODELS = {"lean": lambda: Albert(False), "lean-fused": lambda: Albert(True), "transformers": transformers_albert}


def best_step(name, examples, length, steps):
    torch.manual_seed(1)
    model = MODELS[name]()
    if model is None:
        return None
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.01)
    ids = torch.arange(examples * length).view(examples, length) * 7919 % V
    types = ids % 2
    mask = torch.ones(examples, length)
    labels = torch.arange(examples) % 2
    best = float("inf")
    for step in range(steps + 1):
        started = time.perf_counter()
        loss = F.cross_entropy(model(ids, types, mask), labels)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step > 0:
            best = min(best, time.perf_counter() - started)
    return best


def main():
    threads, steps = map(int, sys.argv[1:3])
    torch.set_num_threads(threads)
    results = []
    for case in sys.argv[3:]:
        name, shape = case.split(":")
        results.append(best_step(name, *map(int, shape.split("x")), steps))
    print(json.dumps(results))


if __name__ == "__main__":
    main()
