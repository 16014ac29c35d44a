// SPDX-License-Identifier: Apache-2.0
// A folder for one test, and a connection in it whose statements read aloud.
#pragma once

#include <limits.h>

#include "warehouse/sql.h"
#include "warehouse/sql_statement.h"

struct scratch {
  char folder[64];
  char path[PATH_MAX]; // of the database
  struct tg_sql sql;
  struct tg_error err;
};

/// Makes the folder; the connection is opened by scratch_open.
void scratch_init(struct scratch *scratch);
void scratch_open(struct scratch *scratch);
void scratch_deinit(struct scratch *scratch);

/// Writes a file into the folder and gives its path, valid until the next call.
const char *scratch_write(struct scratch *scratch, const char *name, const void *bytes, size_t len);

/// Runs statements without parameters; gives the code, the error is in `err`.
int scratch_exec(struct scratch *scratch, const char *text);

/// Runs a query that gives one integer; fails the test otherwise.
int64_t scratch_count(struct scratch *scratch, const char *text);

/// Runs a query that gives one text, valid until the next call.
const char *scratch_text(struct scratch *scratch, const char *text);
