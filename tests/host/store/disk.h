// SPDX-License-Identifier: Apache-2.0
// A disk that can be told to misbehave: the program's own pwrite64 and fdatasync, which SQLite
// finds before those of the C library. All of it may be called while the store's thread runs.
#pragma once

#include <stdbool.h>

/// Makes every write fail as on a full disk, or every sync as on a broken one.
void disk_set_full(bool is_full);
void disk_set_broken(bool is_broken);

/// Holds every sync until disk_let_go; disk_await gives back when one is held.
void disk_hold(void);
void disk_await(void);
void disk_let_go(void);

/// Gives how many syncs there have been.
int disk_syncs(void);
