// SPDX-License-Identifier: Apache-2.0
// The exit codes of the command line.
#pragma once

#include "base/error.h"

enum tg_exit {
  TG_EXIT_SUCCESS = 0,
  TG_EXIT_FAILED = 1,    // the run failed
  TG_EXIT_USAGE = 2,     // usage, configuration or validation error
  TG_EXIT_GATE = 3,      // a gate or contract stopped the run
  TG_EXIT_DEADLINE = 4,  // a deadline passed
  TG_EXIT_INTERNAL = 70, // internal fault or damaged store
  TG_EXIT_RETRY = 75,    // infrastructure, safe to try again
  TG_EXIT_SIGNAL = 128,  // and the signal's number: stopped by it, after draining
};

/// Gives the exit code for an error of the program itself (not of a task).
int tg_exit_of(int code);

/// Lets abort() end the program with a message and an exit code: TG_EXIT_RETRY when the memory was
/// out (errno tells), else TG_EXIT_INTERNAL. It is called where nobody could go on, by libraries
/// too.
void tg_exit_guard(void);

/// Says on stderr what went wrong and gives its exit code.
int tg_exit_report(const struct tg_error *err);
