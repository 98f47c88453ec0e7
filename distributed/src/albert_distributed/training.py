"""The training loop: every process computes its micro-batches, gradients are added up, all take the same step."""

from __future__ import annotations

import contextlib
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

import torch
from torch.nn.parallel import DistributedDataParallel

from .checkpoints import FILES, Checkpoints, Progress, State, fresh_progress
from .data.collate import Batch, StepShare
from .data.loading import load_steps
from .data.randomness import derive_seed
from .evaluation import evaluate
from .objective import Objective, scales_of, term_weights
from .optimizer import Optimizer
from .run import Run
from .sources import open_source
from .weights import starting_weights, write_result
from .world import World

LOG = "distributed.jsonl"
"""One event a line, in the run's directory. A run that resumes repeats the steps after its checkpoint; later lines count."""


@dataclass(frozen=True)
class Options:
    bf16: bool = False
    """Whether products are computed in bfloat16; weights, sums and updates stay float32."""
    workers: int = 0
    """Processes that make batches ahead, beside each training process."""
    max_steps: int | None = None
    """Steps after which the run ends although its schedule goes on."""


class Trainer:
    """One process of a run."""

    def __init__(self, run: Run, world: World, options: Options) -> None:
        self.run, self.world, self.options = run, world, options
        self.objective = Objective(run, starting_weights(run)).to(world.device)
        self.module = self.objective if world.size == 1 else DistributedDataParallel(self.objective)
        self.optimizer = Optimizer(run.optimizer, run.parameters, self.objective)
        self.checkpoints = Checkpoints(run.directory / "checkpoints", run.checkpoints)
        self.source = open_source(run)
        self.progress = fresh_progress(run.seed)
        self._saved: int | None = None

    def train(self, output: Path) -> None:
        """Trains from the newest checkpoint, if there is one, to the end, and writes the result: of the best evaluation, where
        there is any, else of the last step.

        Raises `ValueError` for a run that cannot be done, and `FloatingPointError` where it diverges again and again.
        """
        newest = self.world.from_first(self.checkpoints.newest() if self.world.rank == 0 else None)
        if newest is not None:
            self._restore(*self.checkpoints.load(newest))
        end = min(self.run.schedule.total_steps, self.options.max_steps or self.run.schedule.total_steps)
        if self.world.from_first(output.exists()):
            if self.progress["step"] == end:
                return  # it was finished before
            raise ValueError(f"{output} exists: choose another --output, or remove it")
        self._say("started", step=self.progress["step"], processes=self.world.size, end=end)
        while self.progress["step"] < end:
            for share in self._shares(end):
                if not self._step(share):
                    self._go_back()
                    break
                step = self.progress["step"]
                if step % self.run.checkpoints.every == 0 or step == end:
                    self._evaluate()
                    self._save()
        best = self.progress.get("best", {}).get("step", self.progress["step"])
        if self.world.rank == 0:
            parameters = self._state()["parameters"] if best == self.progress["step"] else self.checkpoints.load(best)[0]["parameters"]
            write_result(self.run, parameters, output)
        self._say("finished", step=self.progress["step"], kept=best)
        self.world.wait()

    def _step(self, share: StepShare) -> bool:
        """Takes one optimizer step; False where it diverged."""
        began = time.perf_counter()
        run, progress = self.run, self.progress
        step, attempt = progress["step"], progress["attempt"]
        weights = term_weights(run.objective, [batch for _, batch in share.micro_batches])
        *totals, examples, tokens = self.world.sum([*weights, share.examples, share.tokens])
        scales = scales_of(run.objective, totals)
        seed = derive_seed(run.seed, "dropout", attempt, step)
        self.objective.zero_grad()
        sums: dict[str, float] = {}
        for place, (number, batch) in enumerate(share.micro_batches):
            with self._meeting(place == len(share.micro_batches) - 1), self.autocast():
                loss, counted = self.module(self.on_device(batch), scales, seed, number)
                (loss * self.world.size).backward()  # gradients are averaged over processes, and are to be added up
            for name, value in {"loss": loss.detach(), **counted}.items():
                sums[name] = sums.get(name, 0.0) + float(value)
        rate = run.schedule.at(step) * progress["learningRateScale"]
        norm = float(self.optimizer.step(rate, step))
        metrics = dict(zip(sums, self.world.sum(list(sums.values()))))
        if not (math.isfinite(metrics["loss"]) and math.isfinite(norm)):
            self._say("diverged", step=step, loss=str(metrics["loss"]), grad_norm=str(norm))
            return False
        progress["step"] += 1
        progress["examplesSeen"] += int(examples)
        progress["tokensSeen"] += int(tokens)
        seconds = time.perf_counter() - began
        self._say("step", step=step + 1, learning_rate=rate, grad_norm=norm, **metrics, examples=examples, tokens=tokens, seconds=seconds)
        return True

    def _meeting(self, last: bool) -> contextlib.AbstractContextManager[None]:
        """Gradients of a step meet those of the other processes with its last micro-batch."""
        if last or not isinstance(self.module, DistributedDataParallel):
            return contextlib.nullcontext()
        return self.module.no_sync()

    def _evaluate(self) -> None:
        metrics = evaluate(self)
        if metrics is None:
            return
        best = self.progress.get("best")
        improved = best is None or metrics["loss"] < best["value"]
        if improved:
            self.progress["best"] = {"metric": "loss", "value": metrics["loss"], "step": self.progress["step"]}
            self.progress["bestMetrics"] = metrics
        self.progress["evaluationsSinceBest"] = 0 if improved else self.progress["evaluationsSinceBest"] + 1
        self._say("evaluation", step=self.progress["step"], best=improved, **metrics)

    def _go_back(self) -> None:
        """Goes back to the newest checkpoint, or the start, with half the rate and fresh seeds."""
        failed = self.progress
        if failed["attempt"] >= self.run.max_restarts:
            raise FloatingPointError(f"step {failed['step']}: the loss or the gradient is not finite. Lower the learning rate or "
                                     "lengthen the warmup; the last good checkpoint is kept")
        newest = self.world.from_first(self.checkpoints.newest() if self.world.rank == 0 else None)
        if newest is None:
            zero = {name: torch.zeros_like(value) for name, value in self.optimizer.m.items()}
            state = {"parameters": starting_weights(self.run), "adam_m": zero, "adam_v": zero}
            self._restore(state, fresh_progress(self.run.seed))
        else:
            self._restore(*self.checkpoints.load(newest))
        self.progress["attempt"] = failed["attempt"] + 1
        self.progress["learningRateScale"] = failed["learningRateScale"] / 2
        self._saved = None
        self._save()

    def _shares(self, end: int) -> Iterator[StepShare]:
        """This process's shares of the steps to come."""
        steps = range(self.progress["step"], end)
        return load_steps(
            self.source, steps, self.progress["attempt"], self.world.rank, self.world.size, self.options.workers
        )

    def _state(self) -> State:
        return {"parameters": dict(self.objective.named_parameters()), "adam_m": self.optimizer.m, "adam_v": self.optimizer.v}

    @torch.no_grad()
    def _restore(self, state: State, progress: Progress) -> None:
        own = self._state()
        for name in FILES:
            for key, value in state[name].items():
                own[name][key].copy_(value)
        self.progress = progress
        self._saved = progress["step"]

    def _save(self) -> None:
        if self.world.rank == 0 and self._saved != self.progress["step"]:
            self.checkpoints.write(self._state(), self.progress)
        self._saved = self.progress["step"]

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.world.device.type, torch.bfloat16, enabled=self.options.bf16)

    def on_device(self, batch: Batch) -> dict[str, torch.Tensor]:
        tensors = {name: torch.from_numpy(data).to(self.world.device, non_blocking=True) for name, data in batch.items()}
        return {name: value if value.is_floating_point() else value.long() for name, value in tensors.items()}

    def _say(self, kind: str, **values: Any) -> None:
        if self.world.rank == 0:
            with (self.run.directory / LOG).open("a") as log:
                log.write(json.dumps({"kind": kind, **values}) + "\n")
