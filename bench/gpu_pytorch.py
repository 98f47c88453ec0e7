"""ALBERT-base in PyTorch on a CUDA card: the other side of scripts/gpu-check.

Prints one JSON object: milliseconds of forward passes in float32 and float16 over the shapes that the check serves, and seconds of training
steps; or {"absent": why} where there is no PyTorch or no card for it.
"""

import json
import sys
import time

ROUNDS = 8
SHAPES = {"1x128": (1, 128), "8x128": (8, 128), "32x128": (32, 128), "padded": (64, 128)}
TRAINING = {"8x128": (8, 128), "32x128": (32, 128)}


def main():
    try:
        import torch
    except ImportError:
        return {"absent": "it has no PyTorch"}
    if not torch.cuda.is_available():
        return {"absent": f"PyTorch {torch.__version__} sees no CUDA card"}
    import torch.nn.functional as F
    from training_pytorch import V, Albert

    def inputs(rows, length):
        ids = torch.arange(rows * length, device="cuda").view(rows, length) * 7919 % V
        return ids, ids % 2, torch.ones(rows, length, device="cuda")

    def best(run):
        times = []
        for _ in range(ROUNDS + 1):
            torch.cuda.synchronize()
            started = time.perf_counter()
            run()
            torch.cuda.synchronize()
            times.append(time.perf_counter() - started)
        return min(times[1:])

    def serving(dtype):
        model = Albert(fused_attention=True).cuda().to(dtype).eval()
        with torch.inference_mode():
            batches = {name: inputs(*shape) for name, shape in SHAPES.items()}
            return {
                name: best(lambda: model(ids, types, mask.to(dtype))) * 1000
                for name, (ids, types, mask) in batches.items()
            }

    def training(rows, length):
        model = Albert(fused_attention=True).cuda().train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.01)
        ids, types, mask = inputs(rows, length)
        labels = torch.arange(rows, device="cuda") % 2

        def step():
            loss = F.cross_entropy(model(ids, types, mask), labels)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

        return best(step)

    return {
        "torch": torch.__version__,
        "tf32": torch.backends.cuda.matmul.allow_tf32,
        "bestMs": {"fp32": serving(torch.float32), "fp16": serving(torch.float16)},
        "trainingSecondsPerStep": {name: training(*shape) for name, shape in TRAINING.items()},
        "peakMemoryBytes": torch.cuda.max_memory_allocated(),
    }


if __name__ == "__main__":
    json.dump(main(), sys.stdout)
    print()
