// SPDX-License-Identifier: Apache-2.0
// What every part of the engine does in the end: a record is put into the open batch, an effect is
// left for the driver, a timer is armed, or a fault is noted.
#include <stdlib.h>

#include "engine/engine_parts.h"

void tg_engine_fail(struct tg_engine *engine, int code, const char *what) {
  if (engine->code) return;
  engine->code = code;
  tg_error_set(engine->err, code, "the engine stops: %s", what);
}

void tg_engine_check(struct tg_engine *engine, int code) {
  if (code) tg_engine_fail(engine, code, tg_code_text(code));
}

void tg_engine_effect(struct tg_engine *engine, const struct tg_effect *effect) {
  if (engine->effect_count == engine->effect_cap) {
    size_t cap = engine->effect_cap ? engine->effect_cap * 2 : 16;
    struct tg_effect *effects = realloc(engine->effects, cap * sizeof *effects);
    if (!effects) {
      tg_engine_fail(engine, TG_ENOMEM, "out of memory");
      return;
    }
    engine->effects = effects;
    engine->effect_cap = cap;
  }
  engine->effects[engine->effect_count++] = *effect;
}

// Items are told through the progress of their map.
void tg_engine_tell(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit) {
  if (run->tasks[unit].item != TG_NO_ITEM) return;
  tg_engine_effect(engine, &(struct tg_effect){.kind = TG_EFFECT_TASK,
                                               .run = run,
                                               .unit = unit,
                                               .number = run->tasks[unit].attempts});
}

struct tg_live_notes *tg_engine_note(struct tg_engine *engine, struct tg_live_task *t) {
  struct tg_live_notes *notes = tg_live_note(t);
  if (!notes) tg_engine_fail(engine, TG_ENOMEM, "out of memory");
  return notes;
}

struct tg_batch *tg_engine_batch(struct tg_engine *engine) {
  if (engine->open) return engine->open;
  engine->open = tg_batch_new();
  if (engine->open)
    engine->open->may_wait = true;
  else
    tg_engine_fail(engine, TG_ENOMEM, "out of memory");
  return engine->open;
}

void tg_engine_record_later(struct tg_engine *engine, const struct tg_record *record) {
  struct tg_batch *batch = tg_engine_batch(engine);
  if (batch) tg_engine_check(engine, tg_batch_add(batch, record));
}

void tg_engine_record(struct tg_engine *engine, const struct tg_record *record) {
  tg_engine_record_later(engine, record);
  if (engine->open) engine->open->may_wait = false;
}

void tg_engine_timer(struct tg_engine *engine, const struct tg_engine_timer *timer) {
  tg_engine_check(engine, tg_timers_add(&engine->timers, timer));
}

int64_t tg_engine_after(int64_t instant_ms, int64_t wait_ms) {
  if (wait_ms <= 0) return instant_ms;
  return wait_ms < INT64_MAX - instant_ms ? instant_ms + wait_ms : INT64_MAX;
}

uint64_t tg_engine_seed(const struct tg_live_run *run, uint32_t unit, uint32_t number) {
  const struct tg_live_task *t = &run->tasks[unit];
  uint64_t seed = UINT64_C(0x9e3779b97f4a7c15) * (number + 1u) ^ (uint64_t)t->task << 32;
  seed ^= UINT64_C(0xd6e8feb86659fd93) * (t->item + UINT64_C(1));
  for (int i = 0; i < 16; i++) seed = (seed ^ run->run.id.bytes[i]) * UINT64_C(0x100000001b3);
  seed ^= seed >> 29;
  return seed & INT64_MAX; // as SQLite keeps it
}

struct tg_record tg_engine_task_record(const struct tg_live_run *run, uint32_t task,
                                       enum tg_task_state state, int64_t ended_at) {
  const struct tg_live_task *t = &run->tasks[task];
  return (struct tg_record){.kind = TG_RECORD_TASK,
                            .task = {.run = run->run.number,
                                     .index = task,
                                     .name = run->plan->tasks[task].name,
                                     .state = state,
                                     .attempts = t->attempts,
                                     .started_at = tg_live_first_started_at(t),
                                     .ended_at = ended_at}};
}

struct tg_record tg_engine_attempt_record(const struct tg_live_run *run, uint32_t unit,
                                          enum tg_attempt_state state) {
  const struct tg_live_task *t = &run->tasks[unit];
  return (struct tg_record){.kind = TG_RECORD_ATTEMPT,
                            .attempt = {.run = run->run.number,
                                        .task = t->task,
                                        .item = t->item,
                                        .number = t->attempts,
                                        .state = state,
                                        .seed = tg_engine_seed(run, unit, t->attempts),
                                        .started_at = t->started_at,
                                        .was_held = t->is_held}};
}

// The instant says which retry the timer is for: one that was woken earlier may wait for the next.
void tg_engine_retry_arm(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit) {
  int64_t retry_at = tg_live_notes(&run->tasks[unit])->retry_at;
  if (retry_at == INT64_MAX) return; // nothing but an event or a person ends the wait
  int64_t at_ms = tg_engine_after(engine->now.mono_ms, retry_at - engine->now.wall_ms);
  tg_engine_timer(engine, &(struct tg_engine_timer){.at_ms = at_ms,
                                                    .kind = TG_TIMER_RETRY,
                                                    .run = run->run.number,
                                                    .unit = unit,
                                                    .attempt = (uint64_t)retry_at});
}
