// SPDX-License-Identifier: Apache-2.0
#include "cli/inbox.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

enum {
  LIST_MAX = 1000,    // requests at a look; the others come at the next
  WRITTEN_IN_S = 600, // what was not changed for so long is not being written any more
  RANDOM_LEN = 6,     // of a temporary file: "0193.event.Ab3xZ9"
};

static const char folder_name[] = "requests";

char *tg_inbox_path(const char *data, const char *name, const char *kind, struct tg_arena *arena) {
  size_t size = strlen(data) + sizeof folder_name + strlen(name) + strlen(kind) + 4;
  char *path = tg_arena_alloc(arena, size);
  if (path) snprintf(path, size, "%s/%s/%s.%s", data, folder_name, name, kind);
  return path;
}

static char *folder_path(const char *data, struct tg_arena *arena) {
  size_t size = strlen(data) + sizeof folder_name + 2;
  char *path = tg_arena_alloc(arena, size);
  if (path) snprintf(path, size, "%s/%s", data, folder_name);
  return path;
}

int tg_inbox_put(const char *data, const char *name, const char *kind, const void *bytes,
                 size_t len, struct tg_error *err) {
  struct tg_arena arena;
  tg_arena_init(&arena);
  char *folder = folder_path(data, &arena), *path = tg_inbox_path(data, name, kind, &arena);
  int code = folder && path ? tg_file_make_folder(folder, err)
                            : tg_error_set(err, TG_ENOMEM, "no memory for a request");
  if (!code) code = tg_file_write(path, bytes, len, err);
  tg_arena_deinit(&arena);
  return code;
}

void tg_inbox_remove(const char *data, const char *name, const char *kind) {
  struct tg_arena arena;
  tg_arena_init(&arena);
  const char *path = tg_inbox_path(data, name, kind, &arena);
  if (path) unlink(path);
  tg_arena_deinit(&arena);
}

static int by_text(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

// Files that are being written have another ending.
static char *name_of(const struct dirent *entry, const char *kind, struct tg_arena *arena) {
  const char *dot = strrchr(entry->d_name, '.');
  if (!dot || dot == entry->d_name || strcmp(dot + 1, kind) != 0) return NULL;
  return tg_arena_copy(arena, entry->d_name, (size_t)(dot - entry->d_name));
}

char **tg_inbox_list(const char *data, const char *kind, struct tg_arena *arena, size_t *count) {
  const char *path = folder_path(data, arena);
  DIR *folder = path ? opendir(path) : NULL;
  char **names = NULL;
  *count = 0;
  for (struct dirent *entry; folder && *count < LIST_MAX && (entry = readdir(folder));) {
    char *name = name_of(entry, kind, arena);
    if (name && !names) names = tg_arena_alloc(arena, LIST_MAX * sizeof *names);
    if (name && names) names[(*count)++] = name;
  }
  if (folder) closedir(folder);
  if (names) qsort(names, *count, sizeof *names, by_text);
  return names;
}

void tg_inbox_put_aside(const char *path, const struct tg_error *err) {
  char aside[4096];
  if ((size_t)snprintf(aside, sizeof aside, "%s.refused", path) >= sizeof aside) return;
  tg_log(TG_LOG_ERROR, "%s is no request and is put aside: %s", path, err->text);
  rename(path, aside);
}

static bool is_left(const char *path, const char *name) {
  struct stat info;
  const char *dot = strrchr(name, '.');
  bool is_temporary =
      dot && strlen(dot + 1) == RANDOM_LEN && memchr(name, '.', (size_t)(dot - name));
  return is_temporary && stat(path, &info) == 0 && info.st_mtime < time(NULL) - WRITTEN_IN_S;
}

void tg_inbox_sweep(const char *data) {
  struct tg_arena arena;
  tg_arena_init(&arena);
  const char *path = folder_path(data, &arena);
  DIR *folder = path ? opendir(path) : NULL;
  for (struct dirent *entry; folder && (entry = readdir(folder));) {
    char file[4096];
    bool fits = (size_t)snprintf(file, sizeof file, "%s/%s", path, entry->d_name) < sizeof file;
    if (fits && is_left(file, entry->d_name)) unlink(file);
  }
  if (folder) closedir(folder);
  tg_arena_deinit(&arena);
}
