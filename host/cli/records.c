// SPDX-License-Identifier: Apache-2.0
#include "cli/records.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/suggest.h"
#include "cli/exit.h"

int tg_records_open(struct tg_records *records, const struct tg_args *args) {
  *records = (struct tg_records){.output = tg_output_of(args, STDOUT_FILENO)};
  int exit_code = tg_project_of(&records->project, args);
  if (exit_code) return exit_code;
  struct tg_error err;
  int code = tg_history_open(records->project.data, &records->history, &err);
  return code && code != TG_ENOT_FOUND ? tg_exit_report(&err) : TG_EXIT_SUCCESS;
}

void tg_records_close(struct tg_records *records) {
  tg_history_close(records->history);
  tg_project_deinit(&records->project);
}

static int no_store(const struct tg_records *records, struct tg_error *err) {
  return tg_error_set(err, TG_ENOT_FOUND,
                      "there are no runs in %s yet; start one with \"tidegate run PIPELINE\"",
                      records->project.data);
}

int tg_records_run(const struct tg_records *records, const struct tg_args *args,
                   struct tg_arena *arena, struct tg_run *run, struct tg_error *err) {
  return records->history ? tg_history_run(records->history, tg_args_word(args, 0), arena, run, err)
                          : no_store(records, err);
}

int tg_records_view(const struct tg_records *records, const struct tg_args *args,
                    struct tg_view *view) {
  struct tg_error err;
  *view = (struct tg_view){0};
  int code = records->history ? tg_view_read(view, records->history, tg_args_word(args, 0), &err)
                              : no_store(records, &err);
  return code ? tg_exit_report(&err) : TG_EXIT_SUCCESS;
}

int tg_records_find(const struct tg_plan *plan, const char *name, uint32_t *task,
                    struct tg_error *err) {
  *task = tg_plan_find(plan, name);
  if (*task != UINT32_MAX) return TG_OK;
  const char *nearest = NULL;
  const char **names = calloc(plan->count + 1, sizeof *names);
  if (names) {
    for (uint32_t i = 0; i < plan->count; i++) names[i] = plan->tasks[i].name;
    nearest = tg_suggest(name, names, plan->count);
  }
  tg_error_set(err, TG_ENOT_FOUND, "pipeline %s has no task \"%.100s\"%s%s%s", plan->name, name,
               nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
  free(names);
  return TG_ENOT_FOUND;
}

int tg_records_task(const struct tg_args *args, const struct tg_view *view, uint32_t *task) {
  const char *name = tg_args_word(args, 1);
  struct tg_error err;
  *task = UINT32_MAX;
  return name && tg_records_find(view->plan, name, task, &err) ? tg_exit_report(&err)
                                                               : TG_EXIT_SUCCESS;
}
