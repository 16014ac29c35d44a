// SPDX-License-Identifier: Apache-2.0
// A project of one pipeline with its checker, for tests of cmocka; what is wrong fails the test.
#pragma once

#include "fault/checker.h"
#include "fault/host.h"

enum { STAND_LEFT_MS = 2000 };

struct stand {
  struct host_project project;
  struct checker checker;
};

/// Makes a project of a pipeline of tests/fault/pipelines, and removes it.
void stand_open(struct stand *stand, const char *pipeline);
void stand_close(struct stand *stand);

/// Starts "run p".
pid_t stand_run(const struct stand *stand);

/// Waits for the end of a host, whose exit code must be `wanted` (128 + n for a signal).
void stand_wait(const struct stand *stand, pid_t host, int wanted);

/// As checker_look and checker_finish; after the latter nothing may be left running.
void stand_look(struct stand *stand);
void stand_finish(struct stand *stand, const char *state);

/// As checker_number.
int64_t stand_number(struct stand *stand, const char *query);
