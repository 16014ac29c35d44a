// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/suggest.h"
#include "base/units.h"
#include "calendar/cron.h"
#include "calendar/cron_fields.h"

static const char *const month_names[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                          "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
static const char *const weekday_names[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

enum field_kind { SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELD_COUNT };

// In the order in which they stand in an expression.
static const struct field {
  const char *name, *a_name;
  int32_t min, max;
  const char *const *names; // of min, min + 1, ...
  size_t name_count;
} fields[FIELD_COUNT] = {
    {"second", "a second", 0, 59, NULL, 0},
    {"minute", "a minute", 0, 59, NULL, 0},
    {"hour", "an hour", 0, 23, NULL, 0},
    {"day of the month", "a day of the month", 1, 31, NULL, 0},
    {"month", "a month", 1, 12, month_names, 12},
    {"weekday", "a weekday", 0, 7, weekday_names, 7},
};

struct reader {
  const char *text, *at;
  const struct field *field;
  struct tg_error *err;
  struct tg_cron *cron;
  const char *starts[FIELD_COUNT]; // where each field starts
  bool has_star[FIELD_COUNT];      // starts with * or ?
  bool has_step[FIELD_COUNT];
};

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

static bool is_item_end(char c) {
  return !c || c == ',' || is_blank(c);
}

__attribute__((format(printf, 3, 4))) static int fault(const struct reader *in, const char *at,
                                                       const char *format, ...) {
  char what[512];
  va_list args;
  va_start(args, format);
  vsnprintf(what, sizeof what, format, args);
  va_end(args);
  return tg_error_set(in->err, TG_EINVALID, "\"%s\", character %zu: %s", in->text,
                      (size_t)(at - in->text) + 1, what);
}

static bool accept(struct reader *in, char c) {
  if (toupper((unsigned char)*in->at) != c) return false;
  in->at++;
  return true;
}

// The length of what stands at a place, as far as a person would quote it.
static int word_len(const char *at) {
  int len = 0;
  while (isalnum((unsigned char)at[len])) len++;
  return len ? len : *at != 0;
}

static int item_fault(const struct reader *in, const char *at) {
  const struct field *field = in->field;
  if (is_item_end(*at))
    return fault(in, at, "the %s is missing; write %d-%d or *", field->name, field->min,
                 field->max);
  return fault(in, at, "\"%.*s\" is not %s (%d-%d)", word_len(at), at, field->a_name, field->min,
               field->max);
}

static int number_read(struct reader *in, int32_t *number) {
  const char *start = in->at;
  int32_t value = 0;
  while (isdigit((unsigned char)*in->at) && value < 100000) value = value * 10 + (*in->at++ - '0');
  if (in->at == start || value >= 100000) return item_fault(in, start);
  *number = value;
  return TG_OK;
}

static int name_fault(const struct reader *in, const char *word, int len) {
  const struct field *field = in->field;
  if (!field->names) return item_fault(in, in->at);
  const char *nearest = NULL;
  for (size_t i = 0; i < field->name_count && len > 3; i++)
    if (strncasecmp(word, field->names[i], 3) == 0) nearest = field->names[i];
  if (!nearest) nearest = tg_suggest(word, field->names, field->name_count);
  if (nearest)
    return fault(in, in->at, "\"%s\" is not %s; did you mean %s?", word, field->a_name, nearest);
  return fault(in, in->at, "\"%s\" is not %s (%d-%d or %s-%s)", word, field->a_name, field->min,
               field->max, field->names[0], field->names[field->name_count - 1]);
}

// Reads a name. An L at its end stays: FRIL is the last Friday.
static int name_read(struct reader *in, int32_t *number) {
  char word[32] = "";
  int len = 0;
  while (len < (int)sizeof word - 1 && isalpha((unsigned char)in->at[len])) {
    word[len] = in->at[len];
    len++;
  }
  const int name_len = len == 4 && toupper((unsigned char)word[3]) == 'L' ? 3 : len;
  for (size_t i = 0; i < in->field->name_count; i++) {
    if (name_len != 3 || strncasecmp(word, in->field->names[i], 3) != 0) continue;
    *number = in->field->min + (int32_t)i;
    in->at += 3;
    return TG_OK;
  }
  return name_fault(in, word, len);
}

static int value_read(struct reader *in, int32_t *value) {
  const char *start = in->at;
  if (isalpha((unsigned char)*in->at)) return name_read(in, value);
  int code = number_read(in, value);
  if (code) return code;
  if (*value < in->field->min || *value > in->field->max) return item_fault(in, start);
  return TG_OK;
}

// Reads L, LW or L-3 of the day of the month.
static int last_day_read(struct reader *in) {
  int32_t back = 0;
  if (accept(in, 'W')) {
    in->cron->has_last_weekday = true;
    return TG_OK;
  }
  if (accept(in, '-')) {
    const char *start = in->at;
    if (number_read(in, &back) || back > 30)
      return fault(in, start, "L- wants the days before the last one, 0-30");
  }
  in->cron->days_from_last |= UINT32_C(1) << back;
  return TG_OK;
}

// Reads what may follow a single weekday: #2 or L.
static int weekday_suffix_read(struct reader *in, int32_t value, bool *is_done) {
  const uint32_t bit = UINT32_C(1) << value % 7;
  int32_t nth = 0;
  if ((*is_done = accept(in, 'L'))) {
    in->cron->weekdays_last |= bit;
  } else if ((*is_done = accept(in, '#'))) {
    const char *start = in->at;
    if (number_read(in, &nth) || nth < 1 || nth > 5)
      return fault(in, start, "# wants which one of the month, 1-5");
    in->cron->weekdays_nth[nth - 1] |= bit;
  }
  return TG_OK;
}

static int suffix_read(struct reader *in, int32_t value, bool *is_done) {
  if (in->field == &fields[WEEKDAY]) return weekday_suffix_read(in, value, is_done);
  *is_done = in->field == &fields[DAY] && accept(in, 'W');
  if (*is_done) in->cron->days_near |= UINT32_C(1) << value;
  return TG_OK;
}

// The greatest number of a field. Sunday is there once: as 0.
static int32_t top(const struct field *field) {
  return field == &fields[WEEKDAY] ? 6 : field->max;
}

// Reads the end of a range. SAT-SUN is 6-7.
static int range_end_read(struct reader *in, int32_t first, int32_t *last) {
  const char *start = in->at;
  int code = value_read(in, last);
  if (code) return code;
  if (in->field == &fields[WEEKDAY] && *last == 0 && first > 0) *last = 7;
  if (*last >= first) return TG_OK;
  return fault(in, start, "the range goes down; write %d-%d,%d-%d", first, top(in->field),
               in->field->min, *last);
}

// Reads a step. One that is wider than the field would never come twice, which nobody means.
static int step_read(struct reader *in, int32_t *step) {
  const struct field *field = in->field;
  const char *start = in->at;
  const int32_t max = top(field) - field->min;
  if (number_read(in, step) == TG_OK && *step >= 1 && *step <= max) {
    in->has_step[field - fields] |= *step > 1;
    return TG_OK;
  }
  return fault(in, start, "a step of the %s is 1-%d%s", field->name, max,
               field <= &fields[HOUR] ? "; for longer intervals use \"@every 90m\"" : "");
}

static int range_read(struct reader *in, int32_t *first, int32_t *last, bool *is_done) {
  const bool is_day = in->field == &fields[DAY] || in->field == &fields[WEEKDAY];
  if (accept(in, '*') || (is_day && accept(in, '?'))) {
    *first = in->field->min;
    *last = top(in->field);
    return TG_OK;
  }
  if (*in->at == '?') return fault(in, in->at, "? is for days only; write *");
  if (in->field == &fields[WEEKDAY] && toupper((unsigned char)*in->at) == 'L' &&
      !isalpha((unsigned char)in->at[1]))
    return fault(in, in->at, "L wants a weekday before it: 5L or FRIL is the last Friday");
  int code = value_read(in, first);
  if (!code) code = suffix_read(in, *first, is_done);
  if (code || *is_done) return code;
  *last = *first;
  if (accept(in, '-')) return range_end_read(in, *first, last);
  if (*in->at == '/' && *first < top(in->field)) *last = top(in->field);
  return TG_OK;
}

static int item_read(struct reader *in, uint64_t *set) {
  int32_t first = 0, last = 0, step = 1;
  bool is_done = false;
  int code;
  if (in->field == &fields[DAY] && accept(in, 'L')) {
    code = last_day_read(in);
  } else {
    code = range_read(in, &first, &last, &is_done);
    if (!code && !is_done) {
      if (accept(in, '/')) code = step_read(in, &step);
      for (int32_t n = first; !code && n <= last; n += step) *set |= UINT64_C(1) << n;
    }
  }
  if (!code && !is_item_end(*in->at))
    code = fault(in, in->at, "\"%.*s\" cannot follow here", word_len(in->at), in->at);
  return code;
}

static int field_read(struct reader *in, enum field_kind kind, uint64_t *set) {
  in->field = &fields[kind];
  in->starts[kind] = in->at;
  in->has_star[kind] = *in->at == '*' || *in->at == '?';
  int code;
  do {
    if ((code = item_read(in, set))) return code;
  } while (accept(in, ','));
  while (is_blank(*in->at)) in->at++;
  return TG_OK;
}

static int count_check(const struct reader *in, int *count) {
  const char *last = in->at;
  *count = 0;
  for (const char *s = in->at; *s;) {
    last = s;
    (*count)++;
    while (*s && !is_blank(*s)) s++;
    while (is_blank(*s)) s++;
  }
  if (*count == 5 || *count == 6) return TG_OK;
  return fault(in, last,
               "%d field%s; a cron expression has 5 (minute, hour, day of the month, month, "
               "weekday), or 6 with seconds first%s",
               *count, *count == 1 ? "" : "s", *count == 7 ? "; there is no year" : "");
}

// Says of an expression that matches nothing which days never come.
static int date_fault(const struct reader *in) {
  const char *day = in->starts[DAY], *month = in->starts[MONTH], *weekday = in->starts[WEEKDAY];
  return fault(in, day,
               "no date up to %d matches: the days \"%.*s\" never come in the months \"%.*s\" on "
               "the weekdays \"%.*s\"",
               TG_CRON_YEAR_MAX, (int)strcspn(day, " \t"), day, (int)strcspn(month, " \t"), month,
               (int)strcspn(weekday, " \t"), weekday);
}

// Makes one Sunday of 0 and 7.
static uint32_t weekdays_of(uint64_t set) {
  return (uint32_t)((set | set >> 7) & 0x7f);
}

static enum tg_cron_kind kind_of(const struct reader *in) {
  if (in->cron->hours == 0xffffff) return TG_CRON_EVERY_HOUR;
  return in->has_step[HOUR] ? TG_CRON_STEPPED_HOURS : TG_CRON_NAMED_HOURS;
}

static int fields_read(struct reader *in) {
  uint64_t sets[FIELD_COUNT] = {[SECOND] = 1};
  int count, code = count_check(in, &count);
  if (code) return code;
  if (count == 6) sets[SECOND] = 0;
  for (int kind = count == 6 ? SECOND : MINUTE; kind < FIELD_COUNT; kind++)
    if ((code = field_read(in, (enum field_kind)kind, &sets[kind]))) return code;
  struct tg_cron *cron = in->cron;
  cron->seconds = sets[SECOND];
  cron->minutes = sets[MINUTE];
  cron->hours = (uint32_t)sets[HOUR];
  cron->days = (uint32_t)sets[DAY];
  cron->months = (uint32_t)sets[MONTH];
  cron->weekdays = weekdays_of(sets[WEEKDAY]);
  cron->has_both_days = in->has_star[DAY] || in->has_star[WEEKDAY];
  cron->kind = kind_of(in);
  struct tg_cron_search search = {.cron = cron};
  return tg_cron_fields_next(&search, &(int64_t){0}) ? TG_OK : date_fault(in);
}

static int every_read(struct reader *in) {
  const int64_t day_ms = 86400000, year_ms = 366 * day_ms;
  if (!*in->at || !tg_duration_parse(in->at, &in->cron->every_ms))
    return fault(in, in->at, "@every wants a duration such as \"15m\", \"1h30m\" or \"1d\"");
  if (in->cron->every_ms < 1000 || in->cron->every_ms > year_ms)
    return fault(in, in->at, "the interval of @every is from 1s to 366d");
  in->cron->kind = TG_CRON_INTERVAL;
  return TG_OK;
}

static int macro_read(struct reader *in) {
  static const char *const names[] = {"@every",  "@hourly",  "@daily",  "@midnight",
                                      "@weekly", "@monthly", "@yearly", "@annually"};
  static const char *const meanings[] = {NULL,        "0 * * * *", "0 0 * * *", "0 0 * * *",
                                         "0 0 * * 0", "0 0 1 * *", "0 0 1 1 *", "0 0 1 1 *"};
  const size_t count = sizeof names / sizeof *names;
  char word[32] = "";
  size_t len = strcspn(in->at, " \t");
  snprintf(word, sizeof word, "%.*s", (int)(len < 31 ? len : 31), in->at);
  for (size_t i = 0; i < count; i++) {
    if (strcasecmp(word, names[i]) != 0) continue;
    in->at += len;
    while (is_blank(*in->at)) in->at++;
    if (!meanings[i]) return every_read(in);
    if (*in->at) return fault(in, in->at, "nothing may follow %s", names[i]);
    in->at = meanings[i];
    return fields_read(in);
  }
  if (strcasecmp(word, "@reboot") == 0)
    return fault(in, in->at, "@reboot is no time; start the pipeline where the machine starts");
  const char *nearest = tg_suggest(word, names, count);
  return fault(in, in->at, "\"%s\" is not known; did you mean %s?", word,
               nearest ? nearest : "@daily");
}

// What is quoted back must be short and printable.
static int text_check(const char *text, struct tg_error *err) {
  size_t len = strlen(text);
  if (len > TG_CRON_BYTES_MAX)
    return tg_error_set(err, TG_EINVALID, "a cron expression has at most %d characters, not %zu",
                        TG_CRON_BYTES_MAX, len);
  for (size_t i = 0; i < len; i++)
    if ((text[i] < ' ' && text[i] != '\t') || text[i] > '~')
      return tg_error_set(err, TG_EINVALID,
                          "character %zu of a cron expression is not a printable ASCII character",
                          i + 1);
  if (strspn(text, " \t") == len)
    return tg_error_set(err, TG_EINVALID, "a cron expression is empty; write \"0 5 * * *\"");
  return TG_OK;
}

int tg_cron_parse(const char *text, struct tg_cron *cron, struct tg_error *err) {
  memset(cron, 0, sizeof *cron);
  int code = text_check(text, err);
  if (code) return code;
  char trimmed[TG_CRON_BYTES_MAX + 1];
  size_t len = strlen(text);
  while (is_blank(text[len - 1])) len--;
  memcpy(trimmed, text, len);
  trimmed[len] = 0;
  struct reader in = {.text = trimmed, .at = trimmed, .err = err, .cron = cron};
  while (is_blank(*in.at)) in.at++;
  if (*in.at == '@') return macro_read(&in);
  if (strncasecmp(in.at, "TZ=", 3) == 0 || strncasecmp(in.at, "CRON_TZ=", 8) == 0)
    return fault(&in, in.at, "the time zone is an option of its own: tz = \"Europe/Berlin\"");
  return fields_read(&in);
}

int tg_cron_weekdays_parse(const char *text, uint32_t *weekdays, struct tg_error *err) {
  struct tg_cron cron = {0};
  uint64_t set = 0;
  int code = text_check(text, err);
  if (code) return code;
  struct reader in = {.text = text, .at = text, .err = err, .cron = &cron};
  if ((code = field_read(&in, WEEKDAY, &set))) return code;
  if (*in.at) return fault(&in, in.at, "nothing may follow the weekdays");
  *weekdays = weekdays_of(set);
  if (!*weekdays) return fault(&in, in.at, "these are no weekdays of every week");
  return TG_OK;
}
