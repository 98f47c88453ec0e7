"""Asks a running server from Python: python examples/python/client.py [host:port]

Needs grpcio and grpcio-tools. The message classes are made from the project's .proto files when the program starts; a
program that is shipped would make them once:

    python -m grpc_tools.protoc -I proto --python_out=. --grpc_python_out=. \
        proto/albert/v1/inference.proto proto/google/rpc/status.proto
"""

import pathlib
import sys

import grpc

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"
sys.path.insert(0, str(PROTO))

inference, services = grpc.protos_and_services("albert/v1/inference.proto")
error_details = grpc.protos("google/rpc/error_details.proto")
status = grpc.protos("google/rpc/status.proto")

SENTIMENT = inference.RequestOptions(model="sentiment")


def classify(albert):
    """One text, with a deadline: a call without one may wait for as long as the server likes."""
    reply = albert.Classify(inference.ClassifyRequest(options=SENTIMENT, text="A gripping, honest film."), timeout=5)
    for label in reply.labels:
        print(f"{label.score:6.1%}  {label.label}")
    print(f"version {reply.meta.version} of {reply.meta.model}, {reply.meta.tokens} tokens")


def stream(albert, texts):
    """Many texts on one stream. The answers come as they are ready, each with the id of its question."""

    def questions():
        for number, text in enumerate(texts):
            request = inference.ClassifyRequest(options=SENTIMENT, text=text)
            yield inference.StreamInferRequest(
                item=inference.InferItem(correlation_id=str(number), classify=request)
            )

    for message in albert.StreamInfer(questions(), timeout=30):
        if message.WhichOneof("message") != "result":
            continue
        result = message.result
        if result.WhichOneof("outcome") == "classify":
            print(f"{result.correlation_id}: {result.classify.labels[0].label}")
        else:
            print(f"{result.correlation_id}: {reason(result.error)}")


def reason(failure):
    """The machine reason of a google.rpc.Status, one of docs/errors.md."""
    info = error_details.ErrorInfo()
    for detail in failure.details:
        if detail.Unpack(info):
            return info.reason
    return "UNKNOWN"


def refusal(albert):
    """What went wrong is a value, not a text to be parsed."""
    try:
        albert.Classify(inference.ClassifyRequest(options=inference.RequestOptions(model="nobody"), text="fine"))
    except grpc.RpcError as error:
        trailers = dict(error.trailing_metadata())
        failure = status.Status.FromString(trailers["grpc-status-details-bin"])
        print(f"{error.code().name} {reason(failure)}: {failure.message}")


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"
    with grpc.insecure_channel(address) as channel:
        albert = services.InferenceServiceStub(channel)
        classify(albert)
        stream(albert, ["Two hours I will never get back.", "", "What a wonderful cast!"])
        refusal(albert)


if __name__ == "__main__":
    main()
