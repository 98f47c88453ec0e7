"""`torchrun ... -m albert_distributed RUN --output DIR`: trains a run that albert wrote with --distributed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .run import Run
from .training import Options, Trainer
from .world import World


def main() -> int:
    parser = argparse.ArgumentParser(prog="albert_distributed", description=__doc__)
    parser.add_argument("run", type=Path, help="directory that albert pretrain or train wrote with --distributed; all machines see it")
    parser.add_argument("--output", type=Path, required=True, help="directory to make, for albert import; must not exist")
    parser.add_argument("--bf16", action="store_true", help="compute products in bfloat16")
    parser.add_argument("--workers", type=int, default=0, help="processes that make batches ahead, beside each training process (default: 0)")
    parser.add_argument("--max-steps", type=int, help="steps after which the run ends although its schedule goes on")
    parser.add_argument("--device", choices=["cpu", "cuda"], help="default: cuda where there is any")
    arguments = parser.parse_args()
    try:
        run = Run.open(arguments.run)
        world = World.join(arguments.device)
        try:
            options = Options(bf16=arguments.bf16, workers=arguments.workers, max_steps=arguments.max_steps)
            Trainer(run, world, options).train(arguments.output)
        finally:
            world.leave()
    except (ValueError, FloatingPointError) as error:
        print(f"albert_distributed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
