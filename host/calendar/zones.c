// SPDX-License-Identifier: Apache-2.0
#include "calendar/zones.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/suggest.h"

static int folder_read(void *self, const char *name, struct tg_buf *bytes, struct tg_error *err) {
  char path[4096];
  int len = snprintf(path, sizeof path, "%s/%s", (const char *)self, name);
  if (len < 0 || (size_t)len >= sizeof path)
    return tg_error_set(err, TG_EINVALID, "the folder of the time zones has too long a name");
  struct stat info;
  if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
    return tg_error_set(err, TG_ENOT_FOUND, "%s is not a file", path);
  return tg_file_read(path, bytes, err);
}

struct tg_zone_source tg_zone_source_folder(const char *folder) {
  return (struct tg_zone_source){.read = folder_read, .self = (void *)(uintptr_t)folder};
}

void tg_zones_init(struct tg_zones *zones, struct tg_zone_source source) {
  zones->source = source;
  tg_map_init(&zones->by_name);
}

void tg_zones_deinit(struct tg_zones *zones) {
  size_t at = 0;
  for (const struct tg_map_slot *slot; (slot = tg_map_next(&zones->by_name, &at));)
    tg_zone_free(slot->value);
  tg_map_deinit(&zones->by_name);
}

// Gives the name that a line of tzdata.zi defines, cut off in place, or NULL. Such a line is
// "Z NAME ..." for a zone or "L TARGET NAME" for a link.
static const char *line_name(char *line) {
  char *rest = NULL, *kind = strtok_r(line, " ", &rest);
  if (!kind || (strcmp(kind, "Z") != 0 && strcmp(kind, "L") != 0)) return NULL;
  char *name = strtok_r(NULL, " ", &rest);
  return *kind == 'L' ? strtok_r(NULL, " ", &rest) : name;
}

// Looks for the nearest name in the database's own list. Without the list there is no suggestion.
static void nearest_name(const struct tg_zones *zones, const char *name,
                         char nearest[TG_ZONE_NAME_MAX + 1]) {
  struct tg_buf list;
  const char *names[TG_ZONE_NAMES_MAX];
  size_t count = 0;
  nearest[0] = 0;
  tg_buf_init(&list, TG_ZONE_LIST_BYTES_MAX);
  if (!zones->source.read(zones->source.self, "tzdata.zi", &list, NULL) && list.len) {
    char *rest = NULL;
    for (char *line = strtok_r(list.data, "\n", &rest); line && count < TG_ZONE_NAMES_MAX;
         line = strtok_r(NULL, "\n", &rest)) {
      const char *found = line_name(line);
      if (found) names[count++] = found;
    }
    const char *best = tg_suggest(name, names, count);
    if (best) snprintf(nearest, TG_ZONE_NAME_MAX + 1, "%s", best);
  }
  tg_buf_deinit(&list);
}

static int not_found(const struct tg_zones *zones, const char *name, struct tg_error *err) {
  char nearest[TG_ZONE_NAME_MAX + 1];
  nearest_name(zones, name, nearest);
  if (*nearest)
    return tg_error_set(err, TG_ENOT_FOUND, "there is no time zone \"%s\"; did you mean \"%s\"?",
                        name, nearest);
  return tg_error_set(err, TG_ENOT_FOUND,
                      "there is no time zone \"%s\"; names are like \"Europe/Berlin\" and come "
                      "from the package tzdata",
                      name);
}

static int zone_read(const struct tg_zones *zones, const char *name, struct tg_zone **zone,
                     struct tg_error *err) {
  struct tg_buf bytes;
  int code = tg_zone_name_check(name, err);
  if (code) return code;
  tg_buf_init(&bytes, TG_ZONE_BYTES_MAX);
  code = zones->source.read(zones->source.self, name, &bytes, err);
  if (!code)
    code = tg_zone_parse(name, tg_buf_text(&bytes), bytes.len, zone, err);
  else if (code == TG_ENOT_FOUND)
    code = not_found(zones, name, err);
  tg_buf_deinit(&bytes);
  return code;
}

int tg_zones_get(struct tg_zones *zones, const char *name, const struct tg_zone **zone,
                 struct tg_error *err) {
  struct tg_zone *made = tg_map_get(&zones->by_name, name);
  if ((*zone = made)) return TG_OK;
  if (zones->by_name.count >= TG_ZONE_NAMES_MAX)
    return tg_error_set(err, TG_ELIMIT, "more than %d time zones are in use", TG_ZONE_NAMES_MAX);
  int code = tg_zone_fixed(name, &made, err);
  if (!code && !made) code = zone_read(zones, name, &made, err);
  if (code) return code;
  if (tg_map_put(&zones->by_name, name, made)) {
    tg_zone_free(made);
    return tg_error_set(err, TG_ENOMEM, "no memory for the time zone %s", name);
  }
  *zone = made;
  return TG_OK;
}
