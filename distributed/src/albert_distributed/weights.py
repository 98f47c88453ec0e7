"""Reads the starting weights of a run, and writes its result as a directory that `albert import` and transformers open."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Mapping

import torch
from safetensors.torch import load_file, save_file

from .run import Run


def starting_weights(run: Run) -> dict[str, torch.Tensor]:
    """The weights that a run begins with, by official name; kernels lie `[in, out]`."""
    path = run.directory / "start" / "model.safetensors"
    tensors = load_file(path)
    missing = [rule.tensor for rule in run.parameters if rule.tensor not in tensors]
    if missing:
        raise ValueError(f"{path}: expected the tensor {missing[0]}, found none; make the run again with --distributed")
    return {
        rule.name: (tensors[rule.tensor].T if rule.transposed else tensors[rule.tensor]).contiguous().float()
        for rule in run.parameters
    }


def write_result(run: Run, parameters: Mapping[str, torch.Tensor], output: Path) -> None:
    """Writes what the run began with, with these weights. The directory appears complete or not at all."""
    source = run.directory / "start"
    temporary = output.with_name(f".{output.name}.writing")
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(source, temporary)
    tensors = load_file(source / "model.safetensors")
    for rule in run.parameters:
        value = parameters[rule.name].detach().float().cpu()
        tensors[rule.tensor] = (value.T if rule.transposed else value).contiguous()
    save_file(tensors, temporary / "model.safetensors", metadata={"format": "pt"})
    os.replace(temporary, output)
