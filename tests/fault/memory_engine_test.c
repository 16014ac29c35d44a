// SPDX-License-Identifier: Apache-2.0
// The n-th allocation fails, for every n: whole runs through the engine. A step that has no memory
// gives TG_ENOMEM, the host stops, and whatever the engine held is freed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/context.h"
#include "fault/memory.h"
#include "host/engine/rig.h"

enum { EVENTS_MAX = 512, STEPS_MAX = 2000, WALL_START = 1790000000 };

// What is wanted of an effect; the effect itself is the engine's until the next step.
struct event {
  enum tg_effect_kind kind;
  struct tg_batch *batch;
  uint64_t attempt;
  uint32_t number;
  bool is_item, has_text;
  char task[32];
};

// A host without a world: attempts end at once, batches are durable at once.
struct drive {
  struct tg_plan *plan;
  struct tg_engine *engine;
  struct tg_now now;
  struct event events[EVENTS_MAX];
  size_t first, last;
  int steps, cancel_at, stop_at; // 0: never
  bool has_ended, has_slept;
  const struct rig_store *from; // resumed from this, or new
  struct rig_store *store;      // what is made durable, for a resume; or NULL
  struct tg_buf context;
  const char *facts; // of the attempt that ends
  uint64_t end;      // of the states and outputs that it ended with
};

static uint64_t text_mix(uint64_t hash, const char *text) {
  for (; *text; text++) hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
  return hash * 31 + 7;
}

static uint64_t end_of(const struct tg_live_run *run) {
  uint64_t hash = (uint64_t)run->run.state + 1;
  for (uint32_t i = 0; i < run->plan->count; i++) {
    const struct tg_live_task *t = &run->tasks[i];
    hash = text_mix(hash * 31 + t->state, t->output ? t->output : "none");
  }
  return hash;
}

static int feed(struct drive *drive, const struct tg_input *input) {
  const struct tg_effect *effects;
  struct tg_error err = {0};
  size_t count = 0;
  int code = tg_engine_step(drive->engine, drive->now, input, &effects, &count, &err);
  if (code) assert_int_equal(err.code, code);
  for (size_t i = 0; i < count; i++) {
    const struct tg_effect *effect = &effects[i];
    struct event *event = &drive->events[drive->last++ % EVENTS_MAX];
    assert_true(drive->last - drive->first < EVENTS_MAX);
    *event = (struct event){.kind = effect->kind,
                            .batch = effect->batch,
                            .attempt = effect->attempt,
                            .number = effect->number,
                            .has_text = effect->text != NULL};
    if (effect->kind == TG_EFFECT_RUN_ENDED) drive->end = end_of(effect->run);
    if (effect->kind != TG_EFFECT_START) continue;
    const struct tg_live_task *unit = &effect->run->tasks[effect->unit];
    event->is_item = unit->item != TG_NO_ITEM;
    strncpy(event->task, drive->plan->tasks[unit->task].name, sizeof event->task - 1);
    tg_buf_clear(&drive->context);
    tg_context_write(effect->run, effect->unit, effect->number, drive->now.wall_ms, 0,
                     &drive->context);
  }
  drive->steps++;
  return code;
}

static int finish(struct drive *drive, uint64_t attempt, int code, const char *result) {
  struct tg_outcome outcome = {.result = result, .facts = code ? NULL : drive->facts};
  if (code) tg_error_set(&outcome.err, code, "it failed");
  return feed(drive, &(struct tg_input){.kind = TG_INPUT_RESULT,
                                        .result = {.attempt = attempt, .outcome = &outcome}});
}

static int ask(struct drive *drive, uint64_t attempt, enum tg_step_operation operation,
               const char *name, const char *result, int64_t ms) {
  return feed(drive, &(struct tg_input){.kind = TG_INPUT_STEP,
                                        .step = {.attempt = attempt,
                                                 .request = (uint64_t)operation + 1,
                                                 .operation = operation,
                                                 .name = name,
                                                 .result = result,
                                                 .sleep_ms = ms}});
}

static int start(struct drive *drive, const struct event *event) {
  bool is_branch = strcmp(event->task, "way") == 0;
  drive->facts = is_branch ? "{\"chosen\":[\"left\"]}" : NULL;
  if (strcmp(event->task, "m") == 0 && !event->is_item)
    return finish(drive, event->attempt, TG_OK, "{\"items\":[1,2,3],\"keys\":[\"a\",\"b\",\"a\"]}");
  if (strcmp(event->task, "steps") == 0)
    return ask(drive, event->attempt, TG_STEP_BEGIN, "one", NULL, 0);
  bool fails = (strcmp(event->task, "flaky") == 0 || strcmp(event->task, "falls") == 0) &&
               event->number == 1;
  if (strcmp(event->task, "f") == 0 && !event->is_item) fails = event->number == 1;
  return finish(drive, event->attempt, fails ? TG_EREMOTE : TG_OK, fails ? NULL : "[7,8]");
}

// A step that is to be done is done; one that is done leads to a sleep; one that slept to the end.
static int answer(struct drive *drive, const struct event *event) {
  if (!event->has_text) return ask(drive, event->attempt, TG_STEP_END, "one", "1", 0);
  drive->has_slept = !drive->has_slept;
  if (drive->has_slept) return ask(drive, event->attempt, TG_STEP_SLEEP, "sleep", NULL, 5000);
  return finish(drive, event->attempt, TG_OK, "\"slept\"");
}

static int take(struct drive *drive, const struct event *event) {
  switch (event->kind) {
  case TG_EFFECT_COMMIT:
    if (drive->store) {
      memory_pause();
      rig_store_apply(drive->store, event->batch);
      memory_resume();
    }
    return feed(drive, &(struct tg_input){.kind = TG_INPUT_COMMITTED, .committed = event->batch});
  case TG_EFFECT_START:
    return start(drive, event);
  case TG_EFFECT_STEP:
    return answer(drive, event);
  case TG_EFFECT_CANCEL:
    return finish(drive, event->attempt, TG_ECANCELLED, NULL);
  case TG_EFFECT_RUN_ENDED:
    drive->has_ended = true;
    return TG_OK;
  default:
    return TG_OK;
  }
}

static int begin(struct drive *drive) {
  const struct rig_store *from = drive->from;
  struct tg_run run = {.pipeline = "p", .bundle = "b", .params = "{}", .trigger = "manual"};
  if (!from)
    return feed(
        drive, &(struct tg_input){.kind = TG_INPUT_RUN, .run = {.run = &run, .plan = drive->plan}});
  struct tg_task tasks[64];
  size_t count = 0;
  for (uint32_t i = 0; i < drive->plan->count; i++)
    if (from->has_task[i]) tasks[count++] = from->tasks[i];
  return feed(drive, &(struct tg_input){.kind = TG_INPUT_RESUME,
                                        .resume = {.run = &from->run,
                                                   .plan = drive->plan,
                                                   .tasks = tasks,
                                                   .task_count = count,
                                                   .attempts = from->attempts,
                                                   .attempt_count = from->attempt_count,
                                                   .maps = from->maps,
                                                   .map_count = from->map_count,
                                                   .items = from->items,
                                                   .item_count = from->item_count,
                                                   .steps = from->steps,
                                                   .step_count = from->step_count}});
}

static int next_step(struct drive *drive) {
  if (drive->steps == drive->cancel_at)
    return feed(drive, &(struct tg_input){
                           .kind = TG_INPUT_CANCEL,
                           .cancel = {.run = 1, .code = TG_ECANCELLED, .reason = "it is to end"}});
  if (drive->first < drive->last) {
    struct event event = drive->events[drive->first++ % EVENTS_MAX];
    return take(drive, &event);
  }
  int64_t timer = tg_engine_next_timer(drive->engine);
  assert_true(timer != INT64_MAX); // somebody waits for nothing
  drive->now.wall_ms += timer - drive->now.mono_ms;
  drive->now.mono_ms = timer;
  return feed(drive, &(struct tg_input){.kind = TG_INPUT_TIMER});
}

static void batches_free(struct drive *drive) {
  for (; drive->first < drive->last; drive->first++) {
    struct event *event = &drive->events[drive->first % EVENTS_MAX];
    if (event->kind == TG_EFFECT_COMMIT) tg_batch_free(event->batch);
  }
}

// A run that comes to its end although memory was out comes to the end it should.
static int run_scene(void *self) {
  struct drive *wanted = self, drive = *wanted;
  drive.now = (struct tg_now){.wall_ms = WALL_START, .mono_ms = 1};
  tg_buf_init(&drive.context, 1 << 20);
  drive.engine = tg_engine_new(2, drive.from ? 1 : 0);
  int code = drive.engine ? begin(&drive) : TG_ENOMEM;
  while (!code && !drive.has_ended && drive.steps != drive.stop_at) {
    assert_true(drive.steps < STEPS_MAX);
    code = next_step(&drive);
  }
  batches_free(&drive);
  tg_engine_free(drive.engine);
  tg_buf_deinit(&drive.context);
  if (!code && !memory_has_failed()) wanted->end = drive.end;
  if (!code && wanted->end) assert_int_equal(drive.end, wanted->end);
  return code;
}

// What ends without a failure is what every other end is compared with.
static long survives(struct drive *drive) {
  drive->end = 0;
  memory_fail_at(0, false);
  memory_resume();
  assert_int_equal(run_scene(drive), TG_OK);
  memory_pause();
  return memory_fail_each(run_scene, drive);
}

static struct tg_plan *plan_make(void) {
  return rig_plan("\"tasks\":3", "up setup=1", "flaky after=up retry=3 timeout=9000",
                  "falls after=up fallback=1", "m map=1 after=up limit=2 per_key=1 w=2",
                  "n map=1 over=m depth=1 after=m", "steps after=up", "way after=up to=left,right",
                  "left after=way", "right after=way", "f map=1 after=up fallback=1",
                  "g map=1 over=f after=f",
                  "last after=flaky,falls,n,steps,g,left,right when=none_failed",
                  "down after=up,last teardown=1", NULL);
}

static void a_whole_run_survives(void **state) {
  (void)state;
  struct drive drive = {.plan = plan_make()};
  long count = survives(&drive);
  assert_true(count > 100);
  tg_plan_free(drive.plan);
}

static void a_cancel_survives(void **state) {
  (void)state;
  struct drive drive = {.plan = plan_make()};
  for (int at = 3; at < 40; at += 7) {
    drive.cancel_at = at;
    assert_true(survives(&drive) > 20);
  }
  tg_plan_free(drive.plan);
}

// What an earlier host left after so many steps is gone on with.
static void a_resume_survives(void **state) {
  (void)state;
  static struct rig_store store;
  struct drive drive = {.plan = plan_make()};
  for (int at = 6; at < 60; at += 9) {
    rig_store_init(&store);
    drive.from = NULL;
    drive.store = &store;
    drive.stop_at = at;
    memory_fail_at(0, false);
    assert_int_equal(run_scene(&drive), TG_OK);
    memory_pause();
    drive.from = &store;
    drive.store = NULL;
    drive.stop_at = 0;
    assert_true(survives(&drive) > 20);
    rig_store_deinit(&store);
  }
  tg_plan_free(drive.plan);
}

static int plan_scene(void *self) {
  static const char text[] =
      "{\"name\":\"p\",\"limits\":{\"tasks\":2},\"pools\":{\"w\":4},\"params\":[],\"tasks\":["
      "{\"name\":\"a\",\"word\":\"task\",\"line\":1},"
      "{\"name\":\"b\",\"word\":\"cmd\",\"runner\":\"command\",\"line\":2,\"after\":[0],"
      "\"command\":{\"argv\":[\"true\"],\"cwd\":\"\",\"env\":{\"pass\":[],\"set\":{}},"
      "\"grace_ms\":1,\"ok_codes\":[0],\"output\":\"text\",\"shell\":false,\"stdin\":\"\"},"
      "\"retry\":{\"attempts\":2,\"backoff\":\"constant\",\"base_ms\":1,\"cap_ms\":2,\"factor\":2,"
      "\"jitter\":\"none\",\"on\":[\"transient\"],\"total_ms\":0},\"pool\":{\"w\":2}},"
      "{\"name\":\"m\",\"word\":\"map\",\"line\":3,\"after\":[1],\"map\":{\"limit\":2}}]}";
  struct tg_plan *plan = NULL;
  struct tg_error err;
  (void)self;
  int code = tg_plan_parse(text, sizeof text - 1, &plan, &err);
  if (!code) tg_plan_free(plan);
  return code;
}

static void a_plan_survives(void **state) {
  (void)state;
  assert_true(memory_fail_each(plan_scene, NULL) > 20);
}

int main(void) {
  memory_fail_at(0, false);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_plan_survives),
      cmocka_unit_test(a_whole_run_survives),
      cmocka_unit_test(a_cancel_survives),
      cmocka_unit_test(a_resume_survives),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
