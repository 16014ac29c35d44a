// SPDX-License-Identifier: Apache-2.0
#include "cli/requests.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cli/inbox.h"
#include "cli/intake.h"
#include "cli/launch.h"

static const char reason[] = "cancelled from the command line";

int tg_request_cancel(const char *data, const struct tg_run *run, struct tg_error *err) {
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(run->id, id);
  return tg_inbox_put(data, id, "cancel", "", 0, err);
}

void tg_request_forget(const char *data, const struct tg_run *run) {
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(run->id, id);
  tg_inbox_remove(data, id, "cancel");
}

// --- Cancelling ---

static int left_cancel(struct tg_host *host, struct tg_history *history, const struct tg_run *run,
                       struct tg_error *err) {
  struct tg_launch launch;
  tg_launch_init(&launch);
  launch.cancelled = reason;
  int code = tg_launch_resume(&launch, host, history, run, err);
  if (!code) tg_launch_start(&launch, host);
  tg_launch_deinit(&launch); // the engine has copied what it needs
  return code;
}

static int one_cancel(struct tg_host *host, struct tg_history *history, const struct tg_run *run,
                      struct tg_error *err) {
  struct tg_conductor *conductor = tg_host_services(host)->conductor;
  if (!tg_conductor_find_run(conductor, run->number)) return left_cancel(host, history, run, err);
  tg_conductor_input(
      conductor,
      &(struct tg_input){.kind = TG_INPUT_CANCEL,
                         .cancel = {.run = run->number, .code = TG_ECANCELLED, .reason = reason}});
  return TG_OK;
}

// The parent first, so that it does not take the end of a child for a failure. The runs of a tree
// are few and its depth is limited by the number of child runs that a host knows.
int tg_run_cancel(struct tg_host *host, struct tg_history *history, const struct tg_run *run,
                  struct tg_error *err) {
  struct tg_arena arena;
  struct tg_run *children;
  size_t count = 0;
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(run->id, id);
  struct tg_run_filter filter = {.state = -1, .is_open = true, .parent = id};
  tg_arena_init(&arena);
  int code = one_cancel(host, history, run, err);
  if (!code) code = tg_history_runs(history, &filter, &arena, &children, &count, err);
  for (size_t i = 0; i < count && !code; i++)
    code = tg_run_cancel(host, history, &children[i], err);
  tg_arena_deinit(&arena);
  return code;
}

// --- Cancelling a unit ---

static const char unit_kind[] = "cancel-unit";

int tg_request_cancel_unit(const char *data, const struct tg_unit_cancel *unit,
                           struct tg_error *err) {
  char id[TG_ID_TEXT_LEN + 1], name[TG_ID_TEXT_LEN + 32];
  tg_id_format(unit->run->id, id);
  snprintf(name, sizeof name, "%s+%u+%u", id, unit->task, unit->item);
  return tg_inbox_put(data, name, unit_kind, "", 0, err);
}

static void records_kept(void *self, struct tg_batch *batch, const struct tg_error *err) {
  (void)self;
  if (err) tg_log(TG_LOG_ERROR, "a cancel cannot be recorded: %s", err->text);
  tg_batch_free(batch);
}

// Ends what an item that nobody works on was at, and tells the item of its tries.
static int left_attempts_end(struct tg_history *history, const struct tg_unit_cancel *unit,
                             struct tg_batch *batch, struct tg_arena *arena, struct tg_item *item) {
  struct tg_attempt *attempts;
  size_t count;
  int code = tg_history_attempts(history, unit->run->number, arena, &attempts, &count, NULL);
  for (size_t i = 0; i < count && !code; i++) {
    struct tg_record record = {.kind = TG_RECORD_ATTEMPT, .attempt = attempts[i]};
    if (attempts[i].task != unit->task || attempts[i].item != unit->item) continue;
    if (attempts[i].number > item->attempts) item->attempts = attempts[i].number;
    if (!item->started_at) item->started_at = attempts[i].started_at;
    if (attempts[i].state != TG_ATTEMPT_RUNNING) continue;
    record.attempt.state = TG_ATTEMPT_LOST;
    record.attempt.ended_at = item->ended_at;
    record.attempt.failure = (struct tg_failure){
        .code = TG_ELOST, .class = TG_CLASS_LOST, .text = "the host ended before the attempt did"};
    code = tg_batch_add(batch, &record);
  }
  return code;
}

// Nobody works on the run: whoever takes it up finds that the unit is not to go on.
static int left_unit_add(struct tg_host *host, struct tg_history *history,
                         const struct tg_unit_cancel *unit, const char *task,
                         struct tg_batch *batch, struct tg_arena *arena) {
  const struct tg_failure why = {
      .code = TG_ECANCELLED, .class = TG_CLASS_CANCELLED, .text = reason};
  struct tg_record record = {.kind = TG_RECORD_TASK,
                             .task = {.run = unit->run->number,
                                      .index = unit->task,
                                      .name = task,
                                      .state = TG_TASK_WAITING,
                                      .failure = why}};
  if (unit->item == TG_NO_ITEM) return tg_batch_add(batch, &record);
  record = (struct tg_record){
      .kind = TG_RECORD_ITEM,
      .item = {.run = unit->run->number,
               .task = unit->task,
               .index = unit->item,
               .state = TG_TASK_CANCELLED,
               .ended_at = tg_clock_wall_ms(tg_loop_clock(tg_host_services(host)->loop)),
               .failure = why}};
  int code = left_attempts_end(history, unit, batch, arena, &record.item);
  return code ? code : tg_batch_add(batch, &record);
}

static void left_unit_cancel(struct tg_host *host, struct tg_history *history,
                             const struct tg_unit_cancel *unit, const char *task,
                             struct tg_arena *arena) {
  struct tg_batch *batch = tg_batch_new();
  if (batch && !left_unit_add(host, history, unit, task, batch, arena))
    tg_store_commit(tg_host_services(host)->store, batch, records_kept, NULL);
  else
    tg_batch_free(batch);
}

// Says whether the unit is there and has not ended.
static bool unit_look(struct tg_history *history, const struct tg_unit_cancel *unit,
                      const struct tg_plan *plan, struct tg_arena *arena) {
  struct tg_task *tasks;
  struct tg_map_items *maps;
  struct tg_item *items;
  size_t count;
  if (unit->task >= plan->count) return false;
  if (tg_history_tasks(history, unit->run->number, arena, &tasks, &count, NULL)) return false;
  for (size_t i = 0; i < count; i++)
    if (tasks[i].index == unit->task && tg_task_state_is_terminal(tasks[i].state)) return false;
  if (unit->item == TG_NO_ITEM) return true;
  bool is_there = false;
  if (tg_history_map_items(history, unit->run->number, arena, &maps, &count, NULL)) return false;
  for (size_t i = 0; i < count; i++)
    is_there |= maps[i].task == unit->task && unit->item < maps[i].count;
  if (tg_history_items(history, unit->run->number, arena, &items, &count, NULL)) return false;
  for (size_t i = 0; i < count; i++)
    if (items[i].task == unit->task && items[i].index == unit->item) return false;
  return is_there;
}

static int unit_cancel(struct tg_host *host, struct tg_history *history,
                       const struct tg_unit_cancel *unit, struct tg_arena *arena,
                       struct tg_error *err) {
  struct tg_conductor *conductor = tg_host_services(host)->conductor;
  struct tg_launch launch;
  if (tg_conductor_find_run(conductor, unit->run->number)) {
    tg_conductor_input(conductor, &(struct tg_input){.kind = TG_INPUT_CANCEL,
                                                     .cancel = {.run = unit->run->number,
                                                                .code = TG_ECANCELLED,
                                                                .reason = reason,
                                                                .is_of_unit = true,
                                                                .task = unit->task,
                                                                .item = unit->item}});
    return TG_OK;
  }
  tg_launch_init(&launch);
  int code = tg_launch_bundle(&launch, NULL, history, unit->run->bundle, err);
  if (!code && unit_look(history, unit, launch.plan, arena))
    left_unit_cancel(host, history, unit, launch.plan->tasks[unit->task].name, arena);
  tg_launch_deinit(&launch);
  return code;
}

static void unit_obey(struct tg_host *host, const char *name) {
  struct tg_history *history = NULL;
  struct tg_arena arena;
  struct tg_run run;
  struct tg_error err;
  struct tg_unit_cancel unit = {.run = &run};
  char id[TG_ID_TEXT_LEN + 1];
  struct tg_id known;
  snprintf(id, sizeof id, "%s", name);
  if (strlen(name) <= TG_ID_TEXT_LEN || !tg_id_parse(id, &known) ||
      sscanf(name + TG_ID_TEXT_LEN, "+%u+%u", &unit.task, &unit.item) != 2)
    return;
  tg_arena_init(&arena);
  int code = tg_history_open(tg_host_services(host)->data, &history, &err);
  if (!code) code = tg_history_run(history, id, &arena, &run, &err);
  if (!code && !tg_run_state_is_terminal(run.state))
    code = unit_cancel(host, history, &unit, &arena, &err);
  if (code) tg_log(TG_LOG_WARN, "a task of run %s was to be cancelled: %s", id, err.text);
  tg_history_close(history);
  tg_arena_deinit(&arena);
}

static void units_obey(struct tg_host *host, struct tg_arena *arena) {
  const char *data = tg_host_services(host)->data;
  size_t count;
  char **names = tg_inbox_list(data, unit_kind, arena, &count);
  for (size_t i = 0; i < count; i++) {
    unit_obey(host, names[i]);
    tg_inbox_remove(data, names[i], unit_kind);
  }
}

// --- Requests ---

static void request_obey(struct tg_host *host, const char *id) {
  struct tg_history *history = NULL;
  struct tg_arena arena;
  struct tg_run run;
  struct tg_error err;
  tg_arena_init(&arena);
  int code = tg_history_open(tg_host_services(host)->data, &history, &err);
  if (!code) code = tg_history_run(history, id, &arena, &run, &err);
  if (!code && !tg_run_state_is_terminal(run.state))
    code = tg_run_cancel(host, history, &run, &err);
  if (code) tg_log(TG_LOG_WARN, "run %s was to be cancelled: %s", id, err.text);
  tg_history_close(history);
  tg_arena_deinit(&arena);
}

// --- Backfills ---

int tg_request_fill(const char *data, const struct tg_fill *fill, const char *kind,
                    struct tg_error *err) {
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(fill->id, id);
  return tg_inbox_put(data, id, kind, "", 0, err);
}

static void fill_kept(void *self, struct tg_batch *batch, const struct tg_error *err) {
  bool *is_done = self;
  if (is_done) *is_done = true;
  if (err) tg_log(TG_LOG_ERROR, "a backfill cannot be recorded: %s", err->text);
  tg_batch_free(batch);
}

static bool fill_commit(struct tg_host *host, const struct tg_fill *fill, bool *is_done) {
  struct tg_batch *batch = tg_batch_new();
  const struct tg_record record = {.kind = TG_RECORD_FILL, .fill = *fill};
  if (batch && !tg_batch_add(batch, &record)) {
    tg_store_commit(tg_host_services(host)->store, batch, fill_kept, is_done);
    return true;
  }
  tg_batch_free(batch);
  tg_log(TG_LOG_ERROR, "a backfill cannot be recorded: out of memory");
  return false;
}

void tg_fill_record(struct tg_host *host, const struct tg_fill *fill) {
  fill_commit(host, fill, NULL);
}

void tg_fill_begin(struct tg_host *host, const struct tg_fill *fill) {
  bool is_done = false;
  bool is_asked = fill_commit(host, fill, &is_done);
  while (is_asked && !is_done) tg_loop_turn(tg_host_services(host)->loop, true);
}

// The oldest first, and the children with their parents.
static int fill_runs_cancel(struct tg_host *host, struct tg_history *history, const char *id,
                            struct tg_arena *arena, struct tg_error *err) {
  const struct tg_run_filter filter = {.state = -1, .is_open = true, .backfill = id};
  struct tg_run *runs;
  size_t count = 0;
  int code = tg_history_runs(history, &filter, arena, &runs, &count, err);
  while (count-- && !code)
    if (!runs[count].parent) code = tg_run_cancel(host, history, &runs[count], err);
  return code;
}

static void fill_obey(struct tg_host *host, const char *id, enum tg_fill_state state) {
  struct tg_history *history = NULL;
  struct tg_arena arena;
  struct tg_fill fill;
  struct tg_error err;
  tg_arena_init(&arena);
  int code = tg_history_open(tg_host_services(host)->data, &history, &err);
  if (!code) code = tg_history_fill(history, id, &arena, &fill, &err);
  if (!code && !tg_fill_state_is_terminal(fill.state)) {
    fill.state = state;
    if (tg_fill_state_is_terminal(state))
      fill.ended_at = tg_clock_wall_ms(tg_loop_clock(tg_host_services(host)->loop));
    tg_fill_record(host, &fill);
    if (state == TG_FILL_CANCELLED) code = fill_runs_cancel(host, history, id, &arena, &err);
  }
  if (code)
    tg_log(TG_LOG_WARN, "backfill %s was to be %s: %s", id, tg_fill_state_word(state), err.text);
  tg_history_close(history);
  tg_arena_deinit(&arena);
}

static void fills_obey(struct tg_host *host, const char *kind, enum tg_fill_state state,
                       struct tg_arena *arena) {
  const char *data = tg_host_services(host)->data;
  struct tg_id known;
  size_t count;
  char **names = tg_inbox_list(data, kind, arena, &count);
  for (size_t i = 0; i < count; i++) {
    if (tg_id_parse(names[i], &known)) fill_obey(host, names[i], state);
    tg_inbox_remove(data, names[i], kind);
  }
}

void tg_requests_obey(struct tg_host *host) {
  const char *data = tg_host_services(host)->data;
  struct tg_arena arena;
  struct tg_id known;
  size_t count;
  tg_arena_init(&arena);
  char **names = tg_inbox_list(data, "cancel", &arena, &count);
  for (size_t i = 0; i < count; i++) {
    if (tg_id_parse(names[i], &known)) request_obey(host, names[i]);
    tg_inbox_remove(data, names[i], "cancel");
  }
  units_obey(host, &arena);
  fills_obey(host, TG_FILL_PAUSE, TG_FILL_PAUSED, &arena);
  fills_obey(host, TG_FILL_CANCEL, TG_FILL_CANCELLED, &arena);
  tg_arena_deinit(&arena);
  tg_intake_look(tg_host_intake(host));
  tg_answers_look(tg_host_answers(host));
}
