// SPDX-License-Identifier: Apache-2.0
// What other processes ask of the host that holds the data folder: one file a request,
// <data>/requests/<name>.<kind>, written whole and durable before whoever asks is told so. The host
// looks for them a few times a second, does them, and only then removes them; so a kill of either
// loses none, and what is done must bear to be done again.
//
//   <run>.cancel   the run is to end (requests.h)
//   <run>+<task>+<item>.cancel-unit   only that is (requests.h)
//   <id>.fill-*    what is to become of a backfill (requests.h)
//   <id>.event     events, one JSON object a line (intake.h)
//   <id>.approval  an answer to a task that waits for one (answers.h)
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"

/// Puts a request; one of the same name and kind is replaced.
///
/// Errors: those of tg_file_write
int tg_inbox_put(const char *data, const char *name, const char *kind, const void *bytes,
                 size_t len, struct tg_error *err);

/// Gives the names of the requests of a kind, sorted; NULL when there are none, or memory is out.
char **tg_inbox_list(const char *data, const char *kind, struct tg_arena *arena, size_t *count);

/// Gives the path of a request, NULL when memory is out.
char *tg_inbox_path(const char *data, const char *name, const char *kind, struct tg_arena *arena);

/// Removes a request that was done, or is taken back.
void tg_inbox_remove(const char *data, const char *name, const char *kind);

/// Removes what senders left that were killed while they wrote.
void tg_inbox_sweep(const char *data);

/// Puts a file aside that is no request, with a line in the log: it was not put there by us, and
/// must not be looked at for ever.
void tg_inbox_put_aside(const char *path, const struct tg_error *err);
