"""Asks a running server by Triton's Python client, over gRPC and over HTTP, and compares both.

    pip install 'tritonclient[grpc,http]'
    python test/e2e/tritonclient_check.py 127.0.0.1:50051 127.0.0.1:8080

Expects the bundled models: sentiment, question-answering, multiple-choice. Ends with status 1 at the first thing that is wrong.
"""

import queue
import sys

import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from tritonclient.utils import InferenceServerException

GRPC_ADDRESS, HTTP_ADDRESS = sys.argv[1:3]
FILMS = ["A gripping, honest film.", "Dull and far too long."]
CONTEXT = "The tower was built by the company of Gustave Eiffel from 1887 to 1889. Füße: 330 m 🗼."


def tensor(module, name, texts):
    array = np.array([text.encode() for text in np.ravel(texts)], dtype=object).reshape(np.shape(texts))
    given = module.InferInput(name, list(array.shape), "BYTES")
    given.set_data_from_numpy(array)
    return given


def texts_of(array):
    return [element.decode() for element in array.ravel()]


def check(what, condition):
    print(("ok    " if condition else "WRONG ") + what)
    if not condition:
        sys.exit(1)


def ask(module, client):
    """Every kind of request that the bundled models answer; what comes back, by name."""
    answers = {}
    check("live, ready, models ready", client.is_server_live() and client.is_server_ready())
    for model in ("sentiment", "question-answering", "multiple-choice"):
        check(f"{model} is ready", client.is_model_ready(model))
    check("a model that does not exist is not ready", not client.is_model_ready("nobody"))

    reply = client.infer("sentiment", [tensor(module, "text", FILMS)], request_id="films")
    answers["labels"] = texts_of(reply.as_numpy("labels"))
    answers["probabilities"] = reply.as_numpy("probabilities")
    check("sentiment: two rows of two labels", answers["probabilities"].shape == (2, 2))
    check("sentiment: probabilities add up to 1", np.allclose(answers["probabilities"].sum(axis=1), 1, atol=1e-6))

    wanted = [module.InferRequestedOutput("labels")]
    column = tensor(module, "text", [[film] for film in FILMS])
    reply = client.infer("sentiment", [column], outputs=wanted, parameters={"top_k": 1})
    check("sentiment: the best label alone, of a column", reply.as_numpy("labels").shape == (2, 1))

    question = [tensor(module, "question", ["Who built the tower?"]), tensor(module, "context", [CONTEXT])]
    reply = client.infer("question-answering", question, parameters={"top_k": 3, "offset_unit": "code-point"})
    answers["answers"] = texts_of(reply.as_numpy("answers"))
    starts, ends = reply.as_numpy("start_offsets")[0], reply.as_numpy("end_offsets")[0]
    cut = [CONTEXT[start:end] for start, end in zip(starts, ends)]
    check(f"question-answering: offsets cut out {cut}", cut == answers["answers"])

    choices = [["a tower", "a river", "a word", "a year"]]
    given = [tensor(module, "question", ["What did he build?"]), tensor(module, "context", [CONTEXT])]
    reply = client.infer("multiple-choice", [*given, tensor(module, "choices", choices)])
    answers["choices"] = reply.as_numpy("probabilities")
    check("multiple-choice: a probability for each choice", answers["choices"].shape == (1, 4))
    check("multiple-choice: the best is the most probable", reply.as_numpy("index")[0] == answers["choices"].argmax())

    reply = client.infer("sentiment", [tensor(module, "text", FILMS)], parameters={"task": "encode", "normalize": True})
    answers["embeddings"] = reply.as_numpy("embeddings")
    check("embeddings: of length 1", np.allclose(np.linalg.norm(answers["embeddings"], axis=1), 1, atol=1e-5))

    for what, model, inputs in (
        ("an unknown model", "nobody", [tensor(module, "text", FILMS)]),
        ("an unknown input", "sentiment", [tensor(module, "words", FILMS)]),
        ("an empty text", "sentiment", [tensor(module, "text", [""])]),
    ):
        try:
            client.infer(model, inputs)
            check(f"{what} is refused", False)
        except InferenceServerException as error:
            check(f"{what} is refused: {error.message()[:90]}", error.status() is not None)
    return answers


def stream(client):
    """Requests as one stream: answers in their order."""
    replies = queue.Queue()
    client.start_stream(callback=lambda result, error: replies.put((result, error)))
    films = [f"film number {i}" for i in range(50)]
    for i, film in enumerate(films):
        client.async_stream_infer("sentiment", [tensor(over_grpc, "text", [film])], request_id=str(i))
    got = [replies.get(timeout=30) for _ in films]
    client.stop_stream()
    check("50 requests on one stream, none failed", all(error is None for _, error in got))
    check("... in their order", [result.get_response().id for result, _ in got] == [str(i) for i in range(50)])


grpc_client = over_grpc.InferenceServerClient(GRPC_ADDRESS)
http_client = over_http.InferenceServerClient(HTTP_ADDRESS)
print("gRPC")
by_grpc = ask(over_grpc, grpc_client)
metadata = grpc_client.get_model_metadata("question-answering")
check("metadata names the inputs", [i.name for i in metadata.inputs] == ["question", "context"])
check("the index has three models", len(grpc_client.get_model_repository_index().models) == 3)
stream(grpc_client)
print("HTTP")
by_http = ask(over_http, http_client)
metadata = http_client.get_model_metadata("question-answering")
check("metadata names the outputs", metadata["outputs"][0]["name"] == "answers")
check("server metadata", http_client.get_server_metadata()["name"] == "albert-serve")
check("the index has three models", len(http_client.get_model_repository_index()) == 3)
same = all(np.array_equal(by_grpc[name], by_http[name]) for name in by_grpc)
check("gRPC and HTTP gave the same answers, bit for bit", same)
