// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

size_t tg_utf8_length(const char *text, size_t len) {
  const unsigned char *s = (const unsigned char *)text;
  if (!len) return 0;
  if (s[0] < 0x80) return 1;
  size_t want = s[0] >= 0xC2 && s[0] <= 0xDF   ? 2
                : (s[0] & 0xF0) == 0xE0        ? 3
                : s[0] >= 0xF0 && s[0] <= 0xF4 ? 4
                                               : 0;
  if (!want || want > len) return 0;
  for (size_t i = 1; i < want; i++)
    if ((s[i] & 0xC0) != 0x80) return 0;
  bool overlong = (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xF0 && s[1] < 0x90);
  bool surrogate = s[0] == 0xED && s[1] > 0x9F;
  bool too_high = s[0] == 0xF4 && s[1] > 0x8F;
  return overlong || surrogate || too_high ? 0 : want;
}

bool tg_utf8_is_valid(const char *text, size_t len) {
  for (size_t i = 0; i < len;) {
    size_t step = tg_utf8_length(text + i, len - i);
    if (!step) return false;
    i += step;
  }
  return true;
}
