// SPDX-License-Identifier: Apache-2.0
// A store in a temporary folder, with a loop, and what its callbacks were told.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/buf.h"
#include "store/store.h"

enum { ANSWERS_MAX = 1024 };

/// What one job was told. Answers stand in the order in which they came.
struct answer {
  int job; // as the caller numbered it
  int code;
  char text[256];
};

struct scene {
  char folder[64], path[512];
  struct tg_loop *loop;
  struct tg_store *store; // NULL while closed
  struct tg_arena arena;  // of what is read
  struct tg_error err;
  struct answer answers[ANSWERS_MAX];
  int answer_count, asked;
  struct tg_buf reply; // of the last key-value request
};

/// cmocka's fixtures: makes the folder and opens the store; closes it and removes the folder.
int scene_setup(void **state);
int scene_teardown(void **state);

/// Opens or closes the store; the folder stays.
int scene_open(struct scene *scene);
void scene_close(struct scene *scene);

/// Gives the path of a file in the folder, until the next call.
const char *scene_path(struct scene *scene, const char *name);

/// Runs SQL on the state file by a connection of its own, and gives the first column of the first
/// row as text ("" for none), until the next call.
const char *scene_sql(struct scene *scene, const char *sql);

/// Commits records as one batch, numbered `job`; scene_wait waits until all was answered.
void scene_commit(struct scene *scene, int job, const struct tg_record *records, size_t count);
void scene_wait(struct scene *scene);

/// Commits one batch and gives the code it was answered with.
int scene_put(struct scene *scene, const struct tg_record *records, size_t count);

/// Keeps a bundle and gives the code it was answered with; all that was asked before has been
/// answered then.
int scene_put_bundle(struct scene *scene, const struct tg_bundle_row *row);

/// Notes an answer, for callbacks of other kinds of jobs.
void scene_answer(struct scene *scene, int job, const struct tg_error *err);

/// Opens the folder's history, or fails the test.
struct tg_history *scene_history(struct scene *scene);

/// Gives a run with all that must be there; the number makes its id.
struct tg_record scene_run(uint64_t number, const char *occurrence);
