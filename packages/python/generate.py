"""Writes src/albert/v1 from the protocol files: `python packages/python/generate.py`, with grpcio-tools 1.85.1 and mypy-protobuf 5.1.0."""

import pathlib
import subprocess
import sys

here = pathlib.Path(__file__).parent.resolve()
protos = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else here.parent.parent / "proto"
plugins = pathlib.Path(sys.executable).parent
out = here / "src"
subprocess.run(
    [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"--proto_path={protos}",
        f"--plugin=protoc-gen-mypy={plugins / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}",
        f"--python_out={out}",
        f"--grpc_python_out={out}",
        f"--mypy_out=quiet:{out}",
        f"--mypy_grpc_out=quiet:{out}",
        "albert/v1/inference.proto",
        "albert/v1/search.proto",
    ],
    check=True,
)
