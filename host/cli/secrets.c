// SPDX-License-Identifier: Apache-2.0
#include "cli/secrets.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "model/params.h"

enum { SECRET_BYTES_MAX = 64 * 1024, LINE_BYTES_MIN = 8 };

void tg_secrets_init(struct tg_secrets *secrets) {
  tg_map_init(&secrets->given);
  tg_buf_init(&secrets->last, SECRET_BYTES_MAX);
}

// What was a secret is not left in memory that others get.
static void forget(char *value) {
  explicit_bzero(value, strlen(value));
  free(value);
}

void tg_secrets_deinit(struct tg_secrets *secrets) {
  const struct tg_map_slot *slot;
  for (size_t at = 0; (slot = tg_map_next(&secrets->given, &at));) forget(slot->value);
  tg_map_deinit(&secrets->given);
  if (secrets->last.data) explicit_bzero(secrets->last.data, secrets->last.len);
  tg_buf_deinit(&secrets->last);
}

// --- Finding ---

static const char *rest_of(const char *place, const char *form) {
  size_t len = strlen(form);
  return strncmp(place, form, len) == 0 ? place + len : NULL;
}

static void space_trim(struct tg_buf *text) {
  while (text->len && isspace((unsigned char)text->data[text->len - 1]))
    text->data[--text->len] = 0;
}

static const char *file_find(struct tg_secrets *secrets, const char *path, struct tg_error *err) {
  tg_buf_clear(&secrets->last);
  if (tg_file_read(path, &secrets->last, err)) return NULL;
  space_trim(&secrets->last);
  return tg_buf_text(&secrets->last);
}

static const char *env_find(const char *name, struct tg_error *err) {
  const char *value = getenv(name);
  if (!value)
    tg_error_set(err, TG_EDENIED,
                 "the environment variable %.200s, which holds a secret, is not "
                 "set",
                 name);
  return value;
}

static const char *name_find(struct tg_secrets *secrets, const char *name, struct tg_error *err) {
  char place[512];
  for (const char *c = name; *c; c++) {
    if (isalnum((unsigned char)*c) || *c == '_' || *c == '-') continue;
    tg_error_set(err, TG_EDENIED, "there is no secret '%.100s'", name);
    return NULL;
  }
  snprintf(place, sizeof place, "TIDEGATE_SECRET_%.256s", name);
  const char *value = getenv(place);
  snprintf(place, sizeof place, "/run/secrets/%.256s", name);
  if (!value) value = file_find(secrets, place, NULL);
  if (!value)
    tg_error_set(err, TG_EDENIED,
                 "there is no secret '%.100s': neither TIDEGATE_SECRET_%.100s "
                 "nor %s",
                 name, name, place);
  return value;
}

static const char *given_find(const struct tg_secrets *secrets, const char *place,
                              struct tg_error *err) {
  const char *value = tg_map_get(&secrets->given, place);
  if (!value)
    tg_error_set(err, TG_EDENIED, "it was given %s, and that is not kept; give it again with -p",
                 strcmp(place, "stdin") == 0 ? "on standard input" : "on the command line");
  return value;
}

static void hidden_add(const char *text, size_t len) {
  char *own = len >= LINE_BYTES_MIN ? strndup(text, len) : NULL;
  if (!own) return;
  tg_log_add_secret(own);
  forget(own);
}

// As it stands in JSON, where that differs.
static void json_hide(const char *value) {
  struct tg_buf text;
  tg_buf_init(&text, SECRET_BYTES_MAX * 6);
  tg_buf_put_json(&text, value, strlen(value));
  bool differs = !text.is_failed && text.len != strlen(value) + 2;
  if (differs) hidden_add(tg_buf_text(&text) + 1, text.len - 2); // without the quotes
  if (text.data) explicit_bzero(text.data, text.len);
  tg_buf_deinit(&text);
}

static char base64_digit(uint32_t group, unsigned at) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  return digits[group >> (18 - 6 * at) & 63];
}

// In base64 a value looks in three ways, by what stands before it: "user:value" is one of them. The
// digits at its ends that its neighbours have a part in are left out.
static void base64_hide(const char *value, size_t offset) {
  size_t len = strlen(value), used = 0, first = (offset * 8 + 5) / 6;
  size_t count = (offset + len) * 8 / 6;
  char *text = malloc(count + 4);
  if (!text) return;
  for (size_t at = 0; at < offset + len; at += 3) {
    uint32_t group = 0;
    for (size_t i = at; i < at + 3; i++) {
      bool is_in = i >= offset && i < offset + len;
      group = group << 8 | (is_in ? (unsigned char)value[i - offset] : 0);
    }
    for (unsigned d = 0; d < 4; d++)
      if (used < count + 4) text[used++] = base64_digit(group, d);
  }
  hidden_add(text + first, count - first);
  explicit_bzero(text, count + 4);
  free(text);
}

// A log is kept line by line, so each line of a key is a secret too; short ones are ordinary text.
static void hide(const char *value) {
  tg_log_add_secret(value);
  json_hide(value);
  for (size_t offset = 0; offset < 3; offset++) base64_hide(value, offset);
  for (const char *line = value; strchr(value, '\n') && *line;) {
    size_t len = strcspn(line, "\r\n");
    hidden_add(line, len);
    line += len + strspn(line + len, "\r\n");
  }
}

const char *tg_secrets_find(struct tg_secrets *secrets, const char *place, struct tg_error *err) {
  const char *rest, *value;
  if ((rest = rest_of(place, "env:")))
    value = env_find(rest, err);
  else if ((rest = rest_of(place, "file:")))
    value = file_find(secrets, rest, err);
  else if ((rest = rest_of(place, "secret:")))
    value = name_find(secrets, rest, err);
  else
    value = given_find(secrets, place, err);
  if (value && !*value) {
    tg_error_set(err, TG_EDENIED, "the secret at %.200s is empty", place);
    return NULL;
  }
  if (value) hide(value);
  return value;
}

// --- Taking ---

static int keep(struct tg_secrets *secrets, const char *place, const char *value,
                struct tg_error *err) {
  char *copy = strdup(value), *old = tg_map_get(&secrets->given, place);
  if (!copy || tg_map_put(&secrets->given, place, copy)) {
    free(copy);
    return tg_error_set(err, TG_ENOMEM, "no memory for a secret");
  }
  if (old) forget(old);
  return TG_OK;
}

static int stdin_take(struct tg_secrets *secrets, struct tg_error *err) {
  char bytes[4096];
  size_t len;
  if (tg_map_get(&secrets->given, "stdin"))
    return tg_error_set(err, TG_EINVALID, "only one parameter can be read from standard input");
  struct tg_buf text;
  tg_buf_init(&text, SECRET_BYTES_MAX);
  while ((len = fread(bytes, 1, sizeof bytes, stdin)) > 0) tg_buf_put(&text, bytes, len);
  int code = TG_OK;
  if (text.is_failed)
    code = tg_error_set(err, TG_ELIMIT, "a secret has at most %d bytes", SECRET_BYTES_MAX);
  else
    space_trim(&text);
  if (!code && !text.len)
    code = tg_error_set(err, TG_EINVALID, "there is no secret on standard input");
  if (!code) code = keep(secrets, "stdin", tg_buf_text(&text), err);
  explicit_bzero(bytes, sizeof bytes);
  if (text.data) explicit_bzero(text.data, text.len);
  tg_buf_deinit(&text);
  return code;
}

static const char *text_make(struct tg_arena *arena, const char *name, const char *form,
                             const char *rest) {
  size_t size = strlen(name) + strlen(form) + strlen(rest) + 2;
  char *text = tg_arena_alloc(arena, size);
  if (text) snprintf(text, size, "%s=%s%s", name, form, rest);
  return text;
}

static int one_take(struct tg_secrets *secrets, const char *name, const char **given,
                    struct tg_arena *arena, struct tg_error *err) {
  const char *value = *given + strlen(name) + 1, *rest;
  char place[TG_NAME_BYTES_MAX + 16];
  int code = TG_OK;
  snprintf(place, sizeof place, "value:%.*s", TG_NAME_BYTES_MAX, name);
  if (strcmp(value, "-") == 0) {
    code = stdin_take(secrets, err);
    *given = text_make(arena, name, "stdin", "");
  } else if ((rest = rest_of(value, "value:"))) {
    code = keep(secrets, place, rest, err);
    *given = text_make(arena, name, place, "");
  } else if ((rest = rest_of(value, "file:"))) {
    char *full = realpath(rest, NULL); // what there is not is told when it is looked for
    if (full) *given = text_make(arena, name, "file:", full);
    free(full);
  }
  return code || *given ? code : tg_error_set(err, TG_ENOMEM, "no memory for a secret");
}

int tg_secrets_take(struct tg_secrets *secrets, const json_t *schema, const char **given,
                    size_t count, struct tg_arena *arena, struct tg_error *err) {
  int code = TG_OK;
  for (size_t i = 0; i < count && !code; i++) {
    char name[TG_NAME_BYTES_MAX + 1];
    size_t len = strcspn(given[i], "=");
    if (!given[i][len] || len >= sizeof name) continue; // which is told elsewhere
    memcpy(name, given[i], len);
    name[len] = 0;
    if (tg_params_is_secret(schema, name)) code = one_take(secrets, name, &given[i], arena, err);
  }
  return code;
}
