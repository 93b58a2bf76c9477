"""Makes Sources/CLexicon/Lexicon.c out of WordNet 3.0 (Debian: wordnet-base).

    python3 tools/lexicon/generate.py /usr/share/wordnet Sources/CLexicon/Lexicon.c

The table holds no word: pairs of hashes of stems with how the second relates to the first, and how common the commonest are.
Stems and hashes are those of Sources/Auditing/Claims/Tokenizer.swift; when they change, run this again.
"""
import collections, os, sys

POS = {'n': 'noun', 'v': 'verb', 'a': 'adj', 'r': 'adv'}
# How many of a word's senses count, the commonest first: rare senses make everything akin to everything.
SENSES = {'n': 3, 'v': 4, 'a': 3, 'r': 2}
RELATIONS = 32
SAME, SYNONYM, OPPOSITE, NARROWER, BROADER, DERIVED = 1, 2, 3, 4, 5, 6


def stem(word):
    if word.endswith("'s"): word = word[:-2]
    if len(word) <= 3 or not word.isascii(): return word
    if word.endswith('ies') and len(word) > 4: word = word[:-3] + 'y'
    elif word.endswith(('sses', 'xes', 'ches', 'shes')): word = word[:-2]
    elif word.endswith('s') and not word.endswith(('ss', 'us', 'is')): word = word[:-1]
    cut = 5 if word.endswith('ingly') else 4 if word.endswith('edly') else 3 if word.endswith('ing') else 2 if word.endswith(('ed', 'ly')) else 0
    if cut and len(word) >= cut + 3:
        word = word[:-cut]
        if len(word) > 3 and word[-1] == word[-2] and word[-1] not in 'lsz': word = word[:-1]
    if len(word) > 3 and word.endswith('e'): word = word[:-1]
    if len(word) > 2 and word.endswith('y'): word = word[:-1] + 'i'
    return word


def hash32(word):
    h = 0xcbf29ce484222325
    for b in word.encode(): h = ((h ^ b) * 0x100000001b3) & 0xffffffffffffffff
    return (h ^ (h >> 32)) & 0xffffffff


def main(folder, output):
    senses, synsets, common = collections.defaultdict(dict), {}, collections.Counter()
    for pos, name in POS.items():
        for line in open(os.path.join(folder, 'index.' + name)):
            if line.startswith('  '): continue
            f = line.split()
            p = int(f[3])
            for rank, offset in enumerate(f[6 + p:]): senses[(f[0], pos)][pos + offset] = rank
        for line in open(os.path.join(folder, 'data.' + name)):
            if line.startswith('  '): continue
            f = line.split('|')[0].split()
            n = int(f[3], 16)
            words = [w.split('(')[0].lower() for w in f[4:4 + 2 * n:2]]
            rest = f[4 + 2 * n:]
            pointers = [rest[1 + 4 * i:5 + 4 * i] for i in range(int(rest[0]))]
            synsets[pos + f[0]] = (pos, words, [(s, ('a' if q == 's' else q) + o, int(w[:2], 16), int(w[2:], 16)) for s, o, q, w in pointers])
    for line in open(os.path.join(folder, 'cntlist.rev')):
        key, _, count = line.split()
        common[stem(key.split('%')[0])] += int(count)

    def usable(word, synset):
        pos = synset[0]
        return '_' not in word and '-' not in word and len(word) > 2 and senses.get((word, pos), {}).get(synset, 99) < SENSES[pos]

    pairs = {}

    def add(a, b, kind):
        a, b = stem(a), stem(b)
        if a == b: return
        # Words that were never counted in running text are left out: they triple the table.
        if kind != SAME and (common[a] < 2 or common[b] < 2): return
        old = pairs.get((a, b))
        # What is said to be an opposite is one; otherwise the closest relation counts.
        if old is None or kind == OPPOSITE or (old != OPPOSITE and kind < old): pairs[(a, b)] = kind

    for key, (pos, words, pointers) in synsets.items():
        own = [w for w in words if usable(w, key)]
        for a in own:
            for b in own: add(a, b, SYNONYM)
        for sign, target, source_word, target_word in pointers:
            if target not in synsets: continue
            other_pos, others, _ = synsets[target]
            if source_word:
                lexical = [(words[source_word - 1], others[target_word - 1])]
            else:
                lexical = [(a, b) for a in own for b in others]
            for a, b in lexical:
                if not usable(a, key) or not usable(b, target): continue
                if sign == '!':
                    add(a, b, OPPOSITE)
                    add(b, a, OPPOSITE)
                elif sign in ('+', '\\\\', '\\', '<'):
                    add(a, b, DERIVED)
                    add(b, a, DERIVED)
                elif sign in ('@', '@i'):
                    add(a, b, BROADER)
                    add(b, a, NARROWER)
                elif sign == '&' and pos in 'a':
                    add(a, b, SYNONYM)
                    # What is similar to an opposite is an opposite too.
                    for s2, t2, sw2, tw2 in synsets[target][2]:
                        if s2 == '!' and t2 in synsets and tw2:
                            c = synsets[t2][1][tw2 - 1]
                            if usable(c, t2):
                                add(a, c, OPPOSITE)
                                add(c, a, OPPOSITE)
    for name in ('noun', 'verb', 'adj'):
        for line in open(os.path.join(folder, name + '.exc')):
            f = line.split()
            if '_' in f[0] or '-' in f[0]: continue
            add(f[0], f[1], SAME)
            add(f[1], f[0], SAME)
    stems = sorted({s for pair in pairs for s in pair} | {w for w, c in common.items() if c >= 8 and '_' not in w}, key=hash32)
    number = {s: i for i, s in enumerate(stems)}
    related = collections.defaultdict(list)
    for (a, b), kind in pairs.items(): related[a].append((kind, number[b]))
    starts, relations = [0], []
    for s in stems:
        # The closest first, a few of each word.
        relations += [n << 3 | kind for kind, n in sorted(related[s])[:RELATIONS]]
        starts.append(len(relations))
    with open(output, 'w') as o:
        o.write(NOTICE)
        o.write('#include "CLexicon.h"\n\nconst uint32_t clexicon_count = %d;\n' % len(stems))
        write(o, 'uint32_t', 'clexicon_stems', ['0x%x' % hash32(s) for s in stems])
        buckets = [0] * 4097
        for x in stems: buckets[(hash32(x) >> 20) + 1] += 1
        for i in range(4096): buckets[i + 1] += buckets[i]
        write(o, 'uint32_t', 'clexicon_buckets', map(str, buckets))
        write(o, 'uint8_t', 'clexicon_commonness', [str(min(15, common[s].bit_length())) for s in stems])
        write(o, 'uint32_t', 'clexicon_starts', map(str, starts))
        write(o, 'uint32_t', 'clexicon_relations', map(str, relations))
    print(len(stems), 'stems', len(relations), 'relations', collections.Counter(r & 7 for r in relations))


def write(o, type, name, values):
    values = list(values)
    o.write('const %s %s[] = {\n' % (type, name))
    for i in range(0, len(values), 24): o.write(','.join(values[i:i + 24]) + ',\n')
    o.write('};\n')


NOTICE = """// How words relate to each other, by hashes of their stems. Made by tools/lexicon/generate.py out of WordNet 3.0, whose licence follows.
//
// WordNet Release 3.0. This software and database is being provided to you, the LICENSEE, by Princeton University under the
// following license. By obtaining, using and/or copying this software and database, you agree that you have read, understood,
// and will comply with these terms and conditions.:
//
// Permission to use, copy, modify and distribute this software and database and its documentation for any purpose and without
// fee or royalty is hereby granted, provided that you agree to comply with the following copyright notice and statements,
// including the disclaimer, and that the same appear on ALL copies of the software, database and documentation, including
// modifications that you make for internal use or for distribution.
//
// WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved.
//
// THIS SOFTWARE AND DATABASE IS PROVIDED "AS IS" AND PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES, EXPRESS OR
// IMPLIED. BY WAY OF EXAMPLE, BUT NOT LIMITATION, PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES OF
// MERCHANTABILITY OR FITNESS FOR ANY PARTICULAR PURPOSE OR THAT THE USE OF THE LICENSED SOFTWARE, DATABASE OR DOCUMENTATION
// WILL NOT INFRINGE ANY THIRD PARTY PATENTS, COPYRIGHTS, TRADEMARKS OR OTHER RIGHTS.
//
// The name of Princeton University or Princeton may not be used in advertising or publicity pertaining to distribution of the
// software and/or database. Title to copyright in this software, database and any associated documentation shall at all times
// remain with Princeton University and LICENSEE agrees to preserve same.

"""

if __name__ == '__main__': main(sys.argv[1], sys.argv[2])
