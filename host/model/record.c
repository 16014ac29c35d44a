// SPDX-License-Identifier: Apache-2.0
#include "model/record.h"

#include <stdbool.h>
#include <stdlib.h>

struct tg_batch *tg_batch_new(void) {
  struct tg_batch *batch = calloc(1, sizeof *batch);
  if (batch) tg_arena_init(&batch->arena);
  return batch;
}

void tg_batch_free(struct tg_batch *batch) {
  if (!batch) return;
  tg_arena_deinit(&batch->arena);
  free(batch->records);
  free(batch);
}

// Copies one string of a record into the batch.
static bool own(struct tg_batch *batch, const char **text) {
  if (!*text) return true;
  *text = tg_arena_strdup(&batch->arena, *text);
  return *text != NULL;
}

static bool record_own(struct tg_batch *batch, struct tg_record *r) {
  switch (r->kind) {
  case TG_RECORD_RUN:
    return own(batch, &r->run.pipeline) && own(batch, &r->run.bundle) &&
           own(batch, &r->run.params) && own(batch, &r->run.partition) &&
           own(batch, &r->run.occurrence) && own(batch, &r->run.trigger) &&
           own(batch, &r->run.rerun_of) && own(batch, &r->run.parent) &&
           own(batch, &r->run.child_key) && own(batch, &r->run.backfill) &&
           own(batch, &r->run.failure.text);
  case TG_RECORD_TASK:
    return own(batch, &r->task.name) && own(batch, &r->task.output) &&
           own(batch, &r->task.chosen) && own(batch, &r->task.failure.text);
  case TG_RECORD_MAP_ITEMS:
    return own(batch, &r->map_items.items) && own(batch, &r->map_items.keys);
  case TG_RECORD_ITEM:
    return own(batch, &r->item.output) && own(batch, &r->item.failure.text);
  case TG_RECORD_STEP:
    return own(batch, &r->step.name) && own(batch, &r->step.result) && own(batch, &r->step.wait);
  case TG_RECORD_ATTEMPT:
    return own(batch, &r->attempt.failure.text) && own(batch, &r->attempt.stop) &&
           own(batch, &r->attempt.traceback);
  case TG_RECORD_DECISION:
    return own(batch, &r->decision.policy) && own(batch, &r->decision.version) &&
           own(batch, &r->decision.input) && own(batch, &r->decision.output) &&
           own(batch, &r->decision.action) && own(batch, &r->decision.reason);
  case TG_RECORD_CHECK:
    return own(batch, &r->check.body);
  case TG_RECORD_ASSET_VERSION:
    return own(batch, &r->asset_version.asset) && own(batch, &r->asset_version.partition) &&
           own(batch, &r->asset_version.facts);
  case TG_RECORD_RESOURCE:
    return own(batch, &r->resource.name) && own(batch, &r->resource.phase) &&
           own(batch, &r->resource.reason) && own(batch, &r->resource.breaker) &&
           own(batch, &r->resource.budget);
  case TG_RECORD_FILL:
    return own(batch, &r->fill.pipeline) && own(batch, &r->fill.command);
  case TG_RECORD_COUNT:
    break;
  }
  return false;
}

int tg_batch_add(struct tg_batch *batch, const struct tg_record *record) {
  if (batch->count == batch->cap) {
    size_t cap = batch->cap ? batch->cap * 2 : 4;
    struct tg_record *records = realloc(batch->records, cap * sizeof *records);
    if (!records) return TG_ENOMEM;
    batch->records = records;
    batch->cap = cap;
  }
  struct tg_record copy = *record;
  if (!record_own(batch, &copy)) return TG_ENOMEM;
  batch->records[batch->count++] = copy;
  return TG_OK;
}
