"""Opens the batches of a run, of whichever task."""

from __future__ import annotations

from .data.collate import StepSource
from .data.fine_tuning import FineTuningSource
from .data.pretraining import PretrainingSource
from .run import Run


def open_source(run: Run) -> StepSource:
    match run.task:
        case "pretraining":
            return PretrainingSource(run.data, run.directory, run.seed)
        case "fine-tuning":
            return FineTuningSource(run.data, run.directory, run.seed)
        case other:
            raise ValueError(f"run.json: task: expected pretraining or fine-tuning, found {other}; train this run without --distributed")
