"""A prepared run: `run.json` and the starting weights that `albert pretrain --distributed` and `albert train --distributed` write."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from .forms import read_form
from .schedule import Schedule

T = TypeVar("T")


@dataclass(frozen=True)
class ModelShape:
    """What of an architecture the sizes of its parameters do not say."""

    blocks: list[str]
    """Scopes of the transformer blocks in the order in which they are applied; those that share weights share scopes."""
    attention_heads: int
    hidden_act: str
    pooler_act: str
    layer_norm_eps: float
    embedding_projection: bool
    token_types: bool
    hidden_dropout: float
    attention_dropout: float
    head_dropout: float


@dataclass(frozen=True)
class Head:
    kind: str
    scope: str
    """What the names of its parameters begin with: nothing, or `heads/<scope>/`."""
    untied: bool
    """Of a masked-lm head: whether it has an output matrix of its own."""


@dataclass(frozen=True)
class ParameterRule:
    """A parameter: where it lies in `start/model.safetensors`, and how the optimizer treats it."""

    name: str
    tensor: str
    transposed: bool
    decayed: bool
    """Whether it knows weight decay and LAMB's layer adaptation."""
    rate: float
    """Its share of the learning rate."""
    trained: bool


@dataclass(frozen=True)
class OptimizerSettings:
    kind: str
    beta1: float
    beta2: float
    epsilon: float
    weight_decay: float
    clip_norm: float


@dataclass(frozen=True)
class Checkpointing:
    every: int
    keep_last: int
    digests: dict[str, str]
    """What a checkpoint must agree with to be continued."""


@dataclass(frozen=True)
class Run:
    directory: Path
    task: str
    objective: str
    model: ModelShape
    heads: list[Head]
    parameters: list[ParameterRule]
    optimizer: OptimizerSettings
    schedule: Schedule
    seed: int
    max_restarts: int
    checkpoints: Checkpointing
    data: dict[str, Any]

    @classmethod
    def open(cls, directory: Path) -> Run:
        """Raises `ValueError` saying what is wrong with `run.json`, and what to do."""
        path = directory / "run.json"
        advice = f"Make one with albert pretrain or albert train, --distributed and --output {directory}"
        json_run = read_form(path, "albert-distributed-run", "format_version", "run", advice)
        try:
            return cls(
                directory=directory,
                task=json_run["task"],
                objective=json_run["objective"],
                model=_record(ModelShape, json_run["model"]),
                heads=[_record(Head, head) for head in json_run["heads"]],
                parameters=[_record(ParameterRule, rule) for rule in json_run["parameters"]],
                optimizer=_record(OptimizerSettings, json_run["optimizer"]),
                schedule=_record(Schedule, json_run["schedule"]),
                seed=json_run["seed"],
                max_restarts=json_run["max_restarts"],
                checkpoints=_record(Checkpointing, json_run["checkpoints"]),
                data=json_run["data"],
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path}: {error} is missing; make the run again with this release of albert") from error


def _record(kind: type[T], values: dict[str, Any]) -> T:
    return kind(**{field.name: values[field.name] for field in fields(kind)})  # type: ignore[arg-type]
