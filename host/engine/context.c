// SPDX-License-Identifier: Apache-2.0
#include "engine/context.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/units.h"

void tg_context_key(const struct tg_run *run, const char *task, char key[TG_KEY_TEXT_LEN + 1]) {
  struct tg_hash hash;
  char text[TG_HASH_TEXT_LEN + 1];
  tg_hash_init(&hash);
  tg_hash_add(&hash, run->id.bytes, sizeof run->id.bytes);
  tg_hash_add(&hash, task, strlen(task));
  tg_hash_take(&hash, text);
  memcpy(key, text, TG_KEY_TEXT_LEN);
  key[TG_KEY_TEXT_LEN] = 0;
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

void tg_context_write(const struct tg_live_run *run, uint32_t task, uint32_t number,
                      int64_t now_wall_ms, struct tg_buf *out) {
  const struct tg_plan *plan = run->plan;
  char id[TG_ID_TEXT_LEN + 1], key[TG_KEY_TEXT_LEN + 1];
  tg_id_format(run->run.id, id);
  tg_context_key(&run->run, plan->tasks[task].name, key);
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
  time_member(out, "start", run->run.logical_at);
  time_member(out, "end", run->run.logical_at);
  tg_buf_putc(out, '}');
  time_member(out, "now", now_wall_ms);
  struct tg_graph_slice up = tg_graph_upstream(&plan->graph, task);
  tg_buf_puts(out, ",\"output\":{");
  for (uint32_t i = 0; i < up.count; i++) {
    const struct tg_live_task *t = &run->tasks[up.nodes[i]];
    if (!t->output) continue;
    member(out, plan->tasks[up.nodes[i]].name);
    tg_buf_puts(out, t->output);
  }
  tg_buf_puts(out, "},\"states\":{");
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
