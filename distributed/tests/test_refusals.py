"""What cannot be trained is refused, with what to do; what is damaged or diverges is gone back from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import pytest
import torch
from conftest import GOLDENS, copied

from albert_distributed.checkpoints import fresh_progress
from albert_distributed.run import Run
from albert_distributed.training import Options, Trainer
from albert_distributed.world import World

ALONE = World(0, 1, torch.device("cpu"))
LAMB = next(path for path in GOLDENS if path.name == "lamb")


def _changed(run: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    content = json.loads((run / "run.json").read_text())
    change(content)
    (run / "run.json").write_text(json.dumps(content))
    return run


def _trainer(run: Path, **options: Any) -> Trainer:
    return Trainer(Run.open(run), ALONE, Options(**options))


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no run here.*albert pretrain or albert train"):
        Run.open(tmp_path)
    run = copied(LAMB, tmp_path)
    with pytest.raises(ValueError, match="'rate' is missing; make the run again"):
        Run.open(_changed(run, lambda content: content["parameters"][0].pop("rate")))
    with pytest.raises(ValueError, match="version 1, found albert-distributed-run 2; make the run again"):
        Run.open(_changed(run, lambda content: content.update(format_version=2)))


def test_damaged_text_is_refused(tmp_path: Path) -> None:
    run = copied(LAMB, tmp_path)
    (tokens,) = run.glob("text/*/tokens-00000.bin")
    tokens.write_bytes(tokens.read_bytes()[:-4])
    with pytest.raises(ValueError, match=r"tokens-00000.bin: expected \d+ bytes, found \d+; make the run again"):
        _trainer(run)


def test_checkpoints_of_another_run_are_refused(tmp_path: Path) -> None:
    run = copied(LAMB, tmp_path)
    _trainer(run, max_steps=10).train(tmp_path / "result")
    _changed(run, lambda content: content["checkpoints"]["digests"].update(text="another"))
    with pytest.raises(ValueError, match="belongs to another run: text changed"):
        _trainer(run).train(tmp_path / "again")


def test_a_result_is_never_replaced_and_a_finished_run_stays_so(tmp_path: Path) -> None:
    run = copied(LAMB, tmp_path)
    _trainer(run, max_steps=10).train(tmp_path / "result")
    made = (tmp_path / "result" / "model.safetensors").stat().st_mtime_ns
    _trainer(run, max_steps=10).train(tmp_path / "result")
    assert (tmp_path / "result" / "model.safetensors").stat().st_mtime_ns == made
    with pytest.raises(ValueError, match="result exists: choose another --output, or remove it"):
        _trainer(run, max_steps=20).train(tmp_path / "result")


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    run = copied(LAMB, tmp_path)
    trainer = _trainer(run, max_steps=20)
    trainer.train(tmp_path / "result")
    newest = run / "checkpoints" / "step-000000020" / "adam_v.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1])
    assert trainer.checkpoints.newest() == 10
    assert trainer.checkpoints.load(10)[1]["step"] == 10


def test_a_run_that_diverges_goes_back_and_then_gives_up(tmp_path: Path) -> None:
    def wild(content: dict[str, Any]) -> None:
        content["optimizer"] = {**content["optimizer"], "kind": "adamw-official", "clip_norm": 0}
        content["schedule"] = {**content["schedule"], "learning_rate": 1e38, "warmup_steps": 0}

    trainer = _trainer(_changed(copied(LAMB, tmp_path), wild))
    with pytest.raises(FloatingPointError, match="not finite. Lower the learning rate"):
        trainer.train(tmp_path / "result")
    assert trainer.progress["attempt"] == 1
    assert trainer.progress["learningRateScale"] == 0.5
    assert trainer.checkpoints.load(0)[1] == {**fresh_progress(12345), "attempt": 1, "learningRateScale": 0.5}
