// SPDX-License-Identifier: Apache-2.0
// Effects are carried out before the next input comes: neither the store nor the runner nor an
// observer calls back while it is called, so the engine is never entered twice.
#include "engine/conductor.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "engine/context.h"
#include "engine/live_map.h"

enum { EVENTS_A_LOOK = 100 }; // that are in memory at once

struct tg_conductor {
  struct tg_loop *loop;
  struct tg_store *store;
  struct tg_engine *engine;
  struct tg_runner runner;
  struct tg_observer observer;
  struct tg_timer *timer;
  int64_t timer_at; // the instant it is set to, while it runs
  void (*failed)(void *self, const struct tg_error *err);
  void *self;
  bool is_stopped;
  struct tg_buf context;
  struct tg_event_source events;
  struct look *looks; // that are to be done; the first one may be being done
};

// Events of a type that are to be brought once more.
struct look {
  char *type;
  uint64_t after;
  struct look *next;
};

static void timer_fired(void *self);

struct tg_conductor *tg_conductor_new(struct tg_loop *loop, struct tg_store *store, uint32_t slots,
                                      uint64_t last_run,
                                      void (*failed)(void *self, const struct tg_error *err),
                                      void *self, struct tg_error *err) {
  struct tg_conductor *conductor = calloc(1, sizeof *conductor);
  if (conductor) conductor->engine = tg_engine_new(slots, last_run);
  if (!conductor || !conductor->engine) {
    free(conductor);
    tg_error_set(err, TG_ENOMEM, "no memory for the engine");
    return NULL;
  }
  conductor->loop = loop;
  conductor->store = store;
  conductor->failed = failed;
  conductor->self = self;
  tg_buf_init(&conductor->context, (size_t)TG_FRAME_BYTES_MAX);
  conductor->timer = tg_timer_new(loop, timer_fired, conductor, err);
  if (conductor->timer) return conductor;
  tg_conductor_free(conductor);
  return NULL;
}

void tg_conductor_set_events(struct tg_conductor *conductor, const struct tg_event_source *source,
                             uint64_t last_event) {
  conductor->events = *source;
  tg_engine_set_last_event(conductor->engine, last_event);
}

static void look_end(struct tg_conductor *conductor) {
  struct look *look = conductor->looks;
  conductor->looks = look->next;
  free(look->type);
  free(look);
}

void tg_conductor_free(struct tg_conductor *conductor) {
  if (!conductor) return;
  while (conductor->looks) look_end(conductor);
  tg_timer_free(conductor->timer);
  tg_engine_free(conductor->engine);
  tg_buf_deinit(&conductor->context);
  free(conductor);
}

void tg_conductor_set_runner(struct tg_conductor *conductor, const struct tg_runner *runner) {
  conductor->runner = *runner;
}

void tg_conductor_set_observer(struct tg_conductor *conductor, const struct tg_observer *observer) {
  conductor->observer = *observer;
}

const struct tg_observer *tg_conductor_observer(const struct tg_conductor *conductor) {
  return &conductor->observer;
}

const struct tg_live_run *tg_conductor_find_attempt(struct tg_conductor *conductor,
                                                    uint64_t attempt, uint32_t *unit) {
  return tg_engine_find_attempt(conductor->engine, attempt, unit);
}

const struct tg_live_run *tg_conductor_find_run(struct tg_conductor *conductor, uint64_t number) {
  return tg_engine_find_run(conductor->engine, number);
}

bool tg_conductor_has_runs(const struct tg_conductor *conductor) {
  return tg_engine_has_runs(conductor->engine);
}

bool tg_conductor_is_quiet(const struct tg_conductor *conductor) {
  return tg_engine_is_quiet(conductor->engine);
}

static struct tg_now now_get(const struct tg_conductor *conductor) {
  const struct tg_clock *clock = tg_loop_clock(conductor->loop);
  return (struct tg_now){.wall_ms = tg_clock_wall_ms(clock), .mono_ms = tg_clock_mono_ms(clock)};
}

static void stop(struct tg_conductor *conductor, const struct tg_error *err) {
  if (conductor->is_stopped) return;
  conductor->is_stopped = true;
  tg_timer_stop(conductor->timer);
  conductor->failed(conductor->self, err);
}

void tg_conductor_stop(struct tg_conductor *conductor) {
  conductor->is_stopped = true;
  tg_timer_stop(conductor->timer);
}

static void committed(void *self, struct tg_batch *batch, const struct tg_error *err) {
  struct tg_conductor *conductor = self;
  if (err || conductor->is_stopped) {
    tg_batch_free(batch);
    if (err) stop(conductor, err);
    return;
  }
  tg_conductor_input(conductor, &(struct tg_input){.kind = TG_INPUT_COMMITTED, .committed = batch});
}

static void start(struct tg_conductor *conductor, const struct tg_effect *effect) {
  struct tg_now now = now_get(conductor);
  tg_buf_clear(&conductor->context);
  tg_context_write(effect->run, effect->unit, effect->number, now.wall_ms, effect->deadline_at,
                   &conductor->context);
  if (conductor->context.is_out_of_memory) {
    struct tg_error err;
    tg_error_set(&err, TG_ENOMEM, "no memory for the context of an attempt");
    stop(conductor, &err);
    return;
  }
  bool is_whole = !conductor->context.is_failed;
  conductor->runner.start(conductor->runner.self,
                          &(struct tg_start){.attempt = effect->attempt,
                                             .run = effect->run,
                                             .unit = effect->unit,
                                             .task = effect->run->tasks[effect->unit].task,
                                             .number = effect->number,
                                             .seed = effect->seed,
                                             .deadline_ms = effect->deadline_ms,
                                             .deadline_at = effect->deadline_at,
                                             .context = is_whole ? conductor->context.data : NULL,
                                             .context_len = conductor->context.len});
}

static void progress_tell(const struct tg_observer *observer, const struct tg_live_run *run,
                          uint32_t task) {
  const struct tg_live_map *map = run->tasks[task].map;
  if (observer->task_progress)
    observer->task_progress(observer->self, run, task, map->done, map->count);
}

static void resource_tell(const struct tg_observer *observer,
                          const struct tg_resource_state *resource) {
  struct tg_resource_record record;
  tg_resource_put(resource, &record);
  if (observer->resource_turned) observer->resource_turned(observer->self, &record.resource);
}

// Many may wait for the same type: one look that reaches back far enough does for all of them, but
// not the one that is being done.
static void look_begin(struct tg_conductor *conductor, const char *type, uint64_t after) {
  struct look **at = &conductor->looks;
  if (*at) at = &(*at)->next;
  for (; *at; at = &(*at)->next) {
    if (strcmp((*at)->type, type) != 0) continue;
    if ((*at)->after > after) (*at)->after = after;
    return;
  }
  *at = calloc(1, sizeof **at);
  if (*at) (*at)->type = strdup(type);
  if (!*at || !(*at)->type) abort(); // a wait would never end
  (*at)->after = after;
}

static void retry_ask(struct tg_conductor *conductor, const struct tg_effect *effect) {
  const struct tg_runner *runner = &conductor->runner;
  runner->decide(runner->self,
                 &(struct tg_retry_question){.question = effect->request,
                                             .run = effect->run,
                                             .task = effect->run->tasks[effect->unit].task,
                                             .number = effect->number,
                                             .input = effect->text});
}

static void effect_do(struct tg_conductor *conductor, const struct tg_effect *effect) {
  const struct tg_observer *observer = &conductor->observer;
  switch (effect->kind) {
  case TG_EFFECT_COMMIT:
    tg_store_commit(conductor->store, effect->batch, committed, conductor);
    break;
  case TG_EFFECT_START:
    start(conductor, effect);
    break;
  case TG_EFFECT_CANCEL:
    conductor->runner.cancel(conductor->runner.self, effect->attempt, effect->code);
    break;
  case TG_EFFECT_STEP:
    conductor->runner.step(conductor->runner.self, effect->attempt, effect->request, effect->code,
                           effect->text);
    break;
  case TG_EFFECT_LOOK:
    look_begin(conductor, effect->text, effect->after);
    break;
  case TG_EFFECT_PROGRESS:
    progress_tell(observer, effect->run, effect->unit);
    break;
  case TG_EFFECT_TASK:
    if (observer->task_changed) observer->task_changed(observer->self, effect->run, effect->unit);
    break;
  case TG_EFFECT_DECIDE:
    retry_ask(conductor, effect);
    break;
  case TG_EFFECT_RESOURCE:
    resource_tell(observer, effect->resource);
    break;
  case TG_EFFECT_RUN_BEGUN:
    conductor->runner.run_begun(conductor->runner.self, effect->run);
    break;
  case TG_EFFECT_RUN_ENDED:
    conductor->runner.run_ended(conductor->runner.self, effect->run);
    if (observer->run_ended) observer->run_ended(observer->self, effect->run);
    break;
  }
}

static void timer_set(struct tg_conductor *conductor) {
  int64_t next = tg_engine_next_timer(conductor->engine);
  if (next == INT64_MAX) {
    tg_timer_stop(conductor->timer);
    return;
  }
  if (next == conductor->timer_at && tg_timer_is_running(conductor->timer)) return;
  conductor->timer_at = next;
  int64_t wait = next - now_get(conductor).mono_ms;
  tg_timer_start(conductor->timer, wait > 0 ? wait : 0);
}

static void step(struct tg_conductor *conductor, const struct tg_input *input) {
  const struct tg_effect *effects;
  size_t count;
  struct tg_error err;
  if (conductor->is_stopped) return;
  int code = tg_engine_step(conductor->engine, now_get(conductor), input, &effects, &count, &err);
  for (size_t i = 0; i < count; i++) effect_do(conductor, &effects[i]);
  if (code) stop(conductor, &err);
}

// Brings the next events of a look; false when there are no more.
static bool look_go(struct tg_conductor *conductor, struct look *look) {
  struct tg_arena arena;
  struct tg_event *events;
  size_t count = 0;
  struct tg_error err;
  tg_arena_init(&arena);
  const struct tg_event_source *source = &conductor->events;
  int code = source->read(source->self, look->type, look->after, EVENTS_A_LOOK, &arena, &events,
                          &count, &err);
  for (size_t i = 0; i < count && !code; i++) {
    look->after = events[i].number;
    step(conductor, &(struct tg_input){.kind = TG_INPUT_EVENT, .event = &events[i]});
  }
  tg_arena_deinit(&arena);
  if (code) stop(conductor, &err);
  return !code && count == EVENTS_A_LOOK && !conductor->is_stopped;
}

void tg_conductor_input(struct tg_conductor *conductor, const struct tg_input *input) {
  step(conductor, input);
  while (conductor->looks && !conductor->is_stopped) {
    while (look_go(conductor, conductor->looks)) continue;
    look_end(conductor);
  }
  if (!conductor->is_stopped) timer_set(conductor);
}

static void kept(void *self, const struct tg_error *err) {
  if (err) stop(self, err);
}

void tg_conductor_put_bundle(struct tg_conductor *conductor, const struct tg_bundle_row *row) {
  tg_store_put_bundle(conductor->store, row, kept, conductor);
}

static void timer_fired(void *self) {
  tg_conductor_input(self, &(struct tg_input){.kind = TG_INPUT_TIMER});
}

void tg_conductor_result(struct tg_conductor *conductor, uint64_t attempt,
                         const struct tg_outcome *outcome) {
  tg_conductor_input(conductor,
                     &(struct tg_input){.kind = TG_INPUT_RESULT,
                                        .result = {.attempt = attempt, .outcome = outcome}});
}
