// SPDX-License-Identifier: Apache-2.0
#include "engine/plan_usual.h"

#include <string.h>

#include "base/limits.h"

enum { DIGITS_MAX = 9 };

// Takes a text that must be the next; `at` is NULL from the first one on that is not.
static void text_take(struct tg_plan_span *in, const char *text) {
  size_t len = strlen(text);
  if (in->at && (size_t)(in->end - in->at) >= len && memcmp(in->at, text, len) == 0)
    in->at += len;
  else
    in->at = NULL;
}

static bool is_next(const struct tg_plan_span *in, const char *text) {
  struct tg_plan_span ahead = *in;
  text_take(&ahead, text);
  return ahead.at;
}

static uint32_t number_take(struct tg_plan_span *in) {
  const char *begin = in->at;
  uint32_t number = 0;
  while (in->at && in->at < in->end && *in->at >= '0' && *in->at <= '9' &&
         in->at - begin < DIGITS_MAX)
    number = number * 10 + (uint32_t)(*in->at++ - '0');
  if (in->at == begin || (*begin == '0' && in->at - begin > 1)) in->at = NULL;
  return number;
}

static bool stands_for_itself(char c) {
  return c > ' ' && c < 0x7f && !strchr("\"\\/", c);
}

// Takes a string of what stands for itself, quotes included.
static struct tg_plan_span word_take(struct tg_plan_span *in) {
  struct tg_plan_span word = {0};
  text_take(in, "\"");
  if (!in->at) return word;
  word.at = in->at;
  while (in->at < in->end && stands_for_itself(*in->at)) in->at++;
  word.end = in->at;
  if (word.end - word.at > TG_NAME_BYTES_MAX || word.end == word.at) in->at = NULL;
  text_take(in, "\"");
  return word;
}

static struct tg_plan_span indexes_take(struct tg_plan_span *in) {
  struct tg_plan_span indexes = {.at = in->at};
  if (is_next(in, "]")) return (struct tg_plan_span){.at = in->at, .end = in->at};
  do number_take(in);
  while (in->at && in->at < in->end && *in->at == ',' && in->at++);
  indexes.end = in->at;
  return indexes;
}

// Takes what is behind the name, up to the bracket of the item that begins at `item`.
static struct tg_plan_span rest_take(struct tg_plan_span *in, struct tg_plan_span item,
                                     struct tg_plan_span last) {
  size_t len = (size_t)(last.end - last.at), left = (size_t)(in->end - in->at);
  struct tg_plan_span rest = {.at = in->at, .end = in->at + len};
  bool is_same = len && left > len && memcmp(in->at, last.at, len) == 0 && in->at[len] == '}';
  if (!is_same) {
    bool is_whole = tg_plan_span_next(&item, &item) && item.end[-1] == '}' && item.end > in->at;
    rest.end = is_whole ? item.end - 1 : in->at;
  }
  in->at = rest.end > rest.at ? rest.end : NULL;
  return rest;
}

bool tg_plan_usual_next(struct tg_plan_span *list, struct tg_plan_usual *task) {
  struct tg_plan_span in = *list, last = task->rest;
  task->after = task->rest = (struct tg_plan_span){.at = "", .end = ""};
  if (in.at == in.end || (*in.at != '[' && *in.at != ',')) return false;
  task->text.at = ++in.at;
  text_take(&in, "{");
  if (is_next(&in, "\"after\"")) {
    text_take(&in, "\"after\":[");
    task->after = indexes_take(&in);
    text_take(&in, "],");
  }
  text_take(&in, "\"line\":");
  task->line = number_take(&in);
  text_take(&in, ",\"name\":");
  task->name = word_take(&in);
  if (is_next(&in, ",")) task->rest = rest_take(&in, *list, last);
  text_take(&in, "}");
  task->text.end = in.at;
  if (in.at) list->at = in.at;
  return in.at;
}

bool tg_plan_usual_index(struct tg_plan_span *after, uint32_t *index) {
  if (after->at == after->end) return false;
  *index = number_take(after);
  if (after->at < after->end) after->at++; // the comma
  return true;
}
