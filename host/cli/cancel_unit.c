// SPDX-License-Identifier: Apache-2.0
#include "cli/cancel_unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "cli/exit.h"
#include "cli/records.h"
#include "cli/requests.h"
#include "cli/view.h"

enum { LOOK_MS = 200 };

struct unit {
  const struct tg_args *args;
  struct tg_records records;
  struct tg_view view;
  uint32_t task, item;
  char name[TG_NAME_BYTES_MAX + 16]; // as it is shown: publish[3]
};

// Gives the unit's state, and false while it may still change.
static bool is_ended(const struct unit *unit, enum tg_task_state *state) {
  const struct tg_view *view = &unit->view;
  size_t count;
  const struct tg_item *items = tg_view_items(view, unit->task, &count);
  *state = view->tasks[unit->task].state;
  for (size_t i = 0; i < count && unit->item != TG_NO_ITEM; i++)
    if (items[i].index == unit->item) *state = items[i].state;
  return tg_task_state_is_terminal(*state) || tg_run_state_is_terminal(view->run.state);
}

static int view_read(struct unit *unit) {
  tg_view_deinit(&unit->view);
  return tg_records_view(&unit->records, unit->args, &unit->view);
}

static int item_find(struct unit *unit) {
  const char *text = tg_args_text(unit->args, "item");
  const struct tg_view_map *map = &unit->view.maps[unit->task];
  const char *task = tg_view_task_name(&unit->view, unit->task);
  struct tg_error err;
  char *end = NULL;
  unit->item = TG_NO_ITEM;
  snprintf(unit->name, sizeof unit->name, "%s", task);
  if (!text) return TG_EXIT_SUCCESS;
  unsigned long long number = strtoull(text, &end, 10);
  if (!*text || *end || *text == '-')
    tg_error_set(&err, TG_EINVALID, "--item is the number of an item, from 0: not \"%.40s\"", text);
  else if (!map->is_expanded)
    tg_error_set(&err, TG_EINVALID, "%s has no items (yet)", task);
  else if (number >= map->count)
    tg_error_set(&err, TG_EINVALID, "%s has %u items, from 0 to %u", task, map->count,
                 map->count - 1);
  else
    unit->item = (uint32_t)number;
  if (unit->item == TG_NO_ITEM) return tg_exit_report(&err);
  snprintf(unit->name, sizeof unit->name, "%s[%u]", task, unit->item);
  return TG_EXIT_SUCCESS;
}

static int unit_find(struct unit *unit) {
  struct tg_error err;
  const char *name = tg_args_text(unit->args, "task");
  return tg_records_find(unit->view.plan, name, &unit->task, &err) ? tg_exit_report(&err)
                                                                   : item_find(unit);
}

static void say(const struct unit *unit, const char *what) {
  char id[TG_ID_TEXT_LEN + 1];
  tg_id_format(unit->view.run.id, id);
  if (!tg_args_has(unit->args, "quiet"))
    fprintf(stderr, "tidegate: %s of run %s %s\n", unit->name, id, what);
}

static int end_tell(const struct unit *unit, enum tg_task_state state, bool was_asked) {
  struct tg_error err;
  if (was_asked && state == TG_TASK_CANCELLED) {
    say(unit, "is cancelled");
    return TG_EXIT_SUCCESS;
  }
  tg_error_set(&err, TG_EINVALID, "%s %s: %s", unit->name,
               was_asked ? "ended before it was cancelled" : "has ended already",
               tg_task_state_word(state));
  return tg_exit_report(&err);
}

// Asks the host that is at work until the unit has ended. Where none is, this process records it.
static int unit_end(struct unit *unit) {
  const char *data = unit->records.project.data;
  struct tg_host *host = NULL;
  struct tg_error err;
  enum tg_task_state state;
  for (bool was_asked = false;; was_asked = true) {
    int exit_code = view_read(unit);
    if (exit_code) return exit_code;
    if (is_ended(unit, &state)) return end_tell(unit, state, was_asked);
    const struct tg_unit_cancel asked = {
        .run = &unit->view.run, .task = unit->task, .item = unit->item};
    int code = tg_request_cancel_unit(data, &asked, &err);
    if (!code) code = tg_host_open(&unit->records.project, true, &host, &err);
    if (code && code != TG_EBUSY) return tg_exit_report(&err);
    if (!code) break;
    nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
  }
  tg_requests_obey(host);
  tg_host_close(host);
  say(unit, "is cancelled when the run is continued: no host works on it");
  return TG_EXIT_SUCCESS;
}

int tg_cancel_unit(const struct tg_args *args) {
  struct unit unit = {.args = args};
  int exit_code = tg_records_open(&unit.records, args);
  if (!exit_code) exit_code = view_read(&unit);
  if (!exit_code) exit_code = unit_find(&unit);
  if (!exit_code) exit_code = unit_end(&unit);
  tg_view_deinit(&unit.view);
  tg_records_close(&unit.records);
  return exit_code;
}
