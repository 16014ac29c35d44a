// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const class_words[] = {
#define X(name, word) word,
    TG_CLASSES(X)
#undef X
};

static const struct {
  const char *word, *text;
  enum tg_class class;
} codes[] = {
#define X(name, word, class, text) {word, text, TG_CLASS_##class},
    TG_CODES(X)
#undef X
};

static void error_fill(struct tg_error *err, int code, const char *format, va_list args) {
  if (!err) return;
  err->code = code;
  err->class = tg_code_class(code);
  err->retry_after_ms = 0;
  vsnprintf(err->text, sizeof err->text, format, args);
}

int tg_error_set(struct tg_error *err, int code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  error_fill(err, code, format, args);
  va_end(args);
  return code;
}

int tg_error_errno(struct tg_error *err, int code, int errnum, const char *format, ...) {
  if (errnum == ENOSPC || errnum == EDQUOT) code = TG_EFULL;
  va_list args;
  va_start(args, format);
  error_fill(err, code, format, args);
  va_end(args);
  if (err) {
    size_t len = strlen(err->text);
    char reason[128];
    snprintf(err->text + len, sizeof err->text - len, ": %s",
             strerror_r(errnum, reason, sizeof reason));
  }
  return code;
}

void tg_error_clear(struct tg_error *err) {
  if (!err) return;
  err->code = TG_OK;
  err->class = TG_CLASS_NONE;
  err->retry_after_ms = 0;
  err->text[0] = 0;
}

static int code_known(int code) {
  return code >= 0 && code < TG_CODE_COUNT;
}

const char *tg_code_word(int code) {
  return code_known(code) ? codes[code].word : "unknown";
}

const char *tg_code_text(int code) {
  return code_known(code) ? codes[code].text : "unknown error";
}

enum tg_class tg_code_class(int code) {
  return code_known(code) ? codes[code].class : TG_CLASS_BUG;
}

const char *tg_class_word(enum tg_class class) {
  return (unsigned)class < TG_CLASS_COUNT ? class_words[class] : "unknown";
}

int tg_class_parse(const char *word) {
  for (int i = 0; i < TG_CLASS_COUNT; i++)
    if (strcmp(word, class_words[i]) == 0) return i;
  return -1;
}

int tg_code_parse(const char *word) {
  for (int i = 0; i < TG_CODE_COUNT; i++)
    if (strcmp(word, codes[i].word) == 0) return i;
  return -1;
}
