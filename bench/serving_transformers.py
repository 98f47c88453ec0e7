"""A model directory in Hugging Face's transformers, for bench/transformers.ts: answers each line of lengths on standard input, a JSON list,
with the milliseconds of one forward pass over random ids of these lengths, padded to the longest.

usage: serving_transformers.py THREADS DIRECTORY
"""

import json
import sys
import time

import torch
import transformers

threads, directory = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(threads)
config = transformers.AutoConfig.from_pretrained(directory)
architecture = getattr(transformers, config.architectures[0])
model = architecture.from_pretrained(directory, dtype=torch.float32).eval()
generator = torch.Generator().manual_seed(1)
print('"ready"', flush=True)
for line in sys.stdin:
    lengths = json.loads(line)
    longest = max(lengths)
    ids = torch.randint(5, config.vocab_size, (len(lengths), longest), generator=generator)
    mask = torch.tensor([[1] * length + [0] * (longest - length) for length in lengths])
    started = time.perf_counter()
    with torch.inference_mode():
        model(input_ids=ids, attention_mask=mask)
    print((time.perf_counter() - started) * 1_000, flush=True)
