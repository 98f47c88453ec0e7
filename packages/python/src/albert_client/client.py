"""One channel to a server, and its inference calls as plain methods."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

import grpc
from albert.v1 import inference_pb2 as messages
from albert.v1 import inference_pb2_grpc as stubs
from albert.v1 import search_pb2 as searches
from albert.v1 import search_pb2_grpc as search_stubs

# Calls that the server refused before it began them: safe to repeat. The server says in its trailers when to come again.
_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{"service": "albert.v1.InferenceService"}, {"service": "albert.v1.SearchService"}],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.05s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
}


class AlbertClient:
    """
    The calls of one server's public services, with a deadline on each. Calls fail with `grpc.RpcError`. Threads may share a client.

    address: host:port of the public listener.
    token: bearer token; it is sent over TLS, and without only where `token_without_tls` says so.
    root_certificates: PEM of the authorities to trust; TLS is used when it or `tls` is given.
    certificate, key: PEM of the client's own certificate, for servers that want one.
    timeout: seconds that a call may take, repeats included.
    headers: asked before each call for further metadata, such as `traceparent` and `tracestate` of the caller's trace.
    """

    def __init__(
        self,
        address: str,
        *,
        token: str | None = None,
        tls: bool = False,
        root_certificates: bytes | None = None,
        certificate: bytes | None = None,
        key: bytes | None = None,
        token_without_tls: bool = False,
        timeout: float = 30.0,
        headers: Callable[[], Mapping[str, str]] | None = None,
    ) -> None:
        options = [("grpc.service_config", json.dumps(_SERVICE_CONFIG)), ("grpc.enable_retries", 1)]
        secure = tls or root_certificates is not None or certificate is not None
        if token is not None and not secure and not token_without_tls:
            raise ValueError("expected TLS for a token, found none: give tls=True or root_certificates, or token_without_tls=True")
        if secure:
            credentials = grpc.ssl_channel_credentials(root_certificates, key, certificate)
            self._channel = grpc.secure_channel(address, credentials, options)
        else:
            self._channel = grpc.insecure_channel(address, options)
        self.stub = stubs.InferenceServiceStub(self._channel)
        self.search_stub = search_stubs.SearchServiceStub(self._channel)
        self._token = token
        self._timeout = timeout
        self._headers = headers

    def classify(
        self,
        text: str,
        text_pair: str | None = None,
        *,
        model: str = "",
        top_k: int | None = None,
        candidate_labels: Sequence[str] = (),
        hypothesis_template: str | None = None,
        multi_label: bool = False,
    ) -> messages.ClassifyResponse:
        """
        Labels of a text (or of a pair), best first: the model's, or `candidate_labels`, which a model of natural-language inference
        judges as `hypothesis_template` puts them, a sentence with {label} in it; each by itself where `multi_label`.
        """
        request = messages.ClassifyRequest(
            options=messages.RequestOptions(model=model),
            text=text,
            text_pair=text_pair,
            top_k=top_k,
            candidate_labels=candidate_labels,
            hypothesis_template=hypothesis_template,
            multi_label=multi_label,
        )
        return self.stub.Classify(request, timeout=self._timeout, metadata=self._metadata())

    def answer_question(self, question: str, context: str, *, model: str = "", n_best: int | None = None) -> messages.AnswerQuestionResponse:
        """Slices of the context that answer the question, best first."""
        options = messages.RequestOptions(model=model)
        request = messages.AnswerQuestionRequest(options=options, question=question, context=context, n_best=n_best)
        return self.stub.AnswerQuestion(request, timeout=self._timeout, metadata=self._metadata())

    def choose_answer(self, question: str, choices: Sequence[str], context: str | None = None, *, model: str = "") -> messages.ChooseAnswerResponse:
        """Which of several answers to a question fits, with the context where there is one."""
        options = messages.RequestOptions(model=model)
        request = messages.ChooseAnswerRequest(options=options, question=question, choices=choices, context=context)
        return self.stub.ChooseAnswer(request, timeout=self._timeout, metadata=self._metadata())

    def encode(self, text: str, text_pair: str | None = None, *, model: str = "", normalize: bool = False) -> messages.EncodeResponse:
        """The vector of a text, pooled as the model says."""
        options = messages.RequestOptions(model=model)
        request = messages.EncodeRequest(options=options, text=text, text_pair=text_pair, normalize=normalize)
        return self.stub.Encode(request, timeout=self._timeout, metadata=self._metadata())

    def fill_mask(self, text: str, *, model: str = "", top_k: int | None = None) -> messages.FillMaskResponse:
        """Pieces for each mask in a text, likeliest first."""
        options = messages.RequestOptions(model=model)
        request = messages.FillMaskRequest(options=options, text=text, top_k=top_k)
        return self.stub.FillMask(request, timeout=self._timeout, metadata=self._metadata())

    def list_models(self) -> Sequence[messages.ModelInfo]:
        """What the server serves, and the models that do not answer now: their `ready` is false, `failure` says why."""
        return self.stub.ListModels(messages.ListModelsRequest(), timeout=self._timeout, metadata=self._metadata()).models

    def list_indexes(self) -> Sequence[searches.IndexInfo]:
        """The indexes that the server answers from, and those that cannot be asked now: their `state` and `failure` say why."""
        return self.search_stub.ListIndexes(searches.ListIndexesRequest(), timeout=self._timeout, metadata=self._metadata()).indexes

    def find_passages(self, index: str, query: str, *, top_k: int | None = None, min_similarity: float | None = None) -> searches.FindPassagesResponse:
        """Passages of an index, nearest to the query first. `start` and `end` count code points, as Python's strings do."""
        request = searches.FindPassagesRequest(
            index=index,
            query=query,
            top_k=top_k,
            min_similarity=min_similarity,
            offset_unit=messages.OFFSET_UNIT_CODE_POINT,
        )
        return self.search_stub.FindPassages(request, timeout=self._timeout, metadata=self._metadata())

    def ask_index(
        self,
        index: str,
        question: str,
        *,
        model: str = "",
        top_k: int | None = None,
        n_best: int | None = None,
    ) -> searches.AskIndexResponse:
        """
        Answers from an index, best first, as exact slices of its files; `model` reads the `top_k` nearest passages. `start` and `end`
        count code points, as Python's strings do.
        """
        request = searches.AskIndexRequest(
            options=messages.RequestOptions(model=model),
            index=index,
            question=question,
            top_k=top_k,
            n_best=n_best,
            offset_unit=messages.OFFSET_UNIT_CODE_POINT,
        )
        return self.search_stub.AskIndex(request, timeout=self._timeout, metadata=self._metadata())

    def close(self) -> None:
        """Ends the connection, and calls under way with it."""
        self._channel.close()

    def __enter__(self) -> AlbertClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        own = () if self._token is None else (("authorization", f"Bearer {self._token}"),)
        return own + tuple(self._headers().items() if self._headers else ())
