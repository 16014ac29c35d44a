// SPDX-License-Identifier: Apache-2.0
// Lua's patterns, matched under a budget of steps. Knows no Lua.
//
// A pattern is compiled into items: a set of bytes with a quantifier, a capture that opens or
// closes, %b, %f, a back reference. The matcher walks the items with a stack of choices instead of
// recursion, so that time and stack are bounded, and so that it can pause. A malformed part of a
// pattern is an item too: like in Lua it is an error only for a subject that gets there.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  TG_PATTERN_CAPTURES_MAX = 32,
  TG_PATTERN_CHOICES_MAX = 200, // open choices, as many as Lua has
  TG_PATTERN_INLINE_ITEMS = 16,
};

/// What an item of a pattern does.
enum tg_pattern_kind {
  TG_PATTERN_ONE,      // one byte of the set
  TG_PATTERN_OPTIONAL, // ?
  TG_PATTERN_GREEDY,   // * and +, `low` is the least number
  TG_PATTERN_LAZY,     // -
  TG_PATTERN_OPEN,
  TG_PATTERN_CLOSE,    // of capture `low`
  TG_PATTERN_POSITION, // ()
  TG_PATTERN_BALANCE,  // %b, its two bytes in `low` and `high`
  TG_PATTERN_FRONTIER, // %f
  TG_PATTERN_BACK,     // %1, of capture `low`
  TG_PATTERN_TAIL,     // $
  TG_PATTERN_END,
  TG_PATTERN_FAULT, // `fault` says what is wrong here
};

struct tg_pattern_item {
  enum tg_pattern_kind kind;
  unsigned char low, high;
  union {
    uint64_t set[4]; // one bit for each byte
    const char *fault;
  };
};

struct tg_pattern {
  struct tg_pattern_item *items;
  bool is_anchored;
};

/// Gives the number of items that a pattern of `len` bytes has room for in the worst case.
size_t tg_pattern_items_max(size_t len);

/// Compiles a pattern into `items`, which has room for tg_pattern_items_max. A leading ^ is an
/// anchor if `may_anchor`. Never fails: faults are items.
void tg_pattern_compile(struct tg_pattern *pattern, struct tg_pattern_item *items, const char *text,
                        size_t len, bool may_anchor);

enum { TG_CAPTURE_OPEN = -1, TG_CAPTURE_POSITION = -2 };

struct tg_capture {
  const char *start;
  ptrdiff_t len; // or TG_CAPTURE_OPEN, TG_CAPTURE_POSITION
};

/// What to try, or to undo, when the rest of the pattern does not match.
struct tg_pattern_choice {
  uint32_t item;
  const char *low, *at; // GREEDY gives back from `at` down to `low`; LAZY takes more at `at`
};

enum tg_match {
  TG_MATCH_NONE,
  TG_MATCH_FOUND,  // from `found` to `found_end`
  TG_MATCH_FAULT,  // `fault` says why
  TG_MATCH_PAUSED, // tick asked for it; tg_matcher_continue goes on
};

/// A search in one subject. It may be copied while it is paused; the copy's pattern is set by the
/// copier if that moves too.
struct tg_matcher {
  const struct tg_pattern *pattern;
  const char *start, *end; // of the subject
  int level;               // captures so far
  struct tg_capture captures[TG_PATTERN_CAPTURES_MAX];
  int64_t steps; // left
  /// Called every few thousand steps with their number; gives true for a pause. May leave by
  /// longjmp. May be NULL.
  bool (*tick)(void *self, int64_t steps);
  void *self;
  const char *fault; // set when the pattern is malformed, too complex or needs too many steps
  const char *found, *found_end;
  // Where the walk stands.
  const char *at;
  uint32_t item;
  int choice_count;
  bool is_pausing;
  struct tg_pattern_choice choices[TG_PATTERN_CHOICES_MAX];
};

/// Readies a matcher for searches in one subject that take at most `steps` together.
void tg_matcher_init(struct tg_matcher *matcher, const struct tg_pattern *pattern, const char *text,
                     size_t len, int64_t steps);

/// Finds the first match at or after `from`; an anchored pattern is tried at `from` only.
enum tg_match tg_matcher_find(struct tg_matcher *matcher, const char *from);

/// Goes on after a pause.
enum tg_match tg_matcher_continue(struct tg_matcher *matcher);
