"""Opens the batches of a run, of whichever task."""

from __future__ import annotations

from .data.collate import StepSource
from .data.pretraining import PretrainingSource
from .run import Run


def open_source(run: Run) -> StepSource:
    if run.task == "pretraining":
        return PretrainingSource(run.data, run.directory, run.seed)
    raise ValueError(f"run.json: task: expected pretraining, found {run.task}; train this run without --distributed")
