// A table of how words relate to each other, in C so that it is part of the executable's read-only pages: no time to build it at
// start, one copy for all auditors. See tools/lexicon/generate.py.
#ifndef CLEXICON_H
#define CLEXICON_H

#include <stdint.h>

// Hashes of stems, sorted, and the bits of how often each was counted in running text.
extern const uint32_t clexicon_count;
extern const uint32_t clexicon_stems[];
extern const uint8_t clexicon_commonness[];
// Where the stems with the same highest 12 bits begin; one more than there are of these.
extern const uint32_t clexicon_buckets[];
// Where the relations of each begin; one more than there are stems.
extern const uint32_t clexicon_starts[];
// The number of the other stem, and in the lowest 3 bits how it relates to the first (Lexicon.swift names the kinds).
extern const uint32_t clexicon_relations[];

static inline uint32_t clexicon_stem(uint32_t number) { return clexicon_stems[number]; }
// The number of a stem, -1 if the table does not hold it.
static inline int32_t clexicon_find(uint32_t stem) {
    for (uint32_t number = clexicon_buckets[stem >> 20]; number < clexicon_buckets[(stem >> 20) + 1]; number++)
        if (clexicon_stems[number] == stem) return (int32_t)number;
    return -1;
}

static inline uint32_t clexicon_bits(uint32_t number) { return clexicon_commonness[number]; }
static inline uint32_t clexicon_start(uint32_t number) { return clexicon_starts[number]; }
static inline uint32_t clexicon_relation(uint32_t number) { return clexicon_relations[number]; }

#endif
