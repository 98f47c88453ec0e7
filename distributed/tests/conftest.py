"""The golden runs: each a prepared run with what the TypeScript trainer made of it (scripts/goldens/distributed.ts)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
GOLDENS = sorted(path.parent for path in Path(__file__).parent.glob("goldens/*/run.json"))
assert GOLDENS, "no golden runs: make them with node --import tsx scripts/goldens/distributed.ts"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "golden" in metafunc.fixturenames:
        metafunc.parametrize("golden", GOLDENS, ids=lambda path: path.name)


@dataclass(frozen=True)
class Trained:
    """A run that was trained, and what it left."""

    directory: Path
    result: Path
    stderr: str

    def losses(self) -> list[float]:
        """Loss of every step; of a step that was taken again the later one."""
        by_step = {event["step"]: event["loss"] for event in self.events("step")}
        return [by_step[step] for step in sorted(by_step)]

    def events(self, kind: str) -> list[dict[str, Any]]:
        lines = (self.directory / "distributed.jsonl").read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["kind"] == kind]


def expected(golden: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((golden / "expected.json").read_text())
    return found


def copied(golden: Path, directory: Path) -> Path:
    """A copy of a golden run that may be trained."""
    return Path(shutil.copytree(golden, directory / golden.name, dirs_exist_ok=True))


def train(run: Path, processes: int, *arguments: str, program: tuple[str, ...] = ("-m", "albert_distributed"), restarts: int = 0) -> Trained:
    """Trains a run with that many processes, as a person would: by torchrun, or without it where there is one."""
    result = run.with_name(f"{run.name}-result-{processes}")
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", f"--max-restarts={restarts}"]
    start = torchrun if processes > 1 or restarts > 0 else []
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *start, *program, str(run), "--output", str(result), "--device", "cpu", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return Trained(run, result, done.stderr)
