// SPDX-License-Identifier: Apache-2.0
// The parameters of a backfill: what was given, with the places of secrets, and what each
// occurrence gets of it.
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "cli/backfill.h"
#include "model/params.h"

// --- What is given ---

static size_t name_len(const char *given) {
  return strcspn(given, "=");
}

static const char **same_find(const char **given, size_t count, const char *name) {
  size_t len = name_len(name);
  for (size_t i = 0; i < count; i++)
    if (name_len(given[i]) == len && strncmp(given[i], name, len) == 0) return &given[i];
  return NULL;
}

// A secret that was not kept is given again; whatever else is given would be another backfill.
static int secret_put(struct tg_backfill *backfill, const char *given, struct tg_error *err) {
  char name[TG_NAME_BYTES_MAX + 1];
  size_t len = name_len(given);
  const char **place = same_find(backfill->params, backfill->param_count, given);
  if (len < sizeof name) {
    memcpy(name, given, len);
    name[len] = 0;
  }
  if (len >= sizeof name || !place || !tg_params_is_secret(backfill->plan->params, name))
    return tg_error_set(err, TG_EINVALID,
                        "--resume goes on with the parameters of the backfill; -p gives a secret "
                        "of it again, and \"%.*s\" is none",
                        (int)(len < sizeof name ? len : sizeof name), given);
  *place = given;
  return TG_OK;
}

int tg_backfill_params_take(struct tg_backfill *backfill, const struct tg_args *again,
                            struct tg_error *err) {
  struct tg_arena *arena = &backfill->arena;
  size_t count;
  backfill->params = tg_args_all(backfill->args, "param", arena, &backfill->param_count);
  const char **given = again ? tg_args_all(again, "param", arena, &count) : backfill->params;
  if (!backfill->params || !given) return tg_error_set(err, TG_ENOMEM, "no memory for parameters");
  if (!again) count = backfill->param_count;
  int code = tg_host_take_secrets(backfill->host, backfill->plan, given, count, arena, err);
  for (size_t i = 0; i < count && again && !code; i++) code = secret_put(backfill, given[i], err);
  return code;
}

// --- What occurrences get ---

int tg_backfill_params_freeze(struct tg_backfill *backfill, struct tg_occurrence *list,
                              struct tg_error *err) {
  int code = TG_OK;
  for (size_t i = 0; i < backfill->count && !code; i++) {
    struct tg_occurrence *occurrence = &list[i];
    struct tg_run run = {.partition = occurrence->partition,
                         .logical_at = occurrence->start_ms,
                         .interval_start = occurrence->start_ms,
                         .interval_end = occurrence->end_ms};
    struct tg_freeze freeze = {.version = backfill->version,
                               .schema = backfill->plan->params,
                               .given = backfill->params,
                               .count = backfill->param_count,
                               .run = &run};
    code = tg_host_freeze(backfill->host, &freeze, &backfill->arena, &occurrence->params, err);
  }
  return code;
}

const char *tg_backfill_params_identity(struct tg_backfill *backfill, const char *params) {
  char *text = tg_params_identity(backfill->plan->params, (const char *const *)backfill->params,
                                  backfill->param_count, params);
  const char *kept = tg_arena_strdup(&backfill->arena, text);
  free(text);
  return kept;
}
