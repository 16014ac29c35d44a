// SPDX-License-Identifier: Apache-2.0
#include "engine/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/units.h"
#include "engine/live_map.h"

void tg_context_unit_name(const struct tg_live_run *run, uint32_t unit,
                          char name[TG_UNIT_NAME_MAX]) {
  const struct tg_live_task *t = &run->tasks[unit];
  const char *task = run->plan->tasks[t->task].name;
  if (t->item == TG_NO_ITEM)
    snprintf(name, TG_UNIT_NAME_MAX, "%s", task);
  else
    snprintf(name, TG_UNIT_NAME_MAX, "%s[%u]", task, t->item);
}

void tg_context_key_of(struct tg_id run, const char *unit, char key[TG_KEY_TEXT_LEN + 1]) {
  struct tg_hash hash;
  char text[TG_HASH_TEXT_LEN + 1];
  tg_hash_init(&hash);
  tg_hash_add(&hash, run.bytes, sizeof run.bytes);
  tg_hash_add(&hash, unit, strlen(unit));
  tg_hash_take(&hash, text);
  memcpy(key, text, TG_KEY_TEXT_LEN);
  key[TG_KEY_TEXT_LEN] = 0;
}

void tg_context_key(const struct tg_live_run *run, uint32_t unit, char key[TG_KEY_TEXT_LEN + 1]) {
  char name[TG_UNIT_NAME_MAX];
  tg_context_unit_name(run, unit, name);
  tg_context_key_of(run->run.id, name, key);
}

static void member(struct tg_buf *out, const char *name) {
  if (out->len && out->data[out->len - 1] != '{') tg_buf_putc(out, ',');
  tg_buf_put_json(out, name, strlen(name));
  tg_buf_putc(out, ':');
}

static void text_member(struct tg_buf *out, const char *name, const char *text) {
  member(out, name);
  tg_buf_put_json(out, text, strlen(text));
}

static void time_member(struct tg_buf *out, const char *name, int64_t ms) {
  char text[TG_TIME_TEXT_LEN + 1];
  tg_time_format(ms, text);
  text_member(out, name, text);
}

// Small outputs go along; large ones are named, and asked for when they are looked at.
static void outputs_put(const struct tg_live_run *run, struct tg_graph_slice up,
                        struct tg_buf *out) {
  const struct tg_plan *plan = run->plan;
  tg_buf_puts(out, ",\"output\":{");
  for (uint32_t i = 0; i < up.count; i++) {
    const char *output = run->tasks[up.nodes[i]].output;
    if (!output || strlen(output) > (size_t)TG_CONTEXT_OUTPUT_BYTES_MAX) continue;
    member(out, plan->tasks[up.nodes[i]].name);
    tg_buf_puts(out, output);
  }
  tg_buf_puts(out, "},\"large\":{");
  for (uint32_t i = 0; i < up.count; i++) {
    const char *output = run->tasks[up.nodes[i]].output;
    if (!output || strlen(output) <= (size_t)TG_CONTEXT_OUTPUT_BYTES_MAX) continue;
    member(out, plan->tasks[up.nodes[i]].name);
    tg_buf_puts(out, "true");
  }
  tg_buf_putc(out, '}');
}

static void error_put(const struct tg_failure *failure, struct tg_buf *out) {
  tg_buf_puts(out, ",\"error\":{");
  text_member(out, "code", tg_code_word(failure->code));
  text_member(out, "class", tg_class_word(failure->class));
  text_member(out, "message", failure->text ? failure->text : "");
  tg_buf_putc(out, '}');
}

static void phase_put(const struct tg_live_run *run, uint32_t unit, struct tg_buf *out) {
  const struct tg_live_task *t = &run->tasks[unit];
  if (t->item != TG_NO_ITEM) {
    tg_buf_putf(out, ",\"index\":%u,\"item\":", t->item);
    tg_live_map_put_value(run, unit, out);
  }
  uint32_t owner = run->plan->tasks[t->task].fallback_of;
  if (owner != TG_NO_TASK && run->tasks[owner].is_fallback)
    error_put(&tg_live_notes(&run->tasks[owner])->failure, out);
  if (t->is_fallback) {
    text_member(out, "phase", "fallback");
    error_put(&tg_live_notes(t)->failure, out);
  } else if (t->item != TG_NO_ITEM) {
    text_member(out, "phase", "item");
  } else if (run->plan->tasks[t->task].map) {
    text_member(out, "phase", "over");
  }
}

void tg_context_write(const struct tg_live_run *run, uint32_t unit, uint32_t number,
                      int64_t now_wall_ms, int64_t deadline_wall_ms, struct tg_buf *out) {
  const struct tg_plan *plan = run->plan;
  uint32_t task = run->tasks[unit].task;
  char id[TG_ID_TEXT_LEN + 1], key[TG_KEY_TEXT_LEN + 1];
  tg_id_format(run->run.id, id);
  tg_context_key(run, unit, key);
  tg_buf_putc(out, '{');
  text_member(out, "run", id);
  text_member(out, "pipeline", plan->name);
  text_member(out, "task", plan->tasks[task].name);
  tg_buf_putf(out, ",\"attempt\":%u", number);
  text_member(out, "key", key);
  member(out, "params");
  tg_buf_puts(out, run->run.params);
  time_member(out, "logical_date", run->run.logical_at);
  tg_buf_puts(out, ",\"interval\":{");
  bool has_interval = run->run.interval_end != 0;
  time_member(out, "start", has_interval ? run->run.interval_start : run->run.logical_at);
  time_member(out, "end", has_interval ? run->run.interval_end : run->run.logical_at);
  tg_buf_putc(out, '}');
  if (run->run.partition) text_member(out, "partition", run->run.partition);
  time_member(out, "now", now_wall_ms);
  if (deadline_wall_ms) time_member(out, "deadline", deadline_wall_ms);
  phase_put(run, unit, out);
  struct tg_graph_slice up = tg_graph_upstream(&plan->graph, task);
  outputs_put(run, up, out);
  tg_buf_puts(out, ",\"states\":{");
  for (uint32_t i = 0; i < up.count; i++)
    text_member(out, plan->tasks[up.nodes[i]].name,
                tg_task_state_word((enum tg_task_state)run->tasks[up.nodes[i]].state));
  tg_buf_puts(out, "}}");
}

bool tg_context_is_ancestor(const struct tg_plan *plan, uint32_t ancestor, uint32_t task) {
  uint8_t *marks = calloc(plan->count, 1);
  if (!marks) return false;
  marks[task] = 1;
  tg_graph_mark_ancestors(&plan->graph, marks);
  bool is_one = marks[ancestor] && ancestor != task;
  free(marks);
  return is_one;
}
