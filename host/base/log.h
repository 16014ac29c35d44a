// SPDX-License-Identifier: Apache-2.0
// The host's own log: one sink, on stderr, with one redaction point.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum tg_log_level { TG_LOG_DEBUG, TG_LOG_INFO, TG_LOG_WARN, TG_LOG_ERROR, TG_LOG_LEVEL_COUNT };

/// Sets the lowest level that is written (default TG_LOG_WARN) and whether lines are JSON.
void tg_log_configure(enum tg_log_level lowest, bool is_json);

/// Sets a function that gets each finished line instead of stderr (NULL restores stderr).
void tg_log_set_sink(void (*sink)(void *self, enum tg_log_level level, const char *line),
                     void *self);

/// Makes every later occurrence of `secret` in the log, and in tg_log_redact, read "***".
/// Secrets shorter than 4 bytes are not registered; they would blank out ordinary text.
void tg_log_add_secret(const char *secret);

/// Replaces registered secrets in `text` in place.
void tg_log_redact(char *text);

/// Writes one line. Control characters are escaped; the line has a ceiling.
void tg_log(enum tg_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/// Finds a level by its word (debug, info, warn, error), or -1.
int tg_log_level_parse(const char *word);
const char *tg_log_level_word(enum tg_log_level level);
