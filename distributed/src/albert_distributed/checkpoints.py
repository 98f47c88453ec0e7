"""The checkpoints of a run, in the TypeScript trainer's own format: either trainer continues the other's."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from .run import Checkpointing

FILES = ("parameters", "adam_m", "adam_v")

Progress = dict[str, Any]
"""The progress of a run by the names of the TypeScript trainer's `TrainingProgress`."""

State = dict[str, dict[str, torch.Tensor]]
"""Of each of `FILES` the tensors by parameter name."""


def fresh_progress(seed: int) -> Progress:
    return {
        "step": 0,
        "seed": seed,
        "attempt": 0,
        "learningRateScale": 1,
        "examplesSeen": 0,
        "tokensSeen": 0,
        "evaluationsSinceBest": 0,
        "watched": {"steps": 0, "examples": 0, "lossSum": 0, "predicted": []},
    }


@dataclass(frozen=True)
class Checkpoints:
    """A directory of checkpoints `step-<n>`. A directory under its final name is complete. One process writes."""

    directory: Path
    settings: Checkpointing

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, ascending."""
        names = [path.name for path in self.directory.glob("step-*")] if self.directory.is_dir() else []
        return sorted(int(name[5:]) for name in names)

    def newest(self) -> int | None:
        """The newest step whose checkpoint is whole; None where there is none at all.

        Raises `ValueError` when the newest belongs to another run, or none of them is whole.
        """
        steps = self.steps()
        for step in reversed(steps):
            manifest = self._manifest(step)
            if manifest is None:
                continue
            changed = sorted(key for key, value in self.settings.digests.items() if manifest["digests"].get(key) != value)
            if changed:
                raise ValueError(f"{self._path(step)}: belongs to another run: {', '.join(changed)} changed. Resume with what the "
                                 "run began with, or make the run in another directory")
            return step
        if steps:
            raise ValueError(f"{self.directory}: none of the {len(steps)} checkpoints is whole; remove them to begin anew")
        return None

    def load(self, step: int) -> tuple[State, Progress]:
        manifest = self._manifest(step)
        if manifest is None:
            raise ValueError(f"{self._path(step)}: the checkpoint is damaged")
        return {name: load_file(self._path(step) / f"{name}.safetensors") for name in FILES}, manifest["progress"]

    def write(self, state: State, progress: Progress) -> None:
        """Writes a checkpoint durably, then removes those that are not kept: all but the newest and the best."""
        final = self._path(progress["step"])
        temporary = self.directory / f".writing-{progress['step']}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        files = {}
        for name in FILES:
            path = temporary / f"{name}.safetensors"
            save_file({key: value.detach().cpu().contiguous() for key, value in state[name].items()}, path)
            files[path.name] = {"sha256": _sha256(path), "bytes": path.stat().st_size}
        manifest = {
            "formatVersion": 1,
            "progress": progress,
            "digests": self.settings.digests,
            "fingerprint": {"executor": "torch", "device": "distributed", "threads": "default", "torch": torch.__version__},
            "files": files,
        }
        (temporary / "manifest.json").write_text(json.dumps(manifest))
        for path in [*temporary.iterdir(), temporary]:
            _sync(path)
        shutil.rmtree(final, ignore_errors=True)
        os.replace(temporary, final)
        _sync(self.directory)
        best = progress.get("best", {}).get("step")
        for step in self.steps()[: -self.settings.keep_last]:
            if step != best and not (self._path(step) / "pinned").exists():
                self._discard(step)

    def discard_after(self, step: int) -> None:
        """Removes every checkpoint newer than this step, newest first: a run goes back."""
        for newer in reversed([each for each in self.steps() if each > step]):
            self._discard(newer)

    def _discard(self, step: int) -> None:
        """Renames first, so that a kill while deleting never leaves half a checkpoint under a final name."""
        discarded = self.directory / f".discarded-{step}"
        os.replace(self._path(step), discarded)
        shutil.rmtree(discarded)

    def _manifest(self, step: int) -> dict[str, Any] | None:
        """The manifest of a checkpoint whose files are all as it says; else None."""
        path = self._path(step)
        try:
            manifest: dict[str, Any] = json.loads((path / "manifest.json").read_bytes())
            whole = all(_sha256(path / name) == file["sha256"] for name, file in manifest["files"].items())
            return manifest if whole and manifest["progress"]["step"] == step else None
        except (OSError, ValueError, KeyError):
            return None

    def _path(self, step: int) -> Path:
        return self.directory / f"step-{step:09d}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
