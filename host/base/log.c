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

void tg_log_add_secret(const char *secret) {
  if (strlen(secret) < 4) return;
  pthread_mutex_lock(&state.lock);
  bool is_known = false;
  for (size_t i = 0; i < state.secret_count && !is_known; i++)
    is_known = strcmp(state.secrets[i], secret) == 0;
  if (!is_known && state.secret_count < SECRETS_MAX) {
    char *copy = strdup(secret);
    if (copy) state.secrets[state.secret_count++] = copy;
  }
  pthread_mutex_unlock(&state.lock);
}

static void secrets_blank(char *text) {
  for (size_t i = 0; i < state.secret_count; i++) {
    size_t len = strlen(state.secrets[i]);
    for (char *at = text; (at = strstr(at, state.secrets[i]));) {
      memcpy(at, "***", 3);
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
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c >= 0x20 && c != 0x7f)
      tg_buf_putc(line, *text);
    else if (c == '\n')
      tg_buf_puts(line, "\\n");
    else
      tg_buf_putf(line, "\\x%02x", c);
  }
}

void tg_log(enum tg_log_level level, const char *format, ...) {
  if (level < state.lowest) return;
  char text[LINE_MAX_BYTES];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  pthread_mutex_lock(&state.lock);
  secrets_blank(text);
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
