"""Computes updates of AdamW with bias correction in 50 decimal digits, without any library: the oracle of adamw.test.ts.

The rule is algorithm 2 of Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), with a schedule multiplier of 1:

    m = beta1 m + (1 - beta1) g            v = beta2 v + (1 - beta2) g^2
    m_hat = m / (1 - beta1^t)              v_hat = v / (1 - beta2^t)         t = 1, 2, ...
    w = w - rate * (m_hat / (sqrt(v_hat) + epsilon) + decay * w)

Run it as: python3 test/training/adamw/make.py > test/training/adamw/expected.json
"""

import json
from decimal import Decimal as D, getcontext

getcontext().prec = 50

BETA1, BETA2, EPSILON = D("0.9"), D("0.999"), D("0.000001")
RATES = ["0.01", "0.02", "0.015", "0.01", "0.005"]
# Small and large, of changing sign, and one that comes once and never again.
GRADIENTS = [
    ["0.5", "-0.25", "0.0001", "3"],
    ["-0.5", "-0.125", "0.0002", "0"],
    ["0.25", "-0.5", "-0.0001", "0"],
    ["1", "-0.25", "0.0003", "0"],
    ["-0.75", "0.5", "0.0001", "0"],
]
START = ["1", "-0.5", "0.25", "2"]


def run(decay):
    w, m, v = [D(x) for x in START], [D(0)] * 4, [D(0)] * 4
    steps = []
    for t, (rate, row) in enumerate(zip(RATES, GRADIENTS), start=1):
        for i, g in enumerate(map(D, row)):
            m[i] = BETA1 * m[i] + (1 - BETA1) * g
            v[i] = BETA2 * v[i] + (1 - BETA2) * g * g
            m_hat = m[i] / (1 - BETA1**t)
            v_hat = v[i] / (1 - BETA2**t)
            w[i] = w[i] - D(rate) * (m_hat / (v_hat.sqrt() + EPSILON) + decay * w[i])
        steps.append({name: [float(x) for x in values] for name, values in (("parameter", w), ("m", m), ("v", v))})
    return steps


numbers = lambda rows: [[float(x) for x in row] for row in rows]
print(
    json.dumps(
        {
            "beta1": float(BETA1),
            "beta2": float(BETA2),
            "epsilon": float(EPSILON),
            "rates": [float(r) for r in RATES],
            "start": [float(x) for x in START],
            "gradients": numbers(GRADIENTS),
            "runs": [{"weightDecay": float(d), "steps": run(d)} for d in (D("0"), D("0.1"))],
        },
        indent=1,
    )
)
