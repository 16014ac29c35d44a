// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/units.h"
#include "base/utf8.h"

enum { LINE_MAX_BYTES = 8192, SECRETS_MAX = 1024 };

static const char *const level_words[] = {"debug", "info", "warn", "error"};

static struct {
  pthread_mutex_t lock;
  enum tg_log_level lowest;
  bool is_json;
  void (*sink)(void *, enum tg_log_level, const char *);
  void *sink_self;
  char *secrets[SECRETS_MAX];
  size_t secret_count;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .lowest = TG_LOG_WARN};

void tg_log_configure(enum tg_log_level lowest, bool is_json) {
  state.lowest = lowest;
  state.is_json = is_json;
}

void tg_log_set_sink(void (*sink)(void *, enum tg_log_level, const char *), void *self) {
  pthread_mutex_lock(&state.lock);
  state.sink = sink;
  state.sink_self = self;
  pthread_mutex_unlock(&state.lock);
}

// Longer secrets come first, so that one which starts with another is blanked whole.
static void secret_insert(char *secret) {
  size_t at = state.secret_count++;
  for (; at > 0 && strlen(state.secrets[at - 1]) < strlen(secret); at--)
    state.secrets[at] = state.secrets[at - 1];
  state.secrets[at] = secret;
}

void tg_log_add_secret(const char *secret) {
  if (strlen(secret) < 4) return;
  pthread_mutex_lock(&state.lock);
  bool is_known = false;
  for (size_t i = 0; i < state.secret_count && !is_known; i++)
    is_known = strcmp(state.secrets[i], secret) == 0;
  if (!is_known && state.secret_count < SECRETS_MAX) {
    char *copy = strdup(secret);
    if (copy) secret_insert(copy);
  }
  pthread_mutex_unlock(&state.lock);
}

static void secrets_blank(char *text) {
  for (size_t i = 0; i < state.secret_count; i++) {
    size_t len = strlen(state.secrets[i]);
    for (char *at = text; (at = strstr(at, state.secrets[i]));) {
      memset(at, '*', 3);
      memmove(at + 3, at + len, strlen(at + len) + 1);
      at += 3;
    }
  }
}

void tg_log_redact(char *text) {
  pthread_mutex_lock(&state.lock);
  secrets_blank(text);
  pthread_mutex_unlock(&state.lock);
}

// Says how many bytes at the end of a text are the beginning of a secret.
static size_t secret_begun(const char *text, size_t len) {
  size_t longest = 0;
  for (size_t i = 0; i < state.secret_count; i++) {
    size_t part = strlen(state.secrets[i]) - 1;
    for (part = part < len ? part : len; part > longest; part--)
      if (memcmp(text + len - part, state.secrets[i], part) == 0) longest = part;
  }
  return longest;
}

// A terminal obeys control characters, those of U+0080 to U+009F too; none of them gets there.
static bool is_shown(const char *character, size_t len) {
  unsigned char c = (unsigned char)character[0];
  if (len == 1) return c >= 0x20 && c != 0x7f;
  return len > 2 || (len == 2 && (c != 0xc2 || (unsigned char)character[1] >= 0xa0));
}

static void text_put(struct tg_buf *line, const char *text, size_t len) {
  for (size_t i = 0; i < len;) {
    size_t wide = tg_utf8_length(text + i, len - i);
    if (is_shown(text + i, wide))
      tg_buf_put(line, text + i, wide);
    else if (text[i] == '\n')
      tg_buf_puts(line, "\\n");
    else
      for (size_t k = 0; k < (wide ? wide : 1); k++)
        tg_buf_putf(line, "\\x%02x", (unsigned char)text[i + k]);
    i += wide ? wide : 1;
  }
}

static void line_format(struct tg_buf *line, enum tg_log_level level, const char *text) {
  char time[TG_TIME_TEXT_LEN + 1];
  tg_time_format(tg_clock_wall_ms(tg_clock_system()), time);
  if (state.is_json) {
    tg_buf_putf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"message\":", time, level_words[level]);
    tg_buf_put_json(line, text, strlen(text));
    tg_buf_puts(line, "}");
    return;
  }
  tg_buf_putf(line, "%s %-5s ", time, level_words[level]);
  text_put(line, text, strlen(text));
}

void tg_log(enum tg_log_level level, const char *format, ...) {
  if (level < state.lowest) return;
  char text[LINE_MAX_BYTES];
  va_list args;
  va_start(args, format);
  bool is_cut = vsnprintf(text, sizeof text, format, args) >= (int)sizeof text;
  va_end(args);
  pthread_mutex_lock(&state.lock);
  secrets_blank(text);
  size_t len = strlen(text);
  if (is_cut) text[len - secret_begun(text, len)] = 0; // the cut may have gone through a secret
  struct tg_buf line;
  tg_buf_init(&line, (size_t)LINE_MAX_BYTES * 8);
  line_format(&line, level, text);
  if (state.sink)
    state.sink(state.sink_self, level, tg_buf_text(&line));
  else if (tg_buf_puts(&line, "\n") && write(STDERR_FILENO, line.data, line.len) < 0)
    line.len = 0; // stderr is gone: there is nowhere left to say so
  tg_buf_deinit(&line);
  pthread_mutex_unlock(&state.lock);
}

int tg_log_level_parse(const char *word) {
  for (int i = 0; i < TG_LOG_LEVEL_COUNT; i++)
    if (strcmp(word, level_words[i]) == 0) return i;
  return -1;
}

const char *tg_log_level_word(enum tg_log_level level) {
  return level_words[level];
}
