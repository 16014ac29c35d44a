// SPDX-License-Identifier: Apache-2.0
// Judges what hosts did to a project by two things only: the store as the last one left it, and the
// notes that tasks wrote when they started (a file each in files/notes: "RUN TASK ITEM STEP", the
// last two "-" where there is none). It shares nothing with the program.
//
// At each look:
//   the store is whole (integrity_check);
//   nothing that was final at the look before has changed or is gone;
//   nothing that had succeeded then has started since;
//   whatever started had everything before it final in the store.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sqlite3;

struct checker {
  char dir[64];
  struct sqlite3 *db; // of its own: "notes", "ran", and the stores of this look and the last
  bool has_before;
  char fault[1024]; // what is wrong; empty while nothing is
};

void checker_open(struct checker *checker, const char *dir);
void checker_close(struct checker *checker);

/// Looks at a project without a host; says whether all is well.
bool checker_look(struct checker *checker);

/// Looks at a project whose work is done: every run has ended, the last one of the pipeline "p" as
/// `state`, and what succeeded had started.
bool checker_finish(struct checker *checker, const char *state);

/// Forgets what was seen, of a project whose data folder was removed.
void checker_forget(struct checker *checker);

/// Gives the number that a query tells; "before" is the store as it was at the last look.
int64_t checker_number(struct checker *checker, const char *query);
