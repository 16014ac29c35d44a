// SPDX-License-Identifier: Apache-2.0
#include "base/id.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static void random_fill(void *bytes, size_t len) {
  size_t done = 0;
  while (done < len) {
    ssize_t got = getrandom((char *)bytes + done, len - done, 0);
    if (got > 0) done += (size_t)got;
  }
}

struct tg_id tg_id_new(const struct tg_clock *clock) {
  static int64_t last_ms;
  static uint32_t counter; // 12 bits
  struct tg_id id;
  random_fill(id.bytes, sizeof id.bytes);
  int64_t now = tg_clock_wall_ms(clock);
  if (now > last_ms) {
    last_ms = now;
    // cppcheck-suppress uninitvar; it does not see that random_fill fills them
    counter = (uint32_t)(id.bytes[6] & 0x07) << 8 | id.bytes[7];
  } else if (++counter > 0xfff) {
    last_ms++;
    counter = 0;
  }
  for (int i = 0; i < 6; i++) id.bytes[i] = (uint8_t)(last_ms >> (40 - 8 * i));
  id.bytes[6] = (uint8_t)(0x70 | counter >> 8);
  id.bytes[7] = (uint8_t)counter;
  id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3f));
  return id;
}

void tg_id_format(struct tg_id id, char text[TG_ID_TEXT_LEN + 1]) {
  static const char digits[] = "0123456789abcdef";
  char *out = text;
  for (int i = 0; i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *out++ = '-';
    *out++ = digits[id.bytes[i] >> 4];
    *out++ = digits[id.bytes[i] & 15];
  }
  *out = 0;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool tg_id_parse(const char *text, struct tg_id *id) {
  if (strlen(text) != TG_ID_TEXT_LEN) return false;
  for (int i = 0; i < 16; i++) {
    if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-') return false;
    int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);
    if (low < 0) return false;
    id->bytes[i] = (uint8_t)(high << 4 | low);
    text += 2;
  }
  return true;
}

bool tg_id_equal(struct tg_id a, struct tg_id b) {
  return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}
