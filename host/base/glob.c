// SPDX-License-Identifier: Apache-2.0
#include "base/glob.h"

#include <stddef.h>

// A `?` takes a whole character, so that it means the same in any script.
static const char *character_skip(const char *text) {
  do text++;
  while (((unsigned char)*text & 0xc0) == 0x80);
  return text;
}

bool tg_glob_matches(const char *pattern, const char *text) {
  const char *star = NULL, *resume = NULL; // the last `*`, and where its match is to end next
  while (*text) {
    if (*pattern == '*') {
      star = pattern++;
      resume = text;
    } else if (*pattern == '?') {
      pattern++;
      text = character_skip(text);
    } else if (*pattern == *text) {
      pattern++;
      text++;
    } else if (star) {
      pattern = star + 1;
      text = resume = character_skip(resume);
    } else {
      return false;
    }
  }
  while (*pattern == '*') pattern++;
  return *pattern == 0;
}
