// SPDX-License-Identifier: Apache-2.0
// What the verbs that look back need: the project, its store open for reading, and how to print.
#pragma once

#include "cli/args.h"
#include "cli/output.h"
#include "cli/project.h"
#include "cli/view.h"
#include "store/history.h"

struct tg_records {
  struct tg_project project;
  struct tg_history *history; // NULL when there is no store yet
  struct tg_output output;    // of stdout
};

/// Opens them as the options ask; a project that never ran has no store yet, which is no error.
///
/// Owns:   the caller closes, also after an error
/// Shape:  returns an exit code after it has said on stderr what is wrong
int tg_records_open(struct tg_records *records, const struct tg_args *args);
void tg_records_close(struct tg_records *records);

/// Reads the run that the first argument of the verb names.
///
/// Owns:   the caller deinits the view, also after an error
/// Shape:  returns an exit code after it has said on stderr what is wrong
int tg_records_view(const struct tg_records *records, const struct tg_args *args,
                    struct tg_view *view);

/// Finds that run alone.
///
/// Errors: those of tg_history_run; TG_ENOT_FOUND when there is no store yet
int tg_records_run(const struct tg_records *records, const struct tg_args *args,
                   struct tg_arena *arena, struct tg_run *run, struct tg_error *err);

/// Finds the task that the second argument names.
///
/// Shape:  *task is UINT32_MAX without such an argument; returns an exit code
int tg_records_task(const struct tg_args *args, const struct tg_view *view, uint32_t *task);

/// Finds a task by its name.
///
/// Errors: TG_ENOT_FOUND with the nearest name there is; *task is UINT32_MAX then
int tg_records_find(const struct tg_plan *plan, const char *name, uint32_t *task,
                    struct tg_error *err);
