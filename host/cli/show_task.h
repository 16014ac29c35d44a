// SPDX-License-Identifier: Apache-2.0
// show: what is told of one task, or of all tasks alike: items, steps.
#pragma once

#include "cli/output.h"
#include "cli/table.h"
#include "cli/view.h"

/// Appends a table after an empty line, or nothing when it has no rows, and frees it.
void tg_show_table(struct tg_table *table, const struct tg_output *output, struct tg_buf *out);

/// Appends the note of a task: how far its map is, that it was carried over, sleeps, or fell back,
/// and its error.
void tg_show_note(const struct tg_view *view, uint32_t task, struct tg_buf *out);

/// Appends the table of steps: of all tasks with UINT32_MAX.
void tg_show_steps(const struct tg_view *view, uint32_t task, const struct tg_output *output,
                   struct tg_buf *out);

/// Appends the table of the items that failed, up to a few of each map.
void tg_show_failed_items(const struct tg_view *view, const struct tg_output *output,
                          struct tg_buf *out);

/// Prints one task: its state, attempts, items and steps.
///
/// Shape:  returns an exit code
int tg_show_task(const struct tg_view *view, uint32_t task, const struct tg_output *output);
