// SPDX-License-Identifier: Apache-2.0
#include "base/suggest.h"

#include <ctype.h>
#include <string.h>

static size_t min(size_t a, size_t b) {
  return a < b ? a : b;
}

static int lower(char c) {
  return tolower((unsigned char)c);
}

// Three rows of the table of distances are enough: the current one and the two above it.
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len) {
  size_t rows[3][TG_SUGGEST_WORD_MAX + 1];
  size_t *above2 = rows[0], *above = rows[1], *row = rows[2];
  for (size_t j = 0; j <= b_len; j++) above[j] = j;
  for (size_t i = 1; i <= a_len; i++) {
    row[0] = i;
    for (size_t j = 1; j <= b_len; j++) {
      size_t change = above[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
      row[j] = min(change, min(above[j], row[j - 1]) + 1);
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
          lower(a[i - 2]) == lower(b[j - 1]))
        row[j] = min(row[j], above2[j - 2] + 1);
    }
    size_t *spare = above2;
    above2 = above;
    above = row;
    row = spare;
  }
  return above[b_len];
}

const char *tg_suggest(const char *word, const char *const *candidates, size_t count) {
  size_t len = strlen(word);
  if (len == 0 || len > TG_SUGGEST_WORD_MAX) return NULL;
  const char *best = NULL;
  size_t best_distance = (len <= 3 ? 1 : (len + 2) / 3) + 1;
  for (size_t i = 0; i < count; i++) {
    size_t candidate_len = strlen(candidates[i]);
    if (candidate_len > TG_SUGGEST_WORD_MAX) continue;
    size_t edits = distance(word, len, candidates[i], candidate_len);
    if (edits >= best_distance || edits >= candidate_len) continue;
    best = candidates[i];
    best_distance = edits;
  }
  return best;
}
