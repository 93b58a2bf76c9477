"""How well the embedded engine tells supported from unsupported claims, on rows that it was not fitted on.

    python3 tools/fit/accuracy.py DATA [--truthtable PATH] [--no-left-out] [--audits N]

What counts is the output of `truthtable audit --jsonl`. Left-out figures need one fit per family of sources (about a minute).
"""
import argparse, collections, os, re, subprocess, sys, tempfile, glob, json

os.environ.setdefault('OMP_NUM_THREADS', '1')
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import numpy as np
import fit

ENTITY_KINDS = ('entity-inside', 'entity-outside')


def words(text): return re.findall(r"[a-z0-9]+", text.lower())


COMMON = set('a an the and or but of in on at by for with from to into is are was were be been it its he she they his her their this that these those as not no has have had do does did which who what when where'.split())


def baselines(row):
    """Share of the claim's words in the context; the same of content words cut to six letters, weighted by rarity."""
    context = words(' '.join(row['context']))
    claim, held = words(row['claim']), set(context)
    plain = sum(w in held for w in claim) / max(1, len(claim))
    sentences = [set(w[:6] for w in words(s)) for s in re.split(r'[.!?\n]', ' '.join(row['context']))]
    stems = [w[:6] for w in claim if w not in COMMON] or [w[:6] for w in claim]
    known = set().union(*sentences) if sentences else set()
    weights = [np.log((len(sentences) + 1) / (sum(s in t for t in sentences) + .5)) + .1 for s in stems]
    return plain, sum(w for s, w in zip(stems, weights) if s in known) / max(1e-9, sum(weights))


def balanced(y, s, t): return ((s[y == 1] >= t).mean() + (s[y == 0] < t).mean()) / 2


def f1(y, s, t):
    caught, missed, wrong = ((s < t) & (y == 0)).sum(), ((s >= t) & (y == 0)).sum(), ((s < t) & (y == 1)).sum()
    return 2 * caught / max(1, 2 * caught + missed + wrong)


def calibration_error(y, s):
    bins = np.minimum((s * 10).astype(int), 9)
    return sum(abs(y[bins == b].sum() - s[bins == b].sum()) for b in range(10)) / len(y)


def exchanges(folder, path):
    """Writes exchanges of about 2 KB of answer and 8 KB of documents, made of human sentences and their passages."""
    with open(os.path.join(folder, 'clapnq.jsonl')) as f: rows = [r for r in map(json.loads, f) if r.get('kind') == 'original']
    with open(path, 'w') as out:
        documents, claims = [], []
        for row in rows:
            documents += [d for d in row['context'] if d not in documents]
            claims.append(row['claim'])
            if sum(map(len, documents)) < 8000 or sum(map(len, claims)) < 2000: continue
            prompt = 'Context:\n' + '\n\n'.join(documents)[:8192] + '\n\nQuestion: What is known about it?'
            message = {'role': 'assistant', 'content': ' '.join(claims)[:2048]}
            out.write(json.dumps({'request': {'messages': [{'role': 'user', 'content': prompt}]}, 'response': {'choices': [{'index': 0, 'message': message}]}}) + '\n')
            documents, claims = [], []


def cost(folder, binary, audits):
    """What audits cost in one process: answers per second, CPU, memory."""
    if not audits or not os.path.exists(os.path.join(folder, 'clapnq.jsonl')): return
    with tempfile.NamedTemporaryFile('w', suffix='.jsonl') as f:
        exchanges(folder, f.name)
        print(subprocess.run([binary, 'audit', f.name, '--repeat', str(audits)], stdout=subprocess.PIPE, check=True).stdout.decode().rstrip())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('data')
    parser.add_argument('--truthtable', default=os.path.join(fit.ROOT, '.build/release/truthtable'))
    parser.add_argument('--no-left-out', action='store_true')
    parser.add_argument('--audits', type=int, default=10_000, help='audits whose cost is measured, 0 for none')
    a = parser.parse_args()
    rows, results = [], {}
    for path in sorted(glob.glob(os.path.join(a.data, '*.jsonl'))):
        out = subprocess.run([a.truthtable, 'audit', path, '--jsonl'], stdout=subprocess.PIPE, check=True).stdout
        results.update((r['id'], r) for r in map(json.loads, out.decode().splitlines()))
        rows += [r for r in map(json.loads, open(path)) if r['split'] == 'dev']
    y = np.array([int(r['label'] == 'supported') for r in rows])
    source = np.array([r['source'] for r in rows])
    support = np.array([0.5 if results[r['id']]['support'] is None else results[r['id']]['support'] for r in rows])
    naive = np.array([baselines(r) for r in rows])
    out = None
    if not a.no_left_out:
        fitted = fit.Rows(a.data, a.truthtable)
        z = dict(zip(fitted.id, fit.left_out(fitted)))
        out = np.array([z[r['id']] for r in rows])
    sets = sorted(set(source))
    threshold = max(np.unique(support.round(3)), key=lambda t: np.mean([balanced(y[source == s], support[source == s], t) for s in sets]))
    print('threshold %.3f' % threshold)
    print('%-22s%6s%7s%7s%7s%7s%9s%9s%9s%9s' % ('set', 'rows', 'sup.', 'AUC', 'bal.', 'F1', 'cal.err', 'words', 'rarity', 'left out'))
    table = []
    for s in sets:
        m = source == s
        row = [100 * v for v in (y[m].mean(), fit.auc(y[m], support[m]), balanced(y[m], support[m], threshold), f1(y[m], support[m], threshold), calibration_error(y[m], support[m]),
                                 fit.auc(y[m], naive[m, 0]), fit.auc(y[m], naive[m, 1]), fit.auc(y[m], out[m]) if out is not None else np.nan)]
        table.append(row)
        print('%-22s%6d' % (s, m.sum()) + ('%6.0f%%' + '%7.1f' * 3 + '%9.1f' * 4) % tuple(row))
    print('%-28s' % 'mean' + ('%6.0f%%' + '%7.1f' * 3 + '%9.1f' * 4) % tuple(np.mean(table, 0)))
    print('pooled calibration error %.3f' % calibration_error(y, support))
    said = np.array([any(c['verdict'] == 'contradicted' for c in results[r['id']]['claims']) for r in rows])
    print('contradicted: %d rows, of which unsupported %.1f %%' % (said.sum(), 100 * (y[said] == 0).mean() if said.any() else 0))
    for s in sets:
        m = said & (source == s)
        if m.any(): print('    %-22s %3d of %3d' % (s, (y[m] == 0).sum(), m.sum()))
    verdicts = collections.Counter((results[r['id']]['verdict_kind'], r['label']) for r in rows)
    print('verdicts:', ', '.join('%s/%s %d' % (k[0], k[1], n) for k, n in sorted(verdicts.items())))
    print('at a threshold: share of supported rows below it (false alarms), share of unsupported rows below it (caught)')
    for t in (0.2, 0.3, threshold, 0.5, 0.7):
        print('    %.2f  %5.1f %%  %5.1f %%' % (t, 100 * (support[y == 1] < t).mean(), 100 * (support[y == 0] < t).mean()))
    print('contradicted, but supported: %.1f %% of the supported rows' % (100 * said[y == 1].mean()))
    edited = np.array([r['source'] == 'clapnq' and r.get('kind') in ENTITY_KINDS for r in rows])
    if edited.any():
        original = support[(source == 'clapnq') & (y == 1)]
        at = np.quantile(original, 0.1)
        print('swapped names caught at 10 %% false alarms: %.1f %% of %d' % (100 * (support[edited] < at).mean(), edited.sum()))
    cost(a.data, a.truthtable, a.audits)


if __name__ == '__main__': main()
