"""Makes goldens for evaluation reports: what scikit-learn, SciPy and cleanlab compute of random answers.

    pip install scikit-learn==1.9.1 scipy==1.17.1 cleanlab==2.9.0
    python scripts/goldens/report.py SEED test/fixtures/report/golden.json

Probabilities are rounded to 3 digits, so that some are equal; some rows weigh 0, 2 or 3, as in a sample of a bootstrap.
"""

import json
import sys
import warnings

import numpy as np
import sklearn
from cleanlab.count import compute_confident_joint
from scipy.stats import pearsonr, spearmanr
from sklearn import metrics
from sklearn.calibration import calibration_curve

warnings.simplefilter("ignore")
seed, output = int(sys.argv[1]), sys.argv[2]
rng = np.random.default_rng(seed)


def rounded_softmax(logits, temperature):
    z = np.exp(logits / temperature)
    p = np.round(z / z.sum(axis=1, keepdims=True), 3)
    p[:, -1] = np.round(1 - p[:, :-1].sum(axis=1), 3)
    return np.clip(p, 0, 1)


def class_scores(truth, given, average, labels=None, **kw):
    p, r, f, _ = metrics.precision_recall_fscore_support(truth, given, labels=labels, average=average, zero_division=0, **kw)
    return {"precision": p, "recall": r, "f1": f}


def per_class(truth, given, k):
    p, r, f, s = metrics.precision_recall_fscore_support(truth, given, labels=list(range(k)), average=None, zero_division=0)
    return [{"precision": a, "recall": b, "f1": c, "support": int(d)} for a, b, c, d in zip(p, r, f, s)]


def areas(truth, score, w=None):
    if truth.min() == truth.max():
        return None
    return {
        "rocAuc": metrics.roc_auc_score(truth, score, sample_weight=w),
        "averagePrecision": metrics.average_precision_score(truth, score, sample_weight=w),
    }


def single(n, k, skew, absent=()):
    gold = rng.choice(k, n, p=np.array([skew**i for i in range(k)]) / sum(skew**i for i in range(k)))
    for label in absent:
        gold[gold == label] = 0
    logits = rng.normal(size=(n, k)) + 1.5 * np.eye(k)[gold]
    for label in absent:
        logits[:, label] -= 9
    p = rounded_softmax(logits, 0.7)
    given = p.argmax(axis=1)
    right = (given == gold).astype(int)
    confidence = p.max(axis=1)

    def figures(w):
        per = [areas((gold == c).astype(int), p[:, c], w) for c in range(k)]
        seen = per[1:] if k == 2 else per
        seen = [a for a in seen if a is not None]
        bins = np.minimum(14, np.floor(confidence * 15)).astype(int)
        ece = sum(abs((w * (confidence - right))[bins == b].sum()) for b in range(15)) / w.sum()
        return {
            "eval_accuracy": metrics.accuracy_score(gold, given, sample_weight=w),
            **({"f1": metrics.f1_score(gold, given, sample_weight=w)} if k == 2 else {}),
            "f1_macro": class_scores(gold, given, "macro", sample_weight=w)["f1"],
            "f1_weighted": class_scores(gold, given, "weighted", sample_weight=w)["f1"],
            "matthew_corr": metrics.matthews_corrcoef(gold, given, sample_weight=w),
            "roc_auc": float(np.mean([a["rocAuc"] for a in seen])),
            "average_precision": float(np.mean([a["averagePrecision"] for a in seen])),
            "eval_loss": float((w * -np.log(np.clip(p[np.arange(n), gold], np.finfo(float).eps, 1))).sum() / w.sum()),
            "brier": metrics.brier_score_loss(gold, p[:, 1], sample_weight=w)
            if k == 2
            else metrics.brier_score_loss(gold, p, sample_weight=w, labels=list(range(k))),
            "expected_calibration_error": float(ece),
        }

    # A probability on the border of two bins belongs to the upper one here.
    true, predicted = calibration_curve(right, np.minimum(1, confidence + 1e-12), n_bins=15)
    joint, suspects = compute_confident_joint(gold, p, calibrate=False, return_indices_of_off_diagonals=True)
    weights = rng.choice([0, 1, 1, 2, 3], n).astype(float)
    return {
        "kind": "single-label",
        "labels": k,
        "golds": gold.tolist(),
        "probabilities": p.tolist(),
        "figures": figures(np.ones(n)),
        "weights": weights.tolist(),
        "weighted": figures(weights),
        "classes": per_class(gold, given, k),
        "areas": [areas((gold == c).astype(int), p[:, c]) for c in range(k)],
        "averages": {name: class_scores(gold, given, name) for name in ["micro", "macro", "weighted"]},
        "confusion": metrics.confusion_matrix(gold, given, labels=list(range(k))).tolist(),
        "calibration": {"accuracy": true.tolist(), "confidence": predicted.tolist()},
        "suspects": sorted(int(row) for row in suspects),
    }


def multi(n, k):
    truth = (rng.random((n, k)) < np.linspace(0.1, 0.6, k)).astype(int)
    p = np.round(1 / (1 + np.exp(-(2.5 * truth - 1.2 + rng.normal(size=(n, k))))), 3)
    given = (p >= 0.5).astype(int)
    per = [areas(truth[:, c], p[:, c]) for c in range(k)]
    clipped = np.clip(np.where(truth == 1, p, 1 - p), np.finfo(float).eps, 1)
    return {
        "kind": "multi-label",
        "labels": k,
        "golds": truth.tolist(),
        "probabilities": p.tolist(),
        "figures": {
            "eval_accuracy": metrics.accuracy_score(truth, given),
            "f1_micro": class_scores(truth, given, "micro")["f1"],
            "f1_macro": class_scores(truth, given, "macro")["f1"],
            "f1_weighted": class_scores(truth, given, "weighted")["f1"],
            "roc_auc": metrics.roc_auc_score(truth, p, average="macro"),
            "average_precision": metrics.average_precision_score(truth, p, average="macro"),
            "eval_loss": float(-np.log(clipped).mean()),
            "brier": float(((p - truth) ** 2).mean()),
        },
        "classes": per_class(truth, given, k),
        "areas": per,
        "averages": {name: class_scores(truth, given, name) for name in ["micro", "macro", "weighted"]},
    }


def regression(n):
    gold = np.round(rng.uniform(0, 5, n), 1)
    value = np.round(gold * 0.8 + 0.5 + rng.normal(size=n), 2)
    residual = value - gold
    return {
        "kind": "regression",
        "golds": gold.tolist(),
        "predicted": value.tolist(),
        "figures": {
            "pearson": pearsonr(gold, value)[0],
            "spearman": spearmanr(gold, value)[0],
            "MSE": metrics.mean_squared_error(gold, value),
            "RMSE": metrics.root_mean_squared_error(gold, value),
            "MAE": metrics.mean_absolute_error(gold, value),
            "R2": metrics.r2_score(gold, value),
        },
        "quantiles": np.quantile(residual, [0.05, 0.25, 0.5, 0.75, 0.95]).tolist(),
        "standardDeviation": float(residual.std()),
    }


cases = [single(300, 2, 1), single(200, 2, 0.15), single(250, 5, 0.7), single(120, 4, 0.9, absent=(3,)), multi(200, 4), regression(200)]
with open(output, "w") as file:
    json.dump({"made": f"scripts/goldens/report.py, scikit-learn {sklearn.__version__}", "cases": cases}, file)
    file.write("\n")
