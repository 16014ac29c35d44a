// SPDX-License-Identifier: Apache-2.0
// A host under test: tidegate on a project of its own, started, signalled and looked at from
// outside.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct host_project {
  char dir[64];
  char binary[4096];
};

/// Makes a project with a folder "files" that scripts may write, and the pipeline "p".
void host_project_make(struct host_project *project, const char *pipeline);

/// Removes it.
void host_project_remove(const struct host_project *project);

/// Starts "tidegate run p -q" on it; its stderr goes to the file "stderr" of the project.
pid_t host_start(const struct host_project *project);

/// Waits for its end, at most for a minute, after which the test fails.
///
/// Shape:  gives the exit code, or 128 + the number of the signal
int host_wait(const struct host_project *project, pid_t pid);

/// Waits until everything that hosts left behind and this process adopted has ended, at most for
/// ten seconds; gives how many processes are left then.
int host_orphans_wait(void);

/// Asks a copy of the project's state.db as a crash left it, so that looking changes nothing.
///
/// Shape:  calls `row` with the first column of each row
void host_store_ask(const struct host_project *project, const char *query,
                    void (*row)(void *self, const char *text), void *self);

/// Gives the number that a query tells.
long host_store_number(const struct host_project *project, const char *query);

/// Fails the test unless the store is whole.
void host_store_check(const struct host_project *project);

/// Gives the script workers of a host.
size_t host_workers(pid_t host, pid_t *workers, size_t max);

/// Waits a little; gives a monotonic time.
void host_pause_ms(long ms);
int64_t host_now_ms(void);

/// Gives a number below `limit`; the same every time the test runs with the same TIDEGATE_SEED.
unsigned host_random(unsigned limit);

/// Gives the number in an environment variable, or `value`.
long host_setting(const char *name, long value);
