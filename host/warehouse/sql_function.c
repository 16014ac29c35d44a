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

enum { EXPANSION_MAX = 2000, GROUP_DEPTH_MAX = 32 };

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

// How large a pattern gets when its counted repetitions are written out: side by side they add,
// nested they multiply. regcomp has no limit of its own.
struct expansion {
  long sums[GROUP_DEPTH_MAX]; // atoms so far, by depth of the group
  long last[GROUP_DEPTH_MAX]; // atoms of the last item, which a repetition multiplies
  int depth;
};

static void item_add(struct expansion *size, long atoms) {
  size->sums[size->depth] += atoms;
  size->last[size->depth] = atoms;
}

// Takes in "{3}", "{2,}" or "{2,5}"; `at` stands on the brace.
static bool repetition_add(struct expansion *size, const char *at) {
  const char *comma = at + 1 + strspn(at + 1, "0123456789");
  bool has_end = *comma == ',' && isdigit((unsigned char)comma[1]);
  long most = strtol(has_end ? comma + 1 : at + 1, NULL, 10);
  if (most > EXPANSION_MAX) return false;
  if (most > 1) size->sums[size->depth] += size->last[size->depth] * (most - 1);
  return size->sums[size->depth] <= EXPANSION_MAX;
}

// Gives the last byte of a bracket expression that begins at `at`.
static const char *bracket_end(const char *at) {
  const char *end = at + 1;
  if (*end == '^') end++;
  if (*end == ']') end++;
  while (*end && *end != ']') {
    if (*end == '[' && (end[1] == ':' || end[1] == '.' || end[1] == '=')) {
      const char mark[] = {end[1], ']', 0};
      const char *close = strstr(end + 2, mark);
      end = close ? close + 1 : end;
    }
    end++;
  }
  return *end ? end : end - 1;
}

// Gives what is wrong with a pattern before regcomp sees it, or NULL.
static const char *pattern_fault(const char *text, size_t len) {
  struct expansion size = {0};
  if (len > TG_REGEXP_PATTERN_BYTES_MAX) return "the pattern is too long";
  if (strlen(text) != len) return "the pattern contains a zero byte";
  for (const char *at = text; *at; at++) {
    if (*at == '\\' && at[1]) {
      if (isdigit((unsigned char)*++at)) return "back-references are not supported";
      item_add(&size, 1);
    } else if (*at == '(') {
      if (++size.depth == GROUP_DEPTH_MAX) return "its groups are nested too deeply";
      size.sums[size.depth] = size.last[size.depth] = 0;
    } else if (*at == ')' && size.depth > 0) {
      long inner = size.sums[size.depth--];
      item_add(&size, inner);
    } else if (*at == '{') {
      if (!repetition_add(&size, at)) return "its repetitions are too many";
    } else {
      if (*at == '[') at = bracket_end(at);
      item_add(&size, 1);
    }
  }
  return size.sums[0] > EXPANSION_MAX ? "its repetitions are too many" : NULL;
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
