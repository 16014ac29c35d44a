// SPDX-License-Identifier: Apache-2.0
// "Did you mean": the known word that is nearest to one that is not known.
#pragma once

#include <stddef.h>

enum { TG_SUGGEST_WORD_MAX = 63 }; // longer words get no suggestion

/// Gives the candidate nearest to `word`, or NULL when none is near enough to be meant.
///
/// Shape:  near is at most one edit for words of up to 3 bytes, else a third of the length; an edit
///         inserts, removes or changes a byte, or swaps two neighbours; letter case is no edit; the
///         first of equally near ones
/// Source: restricted Damerau-Levenshtein distance
const char *tg_suggest(const char *word, const char *const *candidates, size_t count);
