// SPDX-License-Identifier: Apache-2.0
// Driving one run to its end: progress goes to stderr, the result to stdout, and what became of it
// into the exit code.
#pragma once

#include "cli/launch.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/project.h"
#include "cli/watch.h"

struct tg_drive {
  const struct tg_args *args;
  const struct tg_project *project;
  struct tg_host *host;
  struct tg_launch *launch;
  const char *again; // the command that continues it; NULL: the same
  struct tg_progress *progress;
  struct tg_watch watch;
  bool has_ended;
  struct tg_failure failure;
  enum tg_run_state state;
};

/// Says how progress is shown on stderr, as the options ask and the terminal allows.
enum tg_progress_mode tg_drive_mode(const struct tg_args *args, const struct tg_output *shown);

/// Starts the launch and runs the host until its run has ended, or a signal has stopped it.
///
/// Owns:   the caller zeroes the drive and fills the first five fields
/// Errors: why the host stopped by itself
int tg_drive_go(struct tg_drive *drive, struct tg_error *err);

/// Prints the run as a JSON document, as the options ask; with text there is nothing to print.
///
/// Shape:  returns an exit code
int tg_drive_print(const struct tg_drive *drive, const struct tg_output *output);

/// Does both, says how it ended, and gives the exit code of that.
int tg_drive(struct tg_drive *drive, const struct tg_output *output);
