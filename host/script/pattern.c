// SPDX-License-Identifier: Apache-2.0
// Compiling patterns. Source: Lua 5.4 reference manual, 6.4.1; the tests compare with Lua's
// library.
#include "script/pattern.h"

#include <string.h>

// ---- Sets of bytes -----------------------------------------------------------------------------

struct range {
  unsigned char low, high;
};

struct class {
  char letter;
  struct range ranges[4]; // unused ones are {1, 0}
};

#define NO_RANGE                                                                                   \
  { 1, 0 }

// The classes of the C locale, whatever the process's locale is.
static const struct class classes[] = {
    {'a', {{'A', 'Z'}, {'a', 'z'}, NO_RANGE, NO_RANGE}},
    {'c', {{0, 31}, {127, 127}, NO_RANGE, NO_RANGE}},
    {'d', {{'0', '9'}, NO_RANGE, NO_RANGE, NO_RANGE}},
    {'g', {{33, 126}, NO_RANGE, NO_RANGE, NO_RANGE}},
    {'l', {{'a', 'z'}, NO_RANGE, NO_RANGE, NO_RANGE}},
    {'p', {{33, 47}, {58, 64}, {91, 96}, {123, 126}}},
    {'s', {{9, 13}, {32, 32}, NO_RANGE, NO_RANGE}},
    {'u', {{'A', 'Z'}, NO_RANGE, NO_RANGE, NO_RANGE}},
    {'w', {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}, NO_RANGE}},
    {'x', {{'0', '9'}, {'A', 'F'}, {'a', 'f'}, NO_RANGE}},
    {'z', {{0, 0}, NO_RANGE, NO_RANGE, NO_RANGE}}, // not in the manual any more, but in Lua
};

static void set_add(uint64_t set[4], unsigned char c) {
  set[c >> 6] |= UINT64_C(1) << (c & 63);
}

static void set_add_range(uint64_t set[4], unsigned char low, unsigned char high) {
  for (unsigned c = low; c <= high; c++) set_add(set, (unsigned char)c);
}

static void set_invert(uint64_t set[4]) {
  for (int i = 0; i < 4; i++) set[i] = ~set[i];
}

// Adds what %c stands for: a class, the complement of one for a capital, or the character itself.
static void set_add_escape(uint64_t set[4], unsigned char c) {
  bool is_capital = c >= 'A' && c <= 'Z';
  char letter = (char)(is_capital ? c + ('a' - 'A') : c);
  for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
    if (classes[i].letter != letter) continue;
    uint64_t class[4] = {0};
    for (int r = 0; r < 4; r++)
      set_add_range(class, classes[i].ranges[r].low, classes[i].ranges[r].high);
    if (is_capital) set_invert(class);
    for (int w = 0; w < 4; w++) set[w] |= class[w];
    return;
  }
  set_add(set, c);
}

// ---- Compiling ---------------------------------------------------------------------------------

struct compiler {
  const char *at, *end;
  struct tg_pattern_item *item; // the next one
  int level;                    // captures so far
  bool is_open[TG_PATTERN_CAPTURES_MAX];
};

size_t tg_pattern_items_max(size_t len) {
  return len + 1;
}

static void put_fault(struct compiler *c, const char *fault) {
  c->item->kind = TG_PATTERN_FAULT;
  c->item->fault = fault;
  c->item++;
  c->at = c->end;
}

// Finds the ] that ends the set which starts at `at`, just behind [; NULL if there is none.
static const char *set_end(const char *at, const char *end) {
  if (at < end && *at == '^') at++;
  for (bool is_first = true; at < end; is_first = false) {
    if (*at == ']' && !is_first) return at;
    at += *at == '%' && at + 1 < end ? 2 : 1;
  }
  return NULL;
}

// Reads a set behind its [ into the item and moves behind its ].
static bool read_set(struct compiler *c) {
  const char *at = c->at, *end = set_end(at, c->end);
  if (!end) {
    put_fault(c, "malformed pattern (missing ']')");
    return false;
  }
  uint64_t *set = c->item->set;
  memset(set, 0, sizeof c->item->set);
  bool is_complement = at < end && *at == '^';
  if (is_complement) at++;
  while (at < end) {
    if (*at == '%') {
      set_add_escape(set, (unsigned char)at[1]);
      at += 2;
    } else if (end - at > 2 && at[1] == '-') {
      set_add_range(set, (unsigned char)at[0], (unsigned char)at[2]);
      at += 3;
    } else {
      set_add(set, (unsigned char)*at++);
    }
  }
  if (is_complement) set_invert(set);
  c->at = end + 1;
  return true;
}

static void put_simple(struct compiler *c, enum tg_pattern_kind kind, unsigned char low,
                       unsigned char high) {
  c->item->kind = kind;
  c->item->low = low;
  c->item->high = high;
  c->item++;
}

static void read_open(struct compiler *c) {
  bool is_position = c->at < c->end && *c->at == ')';
  if (c->level == TG_PATTERN_CAPTURES_MAX) {
    put_fault(c, "too many captures");
    return;
  }
  c->at += is_position;
  c->is_open[c->level++] = !is_position;
  put_simple(c, is_position ? TG_PATTERN_POSITION : TG_PATTERN_OPEN, 0, 0);
}

static void read_close(struct compiler *c) {
  for (int i = c->level - 1; i >= 0; i--) {
    if (!c->is_open[i]) continue;
    c->is_open[i] = false;
    put_simple(c, TG_PATTERN_CLOSE, (unsigned char)i, 0);
    return;
  }
  put_fault(c, "invalid pattern capture");
}

static void read_back(struct compiler *c, int capture) {
  if (capture < 0 || capture >= c->level || c->is_open[capture])
    put_fault(c, "invalid capture index in pattern");
  else
    put_simple(c, TG_PATTERN_BACK, (unsigned char)capture, 0);
}

static void read_balance(struct compiler *c) {
  if (c->end - c->at < 2) {
    put_fault(c, "malformed pattern (missing arguments to '%b')");
    return;
  }
  put_simple(c, TG_PATTERN_BALANCE, (unsigned char)c->at[0], (unsigned char)c->at[1]);
  c->at += 2;
}

static void read_frontier(struct compiler *c) {
  if (c->at == c->end || *c->at != '[') {
    put_fault(c, "missing '[' after '%f' in pattern");
    return;
  }
  c->at++;
  if (!read_set(c)) return;
  put_simple(c, TG_PATTERN_FRONTIER, 0, 0);
}

// Reads what may follow one character or set and finishes its item.
static void read_quantifier(struct compiler *c) {
  switch (c->at < c->end ? *c->at : 0) {
  case '?':
    put_simple(c, TG_PATTERN_OPTIONAL, 0, 0);
    break;
  case '*':
    put_simple(c, TG_PATTERN_GREEDY, 0, 0);
    break;
  case '+':
    put_simple(c, TG_PATTERN_GREEDY, 1, 0);
    break;
  case '-':
    put_simple(c, TG_PATTERN_LAZY, 0, 0);
    break;
  default:
    put_simple(c, TG_PATTERN_ONE, 0, 0);
    return;
  }
  c->at++;
}

static void read_character(struct compiler *c, char first) {
  memset(c->item->set, 0, sizeof c->item->set);
  if (first == '.')
    set_invert(c->item->set);
  else if (first == '%')
    set_add_escape(c->item->set, (unsigned char)*c->at++);
  else if (first != '[')
    set_add(c->item->set, (unsigned char)first);
  else if (!read_set(c))
    return;
  read_quantifier(c);
}

static void read_escape(struct compiler *c) {
  char what = c->at < c->end ? *c->at : 0;
  if (c->at == c->end) {
    put_fault(c, "malformed pattern (ends with '%')");
  } else if (what >= '0' && what <= '9') {
    c->at++;
    read_back(c, what - '1');
  } else if (what == 'b' || what == 'f') {
    c->at++;
    (what == 'b' ? read_balance : read_frontier)(c);
  } else {
    read_character(c, '%');
  }
}

void tg_pattern_compile(struct tg_pattern *pattern, struct tg_pattern_item *items, const char *text,
                        size_t len, bool may_anchor) {
  struct compiler c = {.at = text, .end = text + len, .item = items};
  pattern->items = items;
  pattern->is_anchored = may_anchor && len > 0 && *text == '^';
  c.at += pattern->is_anchored;
  while (c.at < c.end) {
    char first = *c.at++;
    switch (first) {
    case '(':
      read_open(&c);
      break;
    case ')':
      read_close(&c);
      break;
    case '%':
      read_escape(&c);
      break;
    case '$':
      if (c.at == c.end) {
        put_simple(&c, TG_PATTERN_TAIL, 0, 0);
        break;
      }
      // fall through
    default:
      read_character(&c, first);
    }
  }
  put_simple(&c, TG_PATTERN_END, 0, 0);
}
