"""Makes goldens for the model families: small random models of every class, and what Hugging Face's transformers computes with them.

    pip install torch==2.15.0 transformers==5.24.0 sentence-transformers==6.2.0
    python scripts/goldens/model-families.py test/fixtures/families

Each folder is a model as `save_pretrained` leaves it (weights in half precision, to be small), its vocabulary, and `expected.json`: texts, the
ids and token types that transformers makes of them, and the outputs of the class in float32, flattened.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
import transformers
from sentence_transformers import SentenceTransformer

WORDS = "the a cat dog sat on mat who where is it was good bad film ##s ##ing ##ed run . , ? ! ' - 2 0 # [ ] mask caf ##e c ##af".split()
LETTERS = [piece for letter in "abdeghiklmnorstuw" for piece in (letter, f"##{letter}")]
MORE = ["Caf", "CAF", "caf", "é", "##é", "É", "##É", "日本", "日", "本", "##本", "Who", "who"]  # for other treatments of case, accents and ideographs
VOCABULARY = list(dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *LETTERS, *MORE]))
SINGLE = [["The cat sat on the mat.", None], ["Who ran? 20 dogs, it's a café", None]]
ACCENTS = [["Who ran? Café CAFÉ 日本 cafe", None], ["who É dogs", None]]
PAIRS = [["Who sat on the mat?", "The cat sat on the mat."], ["a good film!", "it was bad - the dogs"]]

BERT = dict(
    vocab_size=len(VOCABULARY), hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20,
    max_position_embeddings=40, type_vocab_size=2,
)  # fmt: skip
ELECTRA = {**BERT, "embedding_size": 8}
DISTILBERT = dict(
    vocab_size=len(VOCABULARY), dim=12, n_layers=2, n_heads=3, hidden_dim=20, max_position_embeddings=40,
)  # fmt: skip

THREE = {"id2label": {0: "no", 1: "maybe", 2: "yes"}, "label2id": {"no": 0, "maybe": 1, "yes": 2}}
ONE = {"id2label": {0: "score"}, "label2id": {"score": 0}}
MULTI = {**THREE, "problem_type": "multi_label_classification"}

# folder: class, configuration, whether its inputs are pairs
CASES = {
    "bert-trunk": ("BertModel", {**BERT, "hidden_act": "gelu_new", "layer_norm_eps": 1e-5}, True),
    "bert-classification": ("BertForSequenceClassification", {**BERT, **THREE}, True),
    "bert-multi-label": ("BertForSequenceClassification", {**BERT, **MULTI, "hidden_act": "relu"}, False),
    "bert-regression": ("BertForSequenceClassification", {**BERT, **ONE, "problem_type": "regression", "hidden_act": "silu"}, True),
    "bert-span": ("BertForQuestionAnswering", BERT, True),
    "bert-choice": ("BertForMultipleChoice", BERT, True),
    "bert-masked-lm": ("BertForMaskedLM", BERT, False),
    "bert-next-sentence": ("BertForNextSentencePrediction", BERT, True),
    "bert-pretraining": ("BertForPreTraining", BERT, True),
    "bert-untied": ("BertForMaskedLM", {**BERT, "tie_word_embeddings": False}, False),
    "electra-untied": ("ElectraForMaskedLM", {**ELECTRA, "tie_word_embeddings": False}, False),
    "distilbert-untied": ("DistilBertForMaskedLM", {**DISTILBERT, "tie_word_embeddings": False}, False),
    "electra-classification": ("ElectraForSequenceClassification", {**ELECTRA, **THREE}, True),
    "electra-regression": ("ElectraForSequenceClassification", {**ELECTRA, **ONE, "embedding_size": 12}, True),
    "electra-multi-label": ("ElectraForSequenceClassification", {**ELECTRA, **MULTI, "hidden_act": "relu"}, False),
    "electra-span": ("ElectraForQuestionAnswering", ELECTRA, True),
    "electra-choice": ("ElectraForMultipleChoice", ELECTRA, True),
    "electra-generator": ("ElectraForMaskedLM", ELECTRA, False),
    "electra-discriminator": ("ElectraForPreTraining", ELECTRA, True),
    "distilbert-trunk": ("DistilBertModel", {**DISTILBERT, "activation": "relu"}, True),
    "distilbert-classification": ("DistilBertForSequenceClassification", {**DISTILBERT, **THREE}, True),
    "distilbert-regression": ("DistilBertForSequenceClassification", {**DISTILBERT, **ONE}, False),
    "distilbert-multi-label": ("DistilBertForSequenceClassification", {**DISTILBERT, **MULTI}, True),
    "distilbert-span": ("DistilBertForQuestionAnswering", DISTILBERT, True),
    "distilbert-choice": ("DistilBertForMultipleChoice", DISTILBERT, True),
    "distilbert-masked-lm": ("DistilBertForMaskedLM", DISTILBERT, False),
}  # fmt: skip

# What tokenizer_config.json says beside the defaults of the family
TOKENIZERS = {
    "bert-trunk-cased": {"do_lower_case": False},
    "bert-trunk-cased-without-accents": {"do_lower_case": False, "strip_accents": True},
    "bert-trunk-accents": {"do_lower_case": True, "strip_accents": False},
    "bert-trunk-ideographs": {"do_lower_case": True, "tokenize_chinese_chars": False},
}
SENTENCES = {"bert-trunk-sentences-mean": ("mean_tokens", True), "distilbert-trunk-sentences-cls": ("cls_token", False)}

OUTPUTS = ["logits", "start_logits", "end_logits", "prediction_logits", "seq_relationship_logits", "pooler_output", "last_hidden_state"]


def randomise(model: torch.nn.Module) -> None:
    """Values that leave no variable without effect, each of them exact in half precision."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            values = torch.randn(parameter.shape, generator=generator) * 0.3
            if "norm" in name.lower() and name.endswith("weight"):
                values = values + 1
            parameter.copy_(values.half().float())


def outputs_of(model: torch.nn.Module, encoded: dict[str, torch.Tensor]) -> dict[str, list[float]]:
    inputs = dict(encoded)
    if model.config.model_type == "distilbert":
        del inputs["token_type_ids"]  # which it has none of
    with torch.no_grad():
        outputs = model(**inputs, return_dict=True)
    return {name: outputs[name].flatten().tolist() for name in OUTPUTS if name in outputs}


def sentence_folder(directory: Path, pooling: str, normalize: bool) -> None:
    """The files that the library sentence-transformers keeps next to a model."""
    names = ["Transformer", "Pooling", *(["Normalize"] if normalize else [])]
    paths = ["", "1_Pooling", "2_Normalize"]
    modules = [
        {"idx": i, "name": str(i), "path": paths[i], "type": f"sentence_transformers.models.{name}"}
        for i, name in enumerate(names)
    ]
    modes = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens"]
    chosen = {"word_embedding_dimension": 12, **{f"pooling_mode_{mode}": mode == pooling for mode in modes}}
    (directory / "1_Pooling").mkdir()
    for name, value in [
        ("modules.json", modules),
        ("1_Pooling/config.json", chosen),
        ("sentence_bert_config.json", {"max_seq_length": 32, "do_lower_case": False}),
    ]:
        (directory / name).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def make(name: str, directory: Path, architecture: str, options: dict, pairs: bool) -> None:
    transformers.set_seed(1)
    model_class = getattr(transformers, architecture)
    model = model_class(model_class.config_class(**options)).eval()
    randomise(model)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    model.half().save_pretrained(directory)
    model.float()
    (directory / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 40, **TOKENIZERS.get(name, {})}
    (directory / "tokenizer_config.json").write_text(json.dumps(settings) + "\n", encoding="utf-8")
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    rows = []
    texts = ACCENTS if name in TOKENIZERS else PAIRS if pairs else SINGLE
    for text, text_pair in texts:
        encoded = tokenizer(text, text_pair, return_token_type_ids=True)
        ids, types = encoded["input_ids"], encoded["token_type_ids"]
        row = {"text": text, "text_pair": text_pair, "ids": ids, "types": types}
        batch = {"input_ids": torch.tensor([ids]), "token_type_ids": torch.tensor([types])}
        if architecture.endswith("MultipleChoice"):
            batch = {name: value[None] for name, value in batch.items()}
        rows.append({**row, "outputs": outputs_of(model, batch)})
    if name in SENTENCES:
        sentence_folder(directory, *SENTENCES[name])
        encoder = SentenceTransformer(str(directory), device="cpu").float()
        for row in rows:
            row["outputs"]["embedding"] = encoder.encode(row["text"]).tolist()
    expected = {"architecture": architecture, "rows": rows}
    (directory / "expected.json").write_text(json.dumps(expected) + "\n", encoding="utf-8")


for case in TOKENIZERS:
    CASES[case] = ("BertModel", {**BERT, "hidden_size": 6, "num_hidden_layers": 1}, False)
CASES["bert-trunk-sentences-mean"] = ("BertModel", BERT, False)
CASES["distilbert-trunk-sentences-cls"] = ("DistilBertModel", DISTILBERT, False)
for name, (architecture, options, pairs) in CASES.items():
    make(name, Path(sys.argv[1]) / name, architecture, options, pairs)
    print(name)
