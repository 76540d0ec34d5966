#!/usr/bin/env python3
"""Fits the weights of groundedness and says what they reach on documents they were not fitted on.

    bench/run groundedness-features DIR > NAME.features        for each set of cases
    bench/fit_groundedness.py [--write WEIGHTS.tsv] NAME.features=LABELS.jsonl[=WEIGHT] ...

LABELS as for `faultline bench groundedness` (docs/benchmarks.md): {"id", "grounded": 0 or 1, "stratum"}. Logistic regression with a ridge penalty over the
features below, standardised; every stratum weighs the same (WEIGHT is divided among the strata of a set), and so do the two classes of each stratum, so
that 0.5 is where to cut. The figures are of ten-fold cross-validation over groups: all answers to one context are left out together. Python 3, standard
library only; the same input gives the same weights.
"""
import argparse, json, math, random
from collections import defaultdict

FULL = """specificAbsent specificShare synonym synonymFar words negationAdded negationNewCovered verbAbsent covHigh windowMin antonymNearCovered pairShare far functionOdd
root contrast oddest farShare monthAbsent quantity softMin softWindowMin""".split()
WORDS = """specificAbsent specificShare words negationAdded negationNewCovered covHigh windowMin pairShare far root contrast unknownAbsent
monthAbsent quantity""".split()
RIDGE, FOLDS, SEEDS = 0.01, 10, (1, 2, 3)


def read(argument):
    features, labels, *weight = argument.split("=")
    known = {l["id"]: l for l in map(json.loads, open(labels, encoding="utf-8"))}
    rows = []
    for line in open(features, encoding="utf-8"):
        row = json.loads(line)
        label = known[row["id"]]
        rows.append({**row, "y": label["grounded"], "stratum": f'{features}:{label.get("stratum", "all")}', "set": features})
    strata = len({r["stratum"] for r in rows})
    for r in rows:
        r["share"] = (float(weight[0]) if weight else strata) / strata
    return rows


def weigh(rows):
    count = defaultdict(int)
    for r in rows:
        count[r["stratum"], r["y"]] += 1
    weights = [r["share"] / count[r["stratum"], r["y"]] for r in rows]
    return [w / sum(weights) for w in weights]


def solve(a, b):
    n = len(b)
    m = [row[:] + [b[i]] for i, row in enumerate(a)]
    for i in range(n):
        p = max(range(i, n), key=lambda k: abs(m[k][i]))
        m[i], m[p] = m[p], m[i]
        for k in range(i + 1, n):
            f = m[k][i] / m[i][i]
            if f:
                for j in range(i, n + 1):
                    m[k][j] -= f * m[i][j]
    x = [0.0] * n
    for i in reversed(range(n)):
        x[i] = (m[i][n] - sum(m[i][j] * x[j] for j in range(i + 1, n))) / m[i][i]
    return x


def fit(rows, names, column):
    """Newton's method; weights on the features' own scale, intercept last."""
    values = [[r[column].get(n, 0.0) for n in names] for r in rows]
    mean = [sum(v[j] for v in values) / len(values) for j in range(len(names))]
    scale = [math.sqrt(sum((v[j] - mean[j]) ** 2 for v in values) / len(values)) or 1.0 for j in range(len(names))]
    x = [[(v[j] - mean[j]) / scale[j] for j in range(len(names))] + [1.0] for v in values]
    w, n = weigh(rows), len(names) + 1
    beta = [0.0] * n
    for _ in range(25):
        gradient = [RIDGE * beta[j] if j < n - 1 else 0.0 for j in range(n)]
        hessian = [[(RIDGE if i == j and i < n - 1 else 0.0) for j in range(n)] for i in range(n)]
        for xi, r, wi in zip(x, rows, w):
            p = 1 / (1 + math.exp(-sum(a * b for a, b in zip(beta, xi))))
            e, h = wi * (p - r["y"]), wi * p * (1 - p)
            for i in range(n):
                gradient[i] += e * xi[i]
                hx = h * xi[i]
                row = hessian[i]
                for j in range(i, n):
                    row[j] += hx * xi[j]
        for i in range(n):
            for j in range(i):
                hessian[i][j] = hessian[j][i]
        step = solve(hessian, gradient)
        beta = [b - s for b, s in zip(beta, step)]
        if max(map(abs, step)) < 1e-7:
            break
    own = [beta[j] / scale[j] for j in range(n - 1)]
    return own + [beta[-1] - sum(own[j] * mean[j] for j in range(n - 1))]


def predict(row, names, beta, column):
    return sum(b * row[column].get(n, 0.0) for b, n in zip(beta, names)) + beta[-1]


def balanced(rows):
    by = defaultdict(list)
    for r, z in rows:
        by[r["stratum"]].append((r["y"], z))
    rate = lambda pairs, y: sum((z >= 0) == bool(y) for q, z in pairs if q == y) / max(1, sum(q == y for q, _ in pairs))
    return {s: (rate(p, 1) + rate(p, 0)) / 2 for s, p in by.items()}


def validate(rows, names, column):
    groups, out = sorted({r["group"] for r in rows}), defaultdict(lambda: defaultdict(list))
    for seed in SEEDS:
        order = groups[:]
        random.Random(seed).shuffle(order)
        fold = {g: i % FOLDS for i, g in enumerate(order)}
        scored = []
        for k in range(FOLDS):
            beta = fit([r for r in rows if fold[r["group"]] != k], names, column)
            scored += [(r, predict(r, names, beta, column)) for r in rows if fold[r["group"]] == k]
        for name in {r["set"] for r in rows}:
            mine = [(r, z) for r, z in scored if r["set"] == name]
            for stratum, value in balanced(mine).items():
                out[name][stratum].append(value)
            out[name]["pooled"].append(balanced([({**r, "stratum": "all"}, z) for r, z in mine])["all"])
    for name, strata in sorted(out.items()):
        means = {s: sum(v) / len(v) for s, v in strata.items()}
        inner = {s.split(":")[-1]: round(v, 4) for s, v in sorted(means.items()) if s != "pooled"}
        print(f'{column}: {name}: cross-validated balanced accuracy: macro {sum(inner.values()) / len(inner):.4f}, pooled {means["pooled"]:.4f}  {inner}')


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--write", help="the table to write, with its leading # lines kept")
    arguments.add_argument("sets", nargs="+")
    given = arguments.parse_args()
    rows = [r for s in given.sets for r in read(s)]
    fitted = {}
    for column, names in (("full", FULL), ("words", WORDS)):
        validate(rows, names, column)
        fitted[column] = dict(zip(names + ["intercept"], fit(rows, names, column)))
    table = "".join(
        f'{n}\t{fitted["full"][n]:.5g}\t' .replace("\t\t", "\t") + (f'{fitted["words"][n]:.5g}' if n in fitted["words"] else "") + "\n" if n in fitted["full"] else f'{n}\t\t{fitted["words"][n]:.5g}\n'
        for n in FULL + [n for n in WORDS if n not in FULL] + ["intercept"])
    if given.write:
        kept = "".join(l for l in open(given.write, encoding="utf-8") if l.startswith("#"))
        open(given.write, "w", encoding="utf-8").write(kept + table)
    else:
        print(table, end="")
