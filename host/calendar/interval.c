// SPDX-License-Identifier: Apache-2.0
#include "calendar/interval.h"

#include <string.h>

static const char *const missed_words[] = {
#define X(name, word) word,
    TG_MISSED(X)
#undef X
};

const char *tg_missed_word(enum tg_missed missed) {
  return (unsigned)missed < TG_MISSED_COUNT ? missed_words[missed] : "unknown";
}

int tg_missed_parse(const char *word) {
  for (int i = 0; i < TG_MISSED_COUNT; i++)
    if (strcmp(word, missed_words[i]) == 0) return i;
  return -1;
}

struct tg_interval tg_interval_of(const struct tg_schedule *schedule, int64_t occurrence_ms) {
  struct tg_interval interval = {occurrence_ms, occurrence_ms};
  int64_t start_ms;
  if (tg_schedule_prev(schedule, occurrence_ms, &start_ms)) interval.start_ms = start_ms;
  return interval;
}

size_t tg_interval_list(const struct tg_schedule *schedule, int64_t from_ms, int64_t to_ms,
                        struct tg_interval *items, size_t max, bool *has_more) {
  size_t count = 0;
  int64_t start_ms, end_ms;
  *has_more = false;
  bool is_there = tg_schedule_next(schedule, from_ms - 1, &start_ms);
  while (is_there && start_ms < to_ms && tg_schedule_next(schedule, start_ms, &end_ms)) {
    if ((*has_more = count == max)) break;
    items[count++] = (struct tg_interval){start_ms, end_ms};
    start_ms = end_ms;
  }
  return count;
}

static void reverse(int64_t *items, size_t count) {
  for (size_t i = 0; i < count / 2; i++) {
    int64_t other = items[count - 1 - i];
    items[count - 1 - i] = items[i];
    items[i] = other;
  }
}

size_t tg_missed_list(const struct tg_schedule *schedule, const struct tg_missed_policy *policy,
                      int64_t last_ms, int64_t now_ms, int64_t *items, size_t max, bool *has_more) {
  size_t count = 0;
  int64_t at_ms = now_ms + 1;
  *has_more = false;
  if (policy->missed == TG_MISSED_SKIP && last_ms < now_ms - policy->grace_ms - 1)
    last_ms = now_ms - policy->grace_ms - 1;
  if (policy->missed == TG_MISSED_LATEST) max = 1;
  while (tg_schedule_prev(schedule, at_ms, &at_ms) && at_ms > last_ms) {
    if ((*has_more = count == max)) break;
    items[count++] = at_ms;
  }
  reverse(items, count);
  return count;
}
