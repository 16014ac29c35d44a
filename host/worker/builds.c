// SPDX-License-Identifier: Apache-2.0
#include "worker/builds.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/program.h"
#include "worker/sources.h"

enum { CANDIDATES_MAX = 8, KIND_MAX = 16 };

static bool is_same(const struct tg_source *source, const char *text, size_t len) {
  return source->len == len && memcmp(source->text, text, len) == 0;
}

static bool file_is_current(const char *root, const struct tg_source *source) {
  const char *name = strchr(source->key, ':');
  char kind[KIND_MAX], path[4096];
  if (!name || name - source->key >= KIND_MAX) return false;
  snprintf(kind, sizeof kind, "%.*s", (int)(name - source->key), source->key);
  struct tg_error err;
  struct tg_buf text;
  tg_buf_init(&text, (size_t)TG_SOURCE_BYTES_MAX);
  bool is_found = tg_sources_find(root, kind, name + 1, path, &text, &err) == TG_OK;
  bool is_current =
      is_found ? strcmp(source->path, path) == 0 && is_same(source, tg_buf_text(&text), text.len)
               : !*source->path && is_same(source, err.text, strlen(err.text));
  tg_buf_deinit(&text);
  return is_current;
}

bool tg_builds_is_current(const char *root, const struct tg_source *entry,
                          const struct tg_source *sources, size_t count) {
  for (size_t i = 0; i < count; i++) {
    bool is_entry = strcmp(sources[i].key, "entry:") == 0;
    if (is_entry ? strcmp(sources[i].path, entry->path) != 0 ||
                       !is_same(&sources[i], entry->text, entry->len)
                 : !file_is_current(root, &sources[i]))
      return false;
  }
  return true;
}

static bool find(struct tg_history *history, const char *root, const struct tg_source *entry,
                 struct tg_arena *arena, struct tg_bundle_row *row) {
  char hash[TG_HASH_TEXT_LEN + 1];
  const char **hashes;
  struct tg_source *sources;
  size_t count, source_count;
  tg_hash_text(entry->text, entry->len, hash);
  if (tg_history_builds(history, entry->path, hash, tg_program_id(), arena, &hashes, &count, NULL))
    return false;
  for (size_t i = 0; i < count && i < CANDIDATES_MAX; i++)
    if (!tg_history_sources(history, hashes[i], arena, &sources, &source_count, NULL) &&
        tg_builds_is_current(root, entry, sources, source_count))
      return tg_history_bundle(history, hashes[i], arena, row, NULL) == TG_OK;
  return false;
}

bool tg_builds_find(const char *data, const char *root, const struct tg_source *entry,
                    struct tg_arena *arena, struct tg_bundle_row *row) {
  struct tg_history *history = NULL;
  if (!*tg_program_id() || tg_history_open(data, &history, NULL)) return false;
  bool is_found = find(history, root, entry, arena, row);
  tg_history_close(history);
  return is_found;
}
