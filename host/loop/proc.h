// SPDX-License-Identifier: Apache-2.0
// What /proc says about processes: who is in a group, whose child it is, what its environment
// holds.
//
// Source: proc(5). The marker is compared with the environment a process was started with.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/// Says whether a process group has a member that is not a zombie.
bool tg_proc_group_is_alive(pid_t group);

/// Calls `visit` for each process that the first thread of this process is the parent of, orphans
/// that were adopted included; it stops when `visit` gives false.
void tg_proc_each_child(bool (*visit)(void *self, pid_t pid), void *self);

/// Says whether a process is alive and was started with `marker` (NAME=VALUE) in its environment.
bool tg_proc_has_marker(pid_t pid, const char *marker);

/// Says whether a process is on its way out: its environment is gone already, but its children are
/// not yet handed on, so that nobody finds them.
bool tg_proc_is_ending(pid_t pid);

/// Sends SIGKILL to every process of our user that has the marker, ourselves and our ancestors
/// excepted, and waits until they are gone. Returns how many there were.
int tg_proc_kill_marked(const char *marker);
