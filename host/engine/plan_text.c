// SPDX-License-Identifier: Apache-2.0
#include "engine/plan_text.h"

#include <string.h>

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void blanks_skip(struct tg_plan_span *text) {
  while (text->at < text->end && is_blank(*text->at)) text->at++;
}

static bool is_next(const struct tg_plan_span *text, char c) {
  return text->at < text->end && *text->at == c;
}

// Leaves the text behind the quote that closes the string, or at its end if there is none.
static void string_skip(struct tg_plan_span *text) {
  for (text->at++; text->at < text->end && *text->at != '"'; text->at++)
    if (*text->at == '\\' && text->at + 1 < text->end) text->at++;
  if (text->at < text->end) text->at++;
}

// A value ends with its last bracket, or before a comma or bracket that is not its own.
static struct tg_plan_span value_take(struct tg_plan_span *text) {
  struct tg_plan_span value = {.at = text->at};
  size_t depth = 0;
  while (text->at < text->end) {
    char c = *text->at;
    bool is_close = c == ']' || c == '}';
    if (!depth && (is_close || c == ',')) break;
    if (c == '"') {
      string_skip(text);
      continue;
    }
    text->at++;
    if (c == '[' || c == '{') depth++;
    if (is_close && --depth == 0) break;
  }
  value.end = text->at;
  while (value.end > value.at && is_blank(value.end[-1])) value.end--;
  return value;
}

bool tg_plan_span_member(struct tg_plan_span text, const char *name, struct tg_plan_span *value) {
  size_t len = strlen(name);
  blanks_skip(&text);
  if (!is_next(&text, '{')) return false;
  do {
    text.at++;
    blanks_skip(&text);
    if (!is_next(&text, '"')) return false;
    struct tg_plan_span key = text;
    string_skip(&text);
    key.end = text.at;
    blanks_skip(&text);
    if (!is_next(&text, ':')) return false;
    text.at++;
    blanks_skip(&text);
    *value = value_take(&text);
    bool is_it = (size_t)(key.end - key.at) == len + 2 && memcmp(key.at + 1, name, len) == 0;
    blanks_skip(&text);
    if (is_it) return text.at < text.end;
  } while (is_next(&text, ','));
  return false;
}

bool tg_plan_span_next(struct tg_plan_span *list, struct tg_plan_span *item) {
  blanks_skip(list);
  if (!is_next(list, '[') && !is_next(list, ',')) return false;
  bool is_first = *list->at++ == '[';
  blanks_skip(list);
  if (is_first && is_next(list, ']')) return false;
  *item = value_take(list);
  return true;
}
