// SPDX-License-Identifier: Apache-2.0
// A host under test: tidegate on a project of its own, started, killed and looked at from outside.
// Whatever goes wrong ends the process (host_fail), so that it may be called in a child of a test.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct host_project {
  char dir[64];
  char binary[4096], library[4096];
};

/// Says what went wrong, and ends this process with exit code 1.
void host_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/// Makes a project of what is in tests/fault/pipelines: <pipeline>.lua is "p", <pipeline>_child.lua
/// is "child", <pipeline>_policy_again.lua the policy "again", <pipeline>.yaml is added to the
/// settings. It has a folder "files" that scripts may write.
void host_project_make(struct host_project *project, const char *pipeline);

/// Removes it, or what hosts made in it.
void host_project_remove(const struct host_project *project);
void host_project_empty(const struct host_project *project);

/// Writes or removes one of its files.
void host_file_put(const struct host_project *project, const char *name);
void host_file_remove(const struct host_project *project, const char *name);
bool host_file_is(const struct host_project *project, const char *name);

/// Waits for a file, at most ten seconds.
void host_file_await(const struct host_project *project, const char *name);

/// Where a host is to die by itself (crashpoint.c); point 0 is nowhere.
struct host_death {
  long point;
  uint64_t cut;
  bool lies;
};

/// Starts "tidegate --project DIR -q WORD..." on it (the list ends with NULL); its stderr goes to
/// the file "stderr" of the project. `death` may be NULL.
pid_t host_start(const struct host_project *project, const char *const *words,
                 const struct host_death *death);

/// Waits for its end, at most for a minute, after which the test fails.
///
/// Shape:  gives the exit code, or 128 + the number of the signal
int host_wait(const struct host_project *project, pid_t pid);

/// Says whether a host has ended, and leaves it to host_wait.
bool host_has_ended(pid_t pid);

/// Says what a host wrote to stderr.
void host_stderr_show(const struct host_project *project);

/// Waits until everything that hosts left behind and this process adopted has ended, at most for
/// `ms`; says whether any is left then. This process must be a subreaper.
bool host_orphans_are_left(int64_t ms);

/// Kills them.
void host_orphans_kill(void);

/// Gives the script workers of a host.
size_t host_workers(pid_t host, pid_t *workers, size_t max);

/// Waits a little; gives a monotonic time.
void host_pause_ms(long ms);
int64_t host_now_ms(void);

/// Gives a number below `limit`. The numbers follow from the last seed.
void host_seed(uint64_t seed);
unsigned host_random(unsigned limit);

/// Gives the number in an environment variable, or `value`; and the seed of a test, which is
/// TIDEGATE_FAULT_SEED.
long host_setting(const char *name, long value);
uint64_t host_seed_wanted(void);
