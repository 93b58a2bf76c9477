"""Fits the classifier of the embedded engine.

    python3 tools/fit/fit.py DATA [--truthtable PATH] [--write] [--left-out]

DATA holds .jsonl files of labelled claims: {"id","source","split","label","claim","context",…}. Features come from
`truthtable audit --jsonl --features`, so that what is fitted is what runs. Only rows with split `fit` are fitted on; every source
and class weighs alike. --write puts the parameters into Sources/Auditing/ClassifierParameters.swift; --left-out fits once more
without each family of sources and shows how it fares on what it has not seen.

The classifier is a small network whose weights keep the sign that a feature's name bears, so that more coverage never lowers
support and a mismatch never raises it. What tables say is not fitted but given: one source alone has tables; and plain coverage has
more weight than the fit gives it, because that carries over to other sources. Its logit is calibrated by monotone regression on
fitted rows that were left out of a fit.
"""
import argparse, collections, glob, json, os, subprocess, sys

os.environ.setdefault('OMP_NUM_THREADS', '1')
import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HIDDEN, MEMBERS, STEPS, RATE, DECAY = 4, 12, 500, 0.05, 1e-4
FOLDS = 5
# How much the sentence that is believed least counts for a text of several, beside the mean of all; as in Verdict.swift.
WEAKEST = 0.7
# Of the fitted rows for which a field says the same, 84 of 100 are supported, where it says otherwise none of 59. How much is held is
# fitted badly: it goes along with the kind of text.
GIVEN = {'+fieldAgrees': 1.5, '-fieldDiffers': -3.0, '+amount': 0.25}
# Comes on top of what is fitted. Most sources are edited sentences, nearly all of whose words are held: a fit to them trusts coverage
# less than texts of other kinds deserve.
ADDED = {'+documentCoverage': 1.0}


def family(source): return source.split('-')[0] if source.startswith('summedits') else source


class Rows:
    """Rows with the features of their sentences; a row is judged by the sentence that is believed least."""

    def __init__(self, folder, binary):
        self.id, self.source, self.fit, self.label, self.kind, self.group, row, values = [], [], [], [], [], [], [], []
        self.names, self.claims = None, []
        for path in sorted(glob.glob(os.path.join(folder, '*.jsonl'))):
            out = subprocess.run([binary, 'audit', path, '--jsonl', '--features'], stdout=subprocess.PIPE, check=True).stdout
            with open(path) as f: sources = [json.loads(line) for line in f]
            for source, line in zip(sources, out.decode().splitlines()):
                result = json.loads(line)
                assert result['id'] == source['id'], source['id']
                for claim in result['claims']:
                    if 'features' not in claim: continue
                    self.names = self.names or list(claim['features'])
                    row.append(len(self.id))
                    values.append([claim['features'][n] for n in self.names])
                self.id.append(source['id'])
                self.source.append(source['source'])
                self.fit.append(source['split'] == 'fit')
                self.label.append(int(source['label'] == 'supported'))
                self.kind.append(source.get('kind') or '')
                self.group.append(source.get('group', source['id']))
                self.claims.append(source)
        self.sign = np.array([1.0 if n[0] == '+' else -1.0 for n in self.names])
        self.X, self.row = np.array(values), np.array(row)
        self.fitted = np.array([n not in GIVEN for n in self.names])
        self.given = np.array([{**GIVEN, **ADDED}.get(n, 0.0) for n in self.names])
        self.source, self.fit, self.label = np.array(self.source), np.array(self.fit), np.array(self.label)
        self.family = np.array([family(s) for s in self.source])

    def least(self, logits):
        """The sentence of each row with the least logit, -1 where nothing could be judged."""
        pick = np.full(len(self.id), -1)
        for k, i in enumerate(self.row):
            if pick[i] < 0 or logits[k] < logits[pick[i]]: pick[i] = k
        return pick

    def row_logits(self, logits):
        """What is believed of each row: the least of its sentences, and something of their mean."""
        pick = self.least(logits)
        count = np.maximum(1, np.bincount(self.row, minlength=len(self.id)))
        mean = np.bincount(self.row, logits, minlength=len(self.id)) / count
        return np.where(pick >= 0, WEAKEST * logits[pick] + (1 - WEAKEST) * mean, -6.0)

    def weights(self, mask):
        w = np.zeros(len(self.id))
        for s in set(self.source[mask]):
            for c in (0, 1):
                m = mask & (self.source == s) & (self.label == c)
                w[m] = 1 / max(1, m.sum())
        return w


def train(rows, mask):
    """Logits of all sentences by a fit on the rows of the mask, and the parameters."""
    inside = mask[rows.row]
    mean, spread = rows.X[inside].mean(0), rows.X[inside].std(0) + 1e-6
    fitted = rows.fitted
    A = ((rows.X - mean) / spread * rows.sign)[:, fitted]
    weights = rows.weights(mask)
    total, members = np.zeros(len(A)), []
    for seed in range(MEMBERS):
        rng = np.random.default_rng(seed)
        n = A.shape[1]
        P = [rng.normal(-2, .5, (n, HIDDEN)), rng.normal(0, 1, HIDDEN), rng.normal(-.5, .3, HIDDEN), np.zeros(1), np.full(n, -3.0)]

        def logits(Z): return np.tanh(Z @ np.exp(P[0]) + P[1]) @ np.exp(P[2]) + Z @ np.exp(P[4]) + P[3]

        pick = rows.least(A.mean(1))
        selected = np.array([i for i in np.flatnonzero(mask) if pick[i] >= 0])
        Z, y, w = A[pick[selected]], rows.label[selected], weights[selected] / weights[selected].sum()
        M, V = [np.zeros_like(p) for p in P], [np.zeros_like(p) for p in P]
        for t in range(1, STEPS + 1):
            if t == STEPS // 2:  # the sentence that is believed least is known better now
                pick = rows.least(logits(A))
                Z = A[pick[selected]]
            W, v, u = np.exp(P[0]), np.exp(P[2]), np.exp(P[4])
            h = np.tanh(Z @ W + P[1])
            d = (1 / (1 + np.exp(-(h @ v + Z @ u + P[3]))) - y) * w
            dh = np.outer(d, v) * (1 - h * h)
            G = [Z.T @ dh * W + 2 * DECAY * W * W, dh.sum(0), h.T @ d * v + 2 * DECAY * v * v, np.array([d.sum()]), Z.T @ d * u + 2 * DECAY * u * u]
            for k in range(5):
                M[k] = .9 * M[k] + .1 * G[k]
                V[k] = .999 * V[k] + .001 * G[k] ** 2
                P[k] = P[k] - RATE * (M[k] / (1 - .9 ** t)) / (np.sqrt(V[k] / (1 - .999 ** t)) + 1e-9)
        total += logits(A) / MEMBERS
        members.append(P)
    scale = (rows.sign / spread)[fitted]

    def among_all(values):
        """Values of the fitted features, with zeros in the places of those that are given."""
        result = np.zeros(values.shape[:-1] + (len(rows.names),))
        result[..., fitted] = values
        return result

    offsets = among_all(mean[fitted])
    return total + (rows.X - offsets) @ rows.given, dict(
        offsets=offsets, bias=float(np.mean([P[3][0] for P in members])), direct=among_all(np.mean([np.exp(P[4]) for P in members], 0) * scale) + rows.given,
        hidden=among_all(np.concatenate([(np.exp(P[0]) * scale[:, None]).T for P in members])), hidden_biases=np.concatenate([P[1] for P in members]),
        outputs=np.concatenate([np.exp(P[2]) for P in members]) / MEMBERS)


def isotonic(x, y, w):
    """Monotone regression: points of steps that rise."""
    order = np.argsort(x, kind='stable')
    blocks = []
    for i in order:
        blocks.append([x[i] * w[i], y[i] * w[i], w[i]])
        while len(blocks) > 1 and blocks[-2][1] / blocks[-2][2] >= blocks[-1][1] / blocks[-1][2]:
            b = blocks.pop()
            blocks[-1] = [p + q for p, q in zip(blocks[-1], b)]
    return [(b[0] / b[2], b[1] / b[2], b[2]) for b in blocks]


def calibrate(rows):
    """Points from logit to probability, by folds of groups of the fitted rows."""
    fold = np.array([hash_of(g) % FOLDS for g in rows.group])
    z = np.zeros(len(rows.id))
    for f in range(FOLDS):
        logits, _ = train(rows, rows.fit & (fold != f))
        z[fold == f] = rows.row_logits(logits)[fold == f]
    m = rows.fit
    steps = isotonic(z[m], rows.label[m].astype(float), np.ones(m.sum()))
    # A dozen points that rise, each of some hundred rows: the steps themselves follow noise.
    edges = np.quantile(z[m], np.linspace(0, 1, 13))
    points = []
    for lo, hi in zip(edges[:-1], edges[1:]):
        inside = m & (z >= lo) & (z <= hi)
        if inside.sum(): points.append((z[inside].mean(), np.average([value(steps, v) for v in z[inside]])))
    result = []
    for x, p in points:
        p = min(.98, max(.02, p))
        if not result or (x > result[-1][0] + 1e-3): result.append((x, max(p, result[-1][1] + 1e-4) if result else p))
    # Beyond the middle of the first and the last twelfth it goes on, a little.
    result.insert(0, (result[0][0] - 1.5, max(.01, result[0][1] * .5)))
    result.append((result[-1][0] + 1, min(.99, (result[-1][1] + 1) / 2)))
    return result


def value(steps, x):
    last = steps[0][1]
    for s, p, _ in steps:
        if s > x: break
        last = p
    return last


def hash_of(text):
    h = 0
    for b in text.encode(): h = (h * 31 + b) & 0xffffffff
    return h >> 3


def auc(label, score):
    order = np.argsort(score, kind='stable')
    ranks = np.empty(len(score))
    s = np.asarray(score)[order]
    i = 0
    while i < len(s):
        j = i
        while j + 1 < len(s) and s[j + 1] == s[i]: j += 1
        ranks[order[i:j + 1]] = (i + j) / 2 + 1
        i = j + 1
    p = label.sum()
    n = len(label) - p
    return (ranks[label == 1].sum() - p * (p + 1) / 2) / (p * n) if p and n else float('nan')


def write(path, rows, p, points):
    def numbers(values): return ', '.join('%.5g' % v for v in values)

    with open(path, 'w') as o:
        o.write('// The numbers of the classifier. Made by tools/fit/fit.py; do not edit.\n\nenum ClassifierParameters {\n')
        o.write('    /// Means of the features, in the order of `ClaimFeatures.Name`.\n    static let offsets: [Double] = [%s]\n' % numbers(p['offsets']))
        o.write('    static let bias = %.6g\n    static let direct: [Double] = [%s]\n' % (p['bias'], numbers(p['direct'])))
        o.write('    /// Weights of the hidden units, one unit per line.\n    static let hidden: [Double] = [\n')
        for unit in p['hidden']: o.write('        %s,\n' % numbers(unit))
        o.write('    ]\n    static let hiddenBiases: [Double] = [%s]\n    static let outputs: [Double] = [%s]\n' % (numbers(p['hidden_biases']), numbers(p['outputs'])))
        o.write('    /// From the logit to the probability.\n    static let calibration: [(logit: Double, probability: Double)] = [\n')
        for x, y in points: o.write('        (%.4f, %.4f),\n' % (x, y))
        o.write('    ]\n}\n')


def left_out(rows):
    z = np.zeros(len(rows.id))
    for f in sorted(set(rows.family)):
        logits, _ = train(rows, rows.fit & (rows.family != f))
        z[rows.family == f] = rows.row_logits(logits)[rows.family == f]
    return z


def show(rows, z, title):
    a = {s: 100 * auc(rows.label[m], z[m]) for s in sorted(set(rows.source)) for m in [~rows.fit & (rows.source == s)]}
    print('%-10s mean %.2f  ' % (title, np.mean(list(a.values()))) + '  '.join('%s %.1f' % (s.replace('summedits-', ''), v) for s, v in a.items()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('data')
    parser.add_argument('--truthtable', default=os.path.join(ROOT, '.build/release/truthtable'))
    parser.add_argument('--write', action='store_true')
    parser.add_argument('--left-out', action='store_true')
    a = parser.parse_args()
    rows = Rows(a.data, a.truthtable)
    print(len(rows.id), 'rows,', len(rows.X), 'sentences,', len(rows.names), 'features')
    logits, parameters = train(rows, rows.fit)
    show(rows, rows.row_logits(logits), 'dev AUC')
    if a.left_out: show(rows, left_out(rows), 'left out')
    if a.write: write(os.path.join(ROOT, 'Sources/Auditing/ClassifierParameters.swift'), rows, parameters, calibrate(rows))


if __name__ == '__main__': main()
