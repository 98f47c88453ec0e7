"""Opens model directories with Hugging Face's transformers and prints what it says of them, as JSON.

Reads from stdin a list of {directory, architecture, input_ids, token_type_ids (where the class has them)}: for multiple choice the two are lists of
choices. Answers each with {missing, unexpected, mismatched, logits}, the logits one list per output, flattened.
"""

import json
import sys

import torch
import transformers

answers = []
for request in json.load(sys.stdin):
    architecture = getattr(transformers, request["architecture"])
    model, report = architecture.from_pretrained(request["directory"], output_loading_info=True)
    model.eval()
    given = [name for name in ("input_ids", "token_type_ids") if name in request]
    inputs = {name: torch.tensor([request[name]]) for name in given}
    with torch.no_grad():
        outputs = model(**inputs)
    names = ("logits", "start_logits", "end_logits", "prediction_logits", "sop_logits")
    answers.append(
        {
            "missing": sorted(report["missing_keys"]),
            "unexpected": sorted(report["unexpected_keys"]),
            "mismatched": sorted(str(key) for key in report["mismatched_keys"]),
            "logits": {name: outputs[name].flatten().tolist() for name in names if name in outputs},
        }
    )
json.dump(answers, sys.stdout)
