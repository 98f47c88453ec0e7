"""Seconds per AdamW step of an ALBERT-base classifier in PyTorch: the other side of bench/training.ts.

usage: training_pytorch.py EXAMPLES LENGTH THREADS STEPS  ->  {"eager": seconds, "fusedAttention": seconds}
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
        places = torch.arange(ids.shape[1])
        x = self.projection(self.embedding_norm(self.words(ids) + self.types(types) + self.positions(places)))
        bias = (1 - mask)[:, None, None, :] * -10_000.0
        for _ in range(LAYERS):
            x = self.attention_norm(self.attend(x, bias) + x)
            x = self.block_norm(self.outer(F.gelu(self.inner(x), approximate="tanh")) + x)
        return self.classifier(torch.tanh(self.pooler(x[:, 0])))


def best_step(examples, length, steps, fused_attention):
    torch.manual_seed(1)
    model = Albert(fused_attention)
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
    examples, length, threads, steps = map(int, sys.argv[1:])
    torch.set_num_threads(threads)
    results = {"eager": best_step(examples, length, steps, False), "fusedAttention": best_step(examples, length, steps, True)}
    print(json.dumps(results))


main()
