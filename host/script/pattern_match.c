// SPDX-License-Identifier: Apache-2.0
// Matching: a walk over the items with a stack of what else could be tried.
#include <string.h>

#include "script/pattern.h"

enum { STEPS_PER_TICK = 4096 };

static bool set_has(const uint64_t set[4], char c) {
  unsigned char byte = (unsigned char)c;
  return set[byte >> 6] >> (byte & 63) & 1;
}

// What to try, or to undo, when the rest of the pattern does not match.
struct choice {
  const struct tg_pattern_item *item;
  const char *low, *at; // GREEDY gives back from `at` down to `low`; LAZY takes more at `at`
};

struct walk {
  struct tg_matcher *m;
  const struct tg_pattern_item *item;
  const char *at;
  int count;
  struct choice choices[TG_PATTERN_CHOICES_MAX];
};

void tg_matcher_init(struct tg_matcher *matcher, const struct tg_pattern *pattern, const char *text,
                     size_t len, int64_t steps) {
  matcher->pattern = pattern;
  matcher->start = text;
  matcher->end = text + len;
  matcher->level = 0;
  matcher->steps = steps;
  matcher->tick = NULL;
  matcher->self = NULL;
  matcher->fault = NULL;
}

static bool spend(struct tg_matcher *m, int64_t steps) {
  int64_t before = m->steps;
  m->steps -= steps;
  if (m->steps < 0) {
    m->fault = "pattern needs too many steps";
    return false;
  }
  int64_t ticks = before / STEPS_PER_TICK - m->steps / STEPS_PER_TICK;
  if (ticks > 0 && m->tick) m->tick(m->self, ticks * STEPS_PER_TICK);
  return true;
}

static bool push(struct walk *w, const char *low, const char *at) {
  if (w->count == TG_PATTERN_CHOICES_MAX) {
    w->m->fault = "pattern too complex";
    return false;
  }
  w->choices[w->count++] = (struct choice){.item = w->item, .low = low, .at = at};
  return true;
}

static bool set_matches(const struct walk *w, const struct tg_pattern_item *item, const char *at) {
  return at < w->m->end && set_has(item->set, *at);
}

static bool step_greedy(struct walk *w) {
  const char *at = w->at;
  while (set_matches(w, w->item, at)) at++;
  if (!spend(w->m, at - w->at)) return false;
  const char *low = w->at + w->item->low;
  if (at < low || (at > low && !push(w, low, at))) return false;
  w->at = at;
  return true;
}

static bool step_balance(struct walk *w) {
  char open = (char)w->item->low, close = (char)w->item->high;
  if (w->at == w->m->end || *w->at != open) return false;
  int64_t depth = 1;
  const char *at = w->at + 1;
  for (; at < w->m->end && depth > 0; at++) {
    if (*at == close)
      depth--;
    else if (*at == open)
      depth++;
  }
  if (!spend(w->m, at - w->at) || depth > 0) return false;
  w->at = at;
  return true;
}

static bool step_frontier(struct walk *w) {
  const struct tg_matcher *m = w->m;
  char before = w->at == m->start ? 0 : w->at[-1], here = w->at == m->end ? 0 : *w->at;
  return !set_has(w->item->set, before) && set_has(w->item->set, here);
}

static bool step_back(struct walk *w) {
  struct tg_capture *capture = &w->m->captures[w->item->low];
  if (capture->len < 0 || w->m->end - w->at < capture->len) return false;
  size_t len = (size_t)capture->len;
  if (!spend(w->m, capture->len / 16) || memcmp(capture->start, w->at, len) != 0) return false;
  w->at += len;
  return true;
}

static bool step_open(struct walk *w, ptrdiff_t len) {
  if (!push(w, NULL, NULL)) return false;
  w->m->captures[w->m->level++] = (struct tg_capture){.start = w->at, .len = len};
  return true;
}

static bool step_close(struct walk *w) {
  struct tg_capture *capture = &w->m->captures[w->item->low];
  if (!push(w, NULL, NULL)) return false;
  capture->len = w->at - capture->start;
  return true;
}

// Takes one item; false if it does not match here.
static bool step(struct walk *w) {
  switch (w->item->kind) {
  case TG_PATTERN_ONE:
    if (!set_matches(w, w->item, w->at)) return false;
    w->at++;
    return true;
  case TG_PATTERN_OPTIONAL:
    if (!set_matches(w, w->item, w->at)) return true;
    if (!push(w, w->at, w->at)) return false;
    w->at++;
    return true;
  case TG_PATTERN_GREEDY:
    return step_greedy(w);
  case TG_PATTERN_LAZY:
    return push(w, w->at, w->at);
  case TG_PATTERN_OPEN:
    return step_open(w, TG_CAPTURE_OPEN);
  case TG_PATTERN_POSITION:
    return step_open(w, TG_CAPTURE_POSITION);
  case TG_PATTERN_CLOSE:
    return step_close(w);
  case TG_PATTERN_BALANCE:
    return step_balance(w);
  case TG_PATTERN_FRONTIER:
    return step_frontier(w);
  case TG_PATTERN_BACK:
    return step_back(w);
  case TG_PATTERN_TAIL:
    return w->at == w->m->end;
  case TG_PATTERN_FAULT:
    w->m->fault = w->item->fault;
    return false;
  case TG_PATTERN_END:
    return true;
  }
  return false;
}

// Takes the newest choice another way and gives true, or drops it and gives false.
static bool choose_again(struct walk *w, struct choice *choice) {
  switch (choice->item->kind) {
  case TG_PATTERN_OPTIONAL:
    w->at = choice->at;
    w->count--;
    return true;
  case TG_PATTERN_GREEDY:
    w->at = --choice->at;
    if (choice->at == choice->low) w->count--;
    return true;
  case TG_PATTERN_LAZY:
    if (!set_matches(w, choice->item, choice->at)) break;
    w->at = ++choice->at;
    return true;
  case TG_PATTERN_OPEN:
  case TG_PATTERN_POSITION:
    w->m->level--;
    break;
  case TG_PATTERN_CLOSE:
    w->m->captures[choice->item->low].len = TG_CAPTURE_OPEN;
    break;
  default:
    break;
  }
  w->count--;
  return false;
}

static bool backtrack(struct walk *w) {
  while (w->count > 0) {
    struct choice *choice = &w->choices[w->count - 1];
    const struct tg_pattern_item *item = choice->item;
    if (!choose_again(w, choice)) continue;
    w->item = item + 1;
    return true;
  }
  return false;
}

const char *tg_matcher_match(struct tg_matcher *matcher, const char *at) {
  struct walk w;
  w.m = matcher;
  w.item = matcher->pattern->items;
  w.at = at;
  w.count = 0;
  matcher->level = 0;
  for (;;) {
    if (!spend(matcher, 1)) return NULL;
    if (w.item->kind == TG_PATTERN_END) return w.at;
    if (step(&w))
      w.item++;
    else if (matcher->fault || !backtrack(&w))
      return NULL;
  }
}

const char *tg_matcher_find(struct tg_matcher *matcher, const char **at) {
  for (;; (*at)++) {
    const char *end = tg_matcher_match(matcher, *at);
    if (end || matcher->fault || matcher->pattern->is_anchored || *at == matcher->end) return end;
  }
}
