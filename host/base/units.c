// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/civil.h"

struct unit {
  const char *name;
  int64_t factor;
};

// Reads digits with an optional fraction, scaled by a unit that follows; -1 if there is none.
static int64_t amount_read(const char **text, const struct unit *units) {
  const char *s = *text;
  if (!isdigit((unsigned char)*s)) return -1;
  int64_t whole = 0, part = 0, scale = 1;
  for (; isdigit((unsigned char)*s); s++) {
    if (whole > INT64_MAX / 10 - 10) return -1;
    whole = whole * 10 + (*s - '0');
  }
  if (*s == '.') {
    if (!isdigit((unsigned char)*++s)) return -1;
    for (; isdigit((unsigned char)*s); s++)
      if (scale < 1000000) {
        part = part * 10 + (*s - '0');
        scale *= 10;
      }
  }
  size_t len = 0;
  while (isalpha((unsigned char)s[len])) len++;
  for (const struct unit *unit = units; unit->name; unit++) {
    if (strlen(unit->name) != len || strncmp(unit->name, s, len) != 0) continue;
    if (whole > INT64_MAX / unit->factor - 1) return -1;
    *text = s + len;
    return whole * unit->factor + part * unit->factor / scale;
  }
  return -1;
}

bool tg_duration_parse(const char *text, int64_t *ms) {
  static const struct unit units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                      {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
  int64_t total = 0;
  do {
    int64_t part = amount_read(&text, units);
    if (part < 0 || total > INT64_MAX - part) return false;
    total += part;
  } while (*text);
  *ms = total;
  return true;
}

void tg_duration_format(int64_t ms, char text[TG_DURATION_TEXT_MAX]) {
  int64_t s = ms / 1000;
  const size_t size = TG_DURATION_TEXT_MAX;
  if (ms < 1000)
    snprintf(text, size, "%lldms", (long long)ms);
  else if (s < 60)
    snprintf(text, size, "%lld.%llds", (long long)s, (long long)(ms % 1000 / 100));
  else if (s < 3600)
    snprintf(text, size, "%lldm%02llds", (long long)(s / 60), (long long)(s % 60));
  else if (s < 86400)
    snprintf(text, size, "%lldh%02lldm", (long long)(s / 3600), (long long)(s / 60 % 60));
  else
    snprintf(text, size, "%lldd%lldh", (long long)(s / 86400), (long long)(s / 3600 % 24));
}

bool tg_size_parse(const char *text, int64_t *bytes) {
  static const struct unit units[] = {{"B", 1},
                                      {"KB", 1000},
                                      {"MB", 1000000},
                                      {"GB", 1000000000},
                                      {"KiB", INT64_C(1) << 10},
                                      {"MiB", INT64_C(1) << 20},
                                      {"GiB", INT64_C(1) << 30},
                                      {NULL, 0}};
  int64_t value = amount_read(&text, units);
  if (value < 0 || *text) return false;
  *bytes = value;
  return true;
}

void tg_time_format(int64_t ms, char text[TG_TIME_TEXT_LEN + 1]) {
  int64_t second = ms / 1000 - (ms % 1000 < 0);
  struct tg_civil at = tg_civil_of(second);
  if (at.year < 0 || at.year > 9999) {
    snprintf(text, TG_TIME_TEXT_LEN + 1, "out-of-range");
    return;
  }
  // The remainders only tell the compiler what it cannot know: how many digits there are.
  snprintf(text, TG_TIME_TEXT_LEN + 1, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
           (unsigned)at.year % 10000, (unsigned)at.month % 100, (unsigned)at.day % 100,
           (unsigned)at.hour % 100, (unsigned)at.minute % 100, (unsigned)at.second % 100,
           (unsigned)(ms - second * 1000) % 1000);
}

// Reads exactly `width` digits.
static bool digits_read(const char **text, int width, int64_t *value) {
  *value = 0;
  for (int i = 0; i < width; i++, (*text)++) {
    if (!isdigit((unsigned char)**text)) return false;
    *value = *value * 10 + (**text - '0');
  }
  return true;
}

static bool char_read(const char **text, const char *accepted) {
  if (!**text || !strchr(accepted, **text)) return false;
  (*text)++;
  return true;
}

// Reads an optional fraction of a second; what is finer than a ms is dropped.
static bool fraction_read(const char **text, int64_t *milli) {
  int64_t scale = 100;
  if (!char_read(text, ".")) return true;
  if (!isdigit((unsigned char)**text)) return false;
  for (; isdigit((unsigned char)**text); (*text)++, scale /= 10) *milli += (**text - '0') * scale;
  return true;
}

static bool zone_read(const char **text, int64_t *offset_ms) {
  *offset_ms = 0;
  if (char_read(text, "Zz")) return true;
  int64_t hours, minutes, sign = **text == '-' ? -1 : 1;
  if (!char_read(text, "+-") || !digits_read(text, 2, &hours) || !char_read(text, ":") ||
      !digits_read(text, 2, &minutes) || hours > 23 || minutes > 59)
    return false;
  *offset_ms = sign * (hours * 60 + minutes) * 60000;
  return true;
}

bool tg_time_parse(const char *text, int64_t *ms) {
  int64_t year, month, day, hour = 0, minute = 0, second = 0, milli = 0, offset = 0;
  if (!digits_read(&text, 4, &year) || !char_read(&text, "-") || !digits_read(&text, 2, &month) ||
      !char_read(&text, "-") || !digits_read(&text, 2, &day))
    return false;
  if (month < 1 || month > 12 || day < 1 || day > tg_civil_month_days(year, (int32_t)month))
    return false;
  if (*text) {
    if (!char_read(&text, "Tt ") || !digits_read(&text, 2, &hour) || !char_read(&text, ":") ||
        !digits_read(&text, 2, &minute))
      return false;
    if (char_read(&text, ":") && (!digits_read(&text, 2, &second) || !fraction_read(&text, &milli)))
      return false;
    if (!zone_read(&text, &offset) || *text) return false;
    if (hour > 23 || minute > 59 || second > 60) return false;
  }
  *ms = tg_civil_days(year, (int32_t)month, (int32_t)day) * 86400000 +
        ((hour * 60 + minute) * 60 + second) * 1000 + milli - offset;
  return true;
}
