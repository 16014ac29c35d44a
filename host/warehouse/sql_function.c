// SPDX-License-Identifier: Apache-2.0
#include "warehouse/sql_function.h"

#include <ctype.h>
#include <regex.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"

enum { REPEAT_PRODUCT_MAX = 256 };

// glibc caches states as it matches, one per byte of text at most; a pattern is compiled afresh
// when it has seen this much, so that the cache stays small.
enum { CACHE_TEXT_BYTES_MAX = 64 * 1024 };

struct pattern {
  regex_t regex;
  size_t seen_bytes;
  bool is_compiled;
  char text[];
};

static void pattern_free(void *self) {
  struct pattern *pattern = self;
  if (pattern->is_compiled) regfree(&pattern->regex);
  free(pattern);
}

// Gives what is wrong with a pattern before regcomp sees it, or NULL. Counted repetitions multiply
// when they nest; their product over the whole pattern is a bound that is easy to see.
static const char *pattern_fault(const char *text, size_t len) {
  if (len > TG_REGEXP_PATTERN_BYTES_MAX) return "the pattern is too long";
  if (strlen(text) != len) return "the pattern contains a zero byte";
  long product = 1;
  for (const char *at = text; *at; at++) {
    if (*at == '\\' && at[1]) {
      if (isdigit((unsigned char)*++at)) return "back-references are not supported";
    } else if (*at == '{') {
      long most = strtol(at + 1, NULL, 10);
      const char *comma = at + 1 + strspn(at + 1, "0123456789");
      if (*comma == ',' && isdigit((unsigned char)comma[1])) most = strtol(comma + 1, NULL, 10);
      if (most > REPEAT_PRODUCT_MAX) return "a repetition is too large";
      product *= most > 1 ? most : 1;
      if (product > REPEAT_PRODUCT_MAX) return "the repetitions multiply to too many";
    }
  }
  return NULL;
}

static bool pattern_compile(sqlite3_context *context, struct pattern *pattern) {
  if (pattern->is_compiled) regfree(&pattern->regex);
  pattern->seen_bytes = 0;
  int result = regcomp(&pattern->regex, pattern->text, REG_EXTENDED | REG_NOSUB);
  pattern->is_compiled = result == 0;
  if (result == 0) return true;
  char reason[128], message[256];
  regerror(result, &pattern->regex, reason, sizeof reason);
  snprintf(message, sizeof message, "REGEXP: %s", reason);
  sqlite3_result_error(context, message, -1);
  return false;
}

static struct pattern *pattern_new(sqlite3_context *context, const char *text, size_t len) {
  const char *fault = pattern_fault(text, len);
  if (fault) {
    char message[128];
    snprintf(message, sizeof message, "REGEXP: %s", fault);
    sqlite3_result_error(context, message, -1);
    return NULL;
  }
  struct pattern *pattern = calloc(1, sizeof *pattern + len + 1);
  if (!pattern) {
    sqlite3_result_error_nomem(context);
    return NULL;
  }
  memcpy(pattern->text, text, len);
  if (pattern_compile(context, pattern)) return pattern;
  pattern_free(pattern);
  return NULL;
}

// SQLite keeps the compiled pattern as long as the statement runs and the argument stays the same.
static struct pattern *pattern_get(sqlite3_context *context, sqlite3_value *value) {
  struct pattern *pattern = sqlite3_get_auxdata(context, 0);
  if (pattern) return pattern;
  const char *text = (const char *)sqlite3_value_text(value);
  if (!text) return NULL;
  pattern = pattern_new(context, text, (size_t)sqlite3_value_bytes(value));
  if (!pattern) return NULL;
  sqlite3_set_auxdata(context, 0, pattern, pattern_free);
  return sqlite3_get_auxdata(context, 0); // NULL if it was freed for want of memory
}

static void function_regexp(sqlite3_context *context, int count, sqlite3_value **values) {
  (void)count;
  if (sqlite3_value_type(values[0]) == SQLITE_NULL || sqlite3_value_type(values[1]) == SQLITE_NULL)
    return;
  struct pattern *pattern = pattern_get(context, values[0]);
  if (!pattern) return;
  const char *text = (const char *)sqlite3_value_text(values[1]);
  if (!text) {
    sqlite3_result_error_nomem(context);
    return;
  }
  size_t len = (size_t)sqlite3_value_bytes(values[1]);
  if (len > (size_t)TG_REGEXP_TEXT_BYTES_MAX) {
    sqlite3_result_error(context, "REGEXP: the text is longer than 64 KiB", -1);
    return;
  }
  pattern->seen_bytes += len;
  if (pattern->seen_bytes > CACHE_TEXT_BYTES_MAX && !pattern_compile(context, pattern)) return;
  int result = regexec(&pattern->regex, text, 0, NULL, 0);
  if (result == REG_ESPACE)
    sqlite3_result_error_nomem(context);
  else
    sqlite3_result_int(context, result == 0);
}

static void function_sha256(sqlite3_context *context, int count, sqlite3_value **values) {
  (void)count;
  if (sqlite3_value_type(values[0]) == SQLITE_NULL) return;
  const void *bytes = sqlite3_value_blob(values[0]);
  char text[TG_HASH_TEXT_LEN + 1];
  tg_hash_text(bytes ? bytes : "", (size_t)sqlite3_value_bytes(values[0]), text);
  sqlite3_result_text(context, text, TG_HASH_TEXT_LEN, SQLITE_TRANSIENT);
}

int tg_sql_function_install(sqlite3 *db) {
  int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
  int result = sqlite3_create_function(db, "regexp", 2, flags, NULL, function_regexp, NULL, NULL);
  if (result != SQLITE_OK) return result;
  return sqlite3_create_function(db, "sha256", 1, flags, NULL, function_sha256, NULL, NULL);
}
