"""A model directory in whatever other runtimes this Python has, for bench/peers.ts.

usage: serving_peers.py THREADS DIRECTORY

Prints one line of JSON first: {"ready": [name, ...], "absent": {name: reason}}. Then each line on standard input, {"peer": name, "lengths": [n, ...]},
is answered with {"ms": milliseconds} of one forward pass over random ids of these lengths, padded to the longest, or with {"error": text}.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

threads, directory = int(sys.argv[1]), sys.argv[2]
# Libraries print to standard output when they are loaded or convert something; only answers may stand there.
answers = sys.stdout
sys.stdout = sys.stderr
Run = Callable[[dict], object]


def pytorch(dtype: str) -> Run:
    import torch

    torch.set_num_threads(threads)
    model = trunk().to(getattr(torch, dtype))

    def run(feeds: dict) -> object:
        with torch.inference_mode():
            return model(**{name: torch.from_numpy(values) for name, values in feeds.items()})

    return run


def trunk():
    import transformers

    config = transformers.AutoConfig.from_pretrained(directory)
    config._attn_implementation = "eager"  # which every exporter can trace
    architecture = getattr(transformers, config.architectures[0])
    return architecture.from_pretrained(directory, config=config).eval()


def vocabulary() -> int:
    return json.loads(Path(directory, "config.json").read_text())["vocab_size"]


def exported() -> Path:
    """The padded ONNX export that everyone makes, once."""
    import torch

    path = Path(scratch, "model.onnx")
    if not path.exists():
        example = {name: torch.from_numpy(values) for name, values in feeds_of([8, 5]).items()}
        axes = {name: {0: "batch", 1: "length"} for name in example}
        model = trunk()
        model.config.return_dict = False
        torch.onnx.export(
            model, (example,), str(path), input_names=list(example), dynamic_axes=axes, opset_version=17, dynamo=False
        )
    return path


def onnx(rounded: bool) -> Run:
    import onnxruntime

    path = exported()
    if rounded:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        path, source = Path(scratch, "int8.onnx"), path
        quantize_dynamic(str(source), str(path), weight_type=QuantType.QInt8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = {each.name for each in session.get_inputs()}
    return lambda feeds: session.run(None, {name: values for name, values in feeds.items() if name in names})


def openvino(precision: str) -> Run:
    import openvino as ov

    core = ov.Core()
    model = core.read_model(exported())
    if precision == "int8":
        import nncf

        samples = nncf.Dataset([feeds_of([length] * 4) for length in (16, 64, 128)])
        model = nncf.quantize(model, samples, model_type=nncf.ModelType.TRANSFORMER)
    hint = "bf16" if precision == "bf16" else "f32"
    settings = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    compiled = core.compile_model(model, "CPU", settings)
    names = {each.get_any_name() for each in compiled.inputs}
    request = compiled.create_infer_request()
    return lambda feeds: request.infer({name: values for name, values in feeds.items() if name in names})


def feeds_of(lengths: list[int]) -> dict:
    import numpy

    longest = max(lengths)
    shape = (len(lengths), longest)
    ids = numpy.random.default_rng(1).integers(5, vocabulary(), shape, dtype=numpy.int64)
    mask = (numpy.arange(longest)[None, :] < numpy.array(lengths)[:, None]).astype(numpy.int64)
    return {"input_ids": ids, "attention_mask": mask}


PEERS: dict[str, Callable[[], Run]] = {
    "transformers fp32": lambda: pytorch("float32"),
    "transformers bf16": lambda: pytorch("bfloat16"),
    "ONNX export fp32": lambda: onnx(rounded=False),
    "ONNX export int8": lambda: onnx(rounded=True),
    "OpenVINO export fp32": lambda: openvino("fp32"),
    "OpenVINO export bf16": lambda: openvino("bf16"),
    "OpenVINO export int8": lambda: openvino("int8"),
}


def say(message: dict) -> None:
    print(json.dumps(message), file=answers, flush=True)


def reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]


with tempfile.TemporaryDirectory() as scratch:
    ready: dict[str, Run] = {}
    absent: dict[str, str] = {}
    for peer, make in PEERS.items():
        try:
            run = make()
            run(feeds_of([8, 5]))
            ready[peer] = run
        except Exception as error:  # whatever a library lacks, the others are measured
            absent[peer] = reason(error)
    say({"ready": list(ready), "absent": absent})
    for line in sys.stdin:
        wanted = json.loads(line)
        try:
            feeds = feeds_of(wanted["lengths"])
            started = time.perf_counter()
            ready[wanted["peer"]](feeds)
            say({"ms": (time.perf_counter() - started) * 1_000})
        except Exception as error:
            say({"error": reason(error)})
