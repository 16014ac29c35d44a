// SPDX-License-Identifier: Apache-2.0
#include "engine/facts.h"
#include "model/json.h"

#include <stdlib.h>
#include <string.h>

// Adds a record whose document is the compact text of `body`.
static int body_add(struct tg_batch *batch, struct tg_record *record, const char **field,
                    const json_t *body) {
  char *text = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);
  if (!text) return TG_ENOMEM;
  *field = text;
  int code = tg_batch_add(batch, record);
  free(text);
  return code;
}

// An empty table of Lua's may come as an empty object.
static int objects_check(const json_t *list, const char *what, struct tg_error *err) {
  bool is_empty_table = json_is_object(list) && json_object_size(list) == 0;
  bool is_right = !list || is_empty_table || json_is_array(list);
  for (size_t i = 0; i < json_array_size(list); i++)
    is_right = is_right && json_is_object(json_array_get(list, i));
  return is_right ? TG_OK : tg_error_set(err, TG_EPROTOCOL, "the %s are no list of objects", what);
}

static int checks_add(const struct tg_attempt *attempt, const json_t *checks,
                      struct tg_batch *batch, struct tg_error *err) {
  int code = objects_check(checks, "checks", err);
  if (code) return code;
  for (size_t i = 0; i < json_array_size(checks); i++) {
    struct tg_record record = {.kind = TG_RECORD_CHECK,
                               .check = {.run = attempt->run,
                                         .task = attempt->task,
                                         .attempt = attempt->number,
                                         .position = (uint32_t)i}};
    code = body_add(batch, &record, &record.check.body, json_array_get(checks, i));
    if (code) return code;
  }
  return TG_OK;
}

// Who tells the assets: an attempt of a run of a partition, or of none.
struct teller {
  const struct tg_attempt *attempt;
  const char *partition;
};

static int asset_add(const struct teller *teller, const json_t *asset, struct tg_batch *batch,
                     struct tg_error *err) {
  const struct tg_attempt *attempt = teller->attempt;
  const char *name = json_string_value(json_object_get(asset, "name"));
  const char *partition = json_string_value(json_object_get(asset, "partition"));
  if (!partition) partition = teller->partition;
  const json_t *rows = json_object_get(asset, "rows");
  if (!name) return tg_error_set(err, TG_EPROTOCOL, "an asset has no name");
  struct tg_record record = {
      .kind = TG_RECORD_ASSET_VERSION,
      .asset_version = {.run = attempt->run,
                        .task = attempt->task,
                        .attempt = attempt->number,
                        .asset = name,
                        .partition = partition ? partition : "",
                        .rows = json_is_integer(rows) ? json_integer_value(rows) : -1,
                        .created_at = attempt->ended_at}};
  return body_add(batch, &record, &record.asset_version.facts, asset);
}

static int assets_add(const struct teller *teller, const json_t *assets, struct tg_batch *batch,
                      struct tg_error *err) {
  int code = objects_check(assets, "assets", err);
  for (size_t i = 0; i < json_array_size(assets) && !code; i++)
    code = asset_add(teller, json_array_get(assets, i), batch, err);
  return code;
}

static bool is_emitted(const json_t *assets, const char *asset) {
  for (size_t i = 0; i < json_array_size(assets); i++) {
    const json_t *name = json_object_get(json_array_get(assets, i), "name");
    if (json_is_string(name) && strcmp(json_string_value(name), asset) == 0) return true;
  }
  return false;
}

// What a task is declared to produce is there once it has succeeded, whether it told more or not.
static int produced_add(const char *const *produces, const struct teller *teller,
                        const json_t *assets, struct tg_batch *batch, struct tg_error *err) {
  int code = TG_OK;
  for (; *produces && !code; produces++) {
    if (is_emitted(assets, *produces)) continue;
    json_t *asset = json_pack("{s:s}", "name", *produces);
    code = asset ? asset_add(teller, asset, batch, err) : TG_ENOMEM;
    json_decref(asset);
  }
  return code;
}

static bool is_choice(const struct tg_plan *plan, const struct tg_plan_task *branch,
                      const char *name) {
  for (uint32_t i = 0; name && i < branch->to_count; i++)
    if (strcmp(plan->tasks[branch->to[i]].name, name) == 0) return true;
  return false;
}

static int chosen_get(const struct tg_plan *plan, uint32_t task, const json_t *chosen,
                      struct tg_batch *batch, const char **text, struct tg_error *err) {
  const struct tg_plan_task *branch = &plan->tasks[task];
  if (!branch->to_count) return TG_OK;
  if (!json_is_array(chosen))
    return tg_error_set(err, TG_EPROTOCOL, "branch %s ended without a choice", branch->name);
  for (size_t i = 0; i < json_array_size(chosen); i++)
    if (!is_choice(plan, branch, json_string_value(json_array_get(chosen, i))))
      return tg_error_set(err, TG_EPROTOCOL, "branch %s chose a task that it does not lead to",
                          branch->name);
  char *dump = json_dumps(chosen, JSON_COMPACT);
  *text = dump ? tg_arena_strdup(&batch->arena, dump) : NULL;
  free(dump);
  return *text ? TG_OK : tg_error_set(err, TG_ENOMEM, "no memory for a choice");
}

int tg_facts_record(const struct tg_plan *plan, const char *partition,
                    const struct tg_attempt *attempt, const char *facts, struct tg_batch *batch,
                    const char **chosen, struct tg_error *err) {
  const struct teller teller = {attempt, partition};
  *chosen = NULL;
  const struct tg_plan_task *task = &plan->tasks[attempt->task];
  bool has_success = attempt->state == TG_ATTEMPT_SUCCESS;
  if ((!facts || !*facts) && !(has_success && (task->to_count || *task->produces))) return TG_OK;
  if (!facts || !*facts) facts = "{}";
  json_t *root;
  int code = tg_json_read(facts, strlen(facts), JSON_ALLOW_NUL, &root, NULL);
  if (code == TG_ENOMEM)
    tg_error_set(err, code, "no memory for the facts of an attempt");
  else if (!json_is_object(root))
    code = tg_error_set(err, TG_EPROTOCOL, "the facts of an attempt are malformed");
  if (!code) code = checks_add(attempt, json_object_get(root, "checks"), batch, err);
  const json_t *assets = json_object_get(root, "assets");
  if (!code) code = assets_add(&teller, assets, batch, err);
  if (!code && has_success) code = produced_add(task->produces, &teller, assets, batch, err);
  if (!code && has_success)
    code = chosen_get(plan, attempt->task, json_object_get(root, "chosen"), batch, chosen, err);
  json_decref(root);
  return code;
}
