// SPDX-License-Identifier: Apache-2.0
// Durations, sizes, instants, ids and words. What is read and can be written reads back the same.
#include "base/id.h"
#include "base/log.h"
#include "base/suggest.h"
#include "base/units.h"
#include "base/utf8.h"
#include "fuzz/input.h"

// The years that RFC 3339 can write.
#define TIME_MIN INT64_C(-62167219200000)
#define TIME_MAX INT64_C(253402300799999)

static void time_check(const char *text) {
  int64_t ms, again;
  char out[TG_TIME_TEXT_LEN + 1];
  if (!tg_time_parse(text, &ms)) return;
  if (ms < TIME_MIN || ms > TIME_MAX) return; // an offset may lead a day out of them
  tg_time_format(ms, out);
  fuzz_check(strlen(out) == TG_TIME_TEXT_LEN && tg_time_parse(out, &again) && again == ms);
}

static void id_check(const char *text) {
  struct tg_id id, again;
  char out[TG_ID_TEXT_LEN + 1];
  if (!tg_id_parse(text, &id)) return;
  tg_id_format(id, out);
  fuzz_check(tg_id_parse(out, &again) && tg_id_equal(id, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const words[] = {"extract", "transform", "load", "30s", ""};
  struct input in = input_of(data, size);
  char *text = input_text(&in);
  int64_t value;
  char out[TG_DURATION_TEXT_MAX];
  if (tg_duration_parse(text, &value)) {
    fuzz_check(value >= 0);
    tg_duration_format(value, out);
    fuzz_check(strlen(out) < sizeof out);
  }
  if (tg_size_parse(text, &value)) fuzz_check(value >= 0);
  time_check(text);
  id_check(text);
  tg_utf8_is_valid(text, size);
  tg_log_level_parse(text);
  tg_suggest(text, words, sizeof words / sizeof *words);
  tg_duration_format((int64_t)input_number(&in, 8), out);
  free(text);
  return 0;
}
