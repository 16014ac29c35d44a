// SPDX-License-Identifier: Apache-2.0
// Matching: a walk over the items with a stack of what else could be tried. All of it is in the
// matcher, so that it can stop anywhere and go on later.
#include <string.h>

#include "script/pattern.h"

enum { STEPS_PER_TICK = 4096 };

static bool set_has(const uint64_t set[4], char c) {
  unsigned char byte = (unsigned char)c;
  return set[byte >> 6] >> (byte & 63) & 1;
}

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
  matcher->is_pausing = false;
}

static bool spend(struct tg_matcher *m, int64_t steps) {
  int64_t before = m->steps;
  m->steps -= steps;
  if (m->steps < 0) {
    m->fault = "pattern needs too many steps";
    return false;
  }
  int64_t ticks = before / STEPS_PER_TICK - m->steps / STEPS_PER_TICK;
  if (ticks > 0 && m->tick) m->is_pausing = m->tick(m->self, ticks * STEPS_PER_TICK);
  return true;
}

static bool push(struct tg_matcher *m, const char *low, const char *at) {
  if (m->choice_count == TG_PATTERN_CHOICES_MAX) {
    m->fault = "pattern too complex";
    return false;
  }
  m->choices[m->choice_count++] = (struct tg_pattern_choice){.item = m->item, .low = low, .at = at};
  return true;
}

static bool set_matches(const struct tg_matcher *m, const struct tg_pattern_item *item,
                        const char *at) {
  return at < m->end && set_has(item->set, *at);
}

static bool step_greedy(struct tg_matcher *m, const struct tg_pattern_item *item) {
  const char *at = m->at;
  while (set_matches(m, item, at)) at++;
  if (!spend(m, at - m->at)) return false;
  const char *low = m->at + item->low;
  if (at < low || (at > low && !push(m, low, at))) return false;
  m->at = at;
  return true;
}

static bool step_balance(struct tg_matcher *m, const struct tg_pattern_item *item) {
  char open = (char)item->low, close = (char)item->high;
  if (m->at == m->end || *m->at != open) return false;
  int64_t depth = 1;
  const char *at = m->at + 1;
  for (; at < m->end && depth > 0; at++) {
    if (*at == close)
      depth--;
    else if (*at == open)
      depth++;
  }
  if (!spend(m, at - m->at) || depth > 0) return false;
  m->at = at;
  return true;
}

static bool step_frontier(const struct tg_matcher *m, const struct tg_pattern_item *item) {
  char before = m->at == m->start ? 0 : m->at[-1], here = m->at == m->end ? 0 : *m->at;
  return !set_has(item->set, before) && set_has(item->set, here);
}

static bool step_back(struct tg_matcher *m, const struct tg_capture *capture) {
  if (capture->len < 0 || m->end - m->at < capture->len) return false;
  size_t len = (size_t)capture->len;
  if (!spend(m, capture->len / 16) || memcmp(capture->start, m->at, len) != 0) return false;
  m->at += len;
  return true;
}

static bool step_open(struct tg_matcher *m, ptrdiff_t len) {
  if (!push(m, NULL, NULL)) return false;
  m->captures[m->level++] = (struct tg_capture){.start = m->at, .len = len};
  return true;
}

static bool step_close(struct tg_matcher *m, struct tg_capture *capture) {
  if (!push(m, NULL, NULL)) return false;
  capture->len = m->at - capture->start;
  return true;
}

// Takes one item; false if it does not match here.
static bool step(struct tg_matcher *m, const struct tg_pattern_item *item) {
  switch (item->kind) {
  case TG_PATTERN_ONE:
    if (!set_matches(m, item, m->at)) return false;
    m->at++;
    return true;
  case TG_PATTERN_OPTIONAL:
    if (!set_matches(m, item, m->at)) return true;
    if (!push(m, m->at, m->at)) return false;
    m->at++;
    return true;
  case TG_PATTERN_GREEDY:
    return step_greedy(m, item);
  case TG_PATTERN_LAZY:
    return push(m, m->at, m->at);
  case TG_PATTERN_OPEN:
    return step_open(m, TG_CAPTURE_OPEN);
  case TG_PATTERN_POSITION:
    return step_open(m, TG_CAPTURE_POSITION);
  case TG_PATTERN_CLOSE:
    return step_close(m, &m->captures[item->low]);
  case TG_PATTERN_BALANCE:
    return step_balance(m, item);
  case TG_PATTERN_FRONTIER:
    return step_frontier(m, item);
  case TG_PATTERN_BACK:
    return step_back(m, &m->captures[item->low]);
  case TG_PATTERN_TAIL:
    return m->at == m->end;
  case TG_PATTERN_FAULT:
    m->fault = item->fault;
    return false;
  case TG_PATTERN_END:
    return true;
  }
  return false;
}

// Takes the newest choice another way and gives true, or drops it and gives false.
static bool choose_again(struct tg_matcher *m, struct tg_pattern_choice *choice) {
  const struct tg_pattern_item *item = &m->pattern->items[choice->item];
  switch (item->kind) {
  case TG_PATTERN_OPTIONAL:
    m->at = choice->at;
    m->choice_count--;
    return true;
  case TG_PATTERN_GREEDY:
    m->at = --choice->at;
    if (choice->at == choice->low) m->choice_count--;
    return true;
  case TG_PATTERN_LAZY:
    if (!set_matches(m, item, choice->at)) break;
    m->at = ++choice->at;
    return true;
  case TG_PATTERN_OPEN:
  case TG_PATTERN_POSITION:
    m->level--;
    break;
  case TG_PATTERN_CLOSE:
    m->captures[item->low].len = TG_CAPTURE_OPEN;
    break;
  default:
    break;
  }
  m->choice_count--;
  return false;
}

static bool backtrack(struct tg_matcher *m) {
  while (m->choice_count > 0) {
    struct tg_pattern_choice *choice = &m->choices[m->choice_count - 1];
    uint32_t item = choice->item;
    if (!choose_again(m, choice)) continue;
    m->item = item + 1;
    return true;
  }
  return false;
}

static void walk_begin(struct tg_matcher *m, const char *from) {
  m->found = m->at = from;
  m->item = 0;
  m->choice_count = 0;
  m->level = 0;
}

// Walks on until the pattern has matched at `found`, or cannot.
static enum tg_match walk(struct tg_matcher *m) {
  for (;;) {
    if (m->is_pausing) {
      m->is_pausing = false;
      return TG_MATCH_PAUSED;
    }
    const struct tg_pattern_item *item = &m->pattern->items[m->item];
    if (!spend(m, 1)) return TG_MATCH_FAULT;
    if (item->kind == TG_PATTERN_END) return TG_MATCH_FOUND;
    if (step(m, item))
      m->item++;
    else if (m->fault)
      return TG_MATCH_FAULT;
    else if (!backtrack(m))
      return TG_MATCH_NONE;
  }
}

enum tg_match tg_matcher_continue(struct tg_matcher *matcher) {
  for (;;) {
    enum tg_match match = walk(matcher);
    matcher->found_end = matcher->at;
    if (match != TG_MATCH_NONE || matcher->pattern->is_anchored || matcher->found == matcher->end)
      return match;
    walk_begin(matcher, matcher->found + 1);
  }
}

enum tg_match tg_matcher_find(struct tg_matcher *matcher, const char *from) {
  walk_begin(matcher, from);
  return tg_matcher_continue(matcher);
}
