"""Against a running server with the bundled models, at ALBERT_ADDRESS."""

import os
from collections.abc import Iterator

import grpc
import pytest
from albert_client import AlbertClient

ADDRESS = os.environ["ALBERT_ADDRESS"]
CONTEXT = "The tower was built by the company of Gustave Eiffel from 1887 to 1889. It is 330 metres tall."


@pytest.fixture
def albert() -> Iterator[AlbertClient]:
    with AlbertClient(ADDRESS) as client:
        yield client


def test_classifies(albert: AlbertClient) -> None:
    labels = albert.classify("A gripping, honest film.", model="sentiment").labels
    assert [label.label for label in labels] == ["positive", "negative"]
    assert sum(label.score for label in labels) == pytest.approx(1, abs=1e-5)
    assert len(albert.classify("A gripping, honest film.", model="sentiment", top_k=1).labels) == 1


def test_answers_with_slices_of_the_context(albert: AlbertClient) -> None:
    answers = albert.answer_question("Who built the tower?", CONTEXT, model="question-answering", n_best=3).answers
    assert 0 < len(answers) <= 3
    for answer in answers:
        assert CONTEXT[answer.start : answer.end] == answer.text


def test_chooses_and_encodes(albert: AlbertClient) -> None:
    reply = albert.choose_answer("What is it?", ["a tower", "a dog"], CONTEXT, model="multiple-choice")
    assert len(reply.choices) == 2
    assert len(albert.encode("A film.", model="sentiment").embedding) == 384


def test_lists_models(albert: AlbertClient) -> None:
    assert [model.name for model in albert.list_models()] == ["multiple-choice", "question-answering", "sentiment"]


def test_asks_an_index(albert: AlbertClient) -> None:
    assert [index.name for index in albert.list_indexes()] == ["towers"]
    with open(os.environ["ALBERT_INDEXED"], encoding="utf-8") as file:
        text = file.read()
    passage = albert.find_passages("towers", "the tower", top_k=1).passages[0]
    assert text[passage.place.start : passage.place.end] == passage.text
    reply = albert.ask_index("towers", "Who built the tower?", model="question-answering", n_best=3)
    assert 0 < len(reply.answers) <= 3
    for answer in reply.answers:
        assert text[answer.place.start : answer.place.end] == answer.text


def test_bad_input_fails_with_the_servers_words(albert: AlbertClient) -> None:
    with pytest.raises(grpc.RpcError) as failure:
        albert.encode("", model="sentiment")
    assert isinstance(failure.value, grpc.Call)
    assert failure.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_sends_labels_of_its_own(albert: AlbertClient) -> None:
    with pytest.raises(grpc.RpcError, match="no label that begins with entail") as failure:
        albert.classify("A film.", model="sentiment", candidate_labels=["film", "law"], hypothesis_template="On {label}.", multi_label=True)
    assert isinstance(failure.value, grpc.Call)
    assert failure.value.code() == grpc.StatusCode.FAILED_PRECONDITION


def test_asks_for_the_headers_of_each_call() -> None:
    asked = []

    def trace() -> dict[str, str]:
        asked.append(1)
        return {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}

    with AlbertClient(ADDRESS, headers=trace) as client:
        client.classify("a film", model="sentiment")
        client.classify("a film", model="sentiment")
    assert len(asked) == 2


def test_a_token_is_not_sent_in_the_clear() -> None:
    with pytest.raises(ValueError, match="expected TLS for a token"):
        AlbertClient(ADDRESS, token="secret")
