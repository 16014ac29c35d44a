// SPDX-License-Identifier: Apache-2.0
#include "engine/partitions.h"

#include <string.h>

#include "base/buf.h"
#include "base/suggest.h"

enum { PROSE_BYTES_MAX = 400 };

static bool is_known(const struct tg_plan *plan, const char *name) {
  for (uint32_t i = 0; i < plan->partition_count; i++)
    if (strcmp(plan->partitions[i], name) == 0) return true;
  return false;
}

static void words_put(const struct tg_plan *plan, struct tg_buf *out) {
  for (uint32_t i = 0; i < plan->partition_count && out->len < PROSE_BYTES_MAX / 2; i++)
    tg_buf_putf(out, "%s%.100s", i ? ", " : "", plan->partitions[i]);
  if (out->len >= PROSE_BYTES_MAX / 2) tg_buf_puts(out, ", ...");
}

int tg_partition_check(const struct tg_plan *plan, const char *name, struct tg_error *err) {
  if (name ? is_known(plan, name) : !plan->partition_count) return TG_OK;
  if (!plan->partition_count)
    return tg_error_set(err, TG_EINVALID, "pipeline %s has no partitions", plan->name);
  struct tg_buf words;
  tg_buf_init(&words, PROSE_BYTES_MAX);
  words_put(plan, &words);
  const char *nearest = name ? tg_suggest(name, plan->partitions, plan->partition_count) : NULL;
  int code =
      name ? tg_error_set(err, TG_EINVALID,
                          "pipeline %s has no partition \"%.100s\"; it has %s%s%.100s%s",
                          plan->name, name, tg_buf_text(&words), nearest ? "; did you mean \"" : "",
                          nearest ? nearest : "", nearest ? "\"?" : "")
           : tg_error_set(err, TG_EINVALID,
                          "pipeline %s has partitions: a run is of one, --partition NAME, with %s",
                          plan->name, tg_buf_text(&words));
  tg_buf_deinit(&words);
  return code;
}

static int twice_check(const char *const *list, size_t count, struct tg_error *err) {
  for (size_t i = 0; i + 1 < count; i++)
    if (strcmp(list[i], list[count - 1]) == 0)
      return tg_error_set(err, TG_EINVALID, "partition \"%.100s\" is named twice", list[i]);
  return TG_OK;
}

int tg_partitions_pick(const struct tg_plan *plan, const char *text, struct tg_arena *arena,
                       const char *const **list, size_t *count, struct tg_error *err) {
  size_t most = plan->partition_count + (text ? strlen(text) : 0) + 1;
  const char **picked = tg_arena_alloc(arena, (most + 1) * sizeof *picked);
  if (!picked) return tg_error_set(err, TG_ENOMEM, "no memory for partitions");
  *list = picked;
  *count = text ? 0 : plan->partition_count ? plan->partition_count : 1;
  if (!text) {
    for (uint32_t i = 0; i < plan->partition_count; i++) picked[i] = plan->partitions[i];
    return TG_OK;
  }
  int code = TG_OK;
  for (const char *at = text; !code; at++) {
    size_t len = strcspn(at, ",");
    const char *name = tg_arena_copy(arena, at, len);
    if (!name) return tg_error_set(err, TG_ENOMEM, "no memory for partitions");
    picked[(*count)++] = name;
    code = tg_partition_check(plan, name, err);
    if (!code) code = twice_check(picked, *count, err);
    at += len;
    if (!*at) break;
  }
  return code;
}
