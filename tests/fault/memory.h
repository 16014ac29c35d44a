// SPDX-License-Identifier: Apache-2.0
// An allocator whose n-th allocation fails. The program's own calls of malloc, calloc, realloc,
// strdup and strndup come here (the linker's --wrap), and jansson's.
#pragma once

#include <stdbool.h>
#include <stddef.h>

/// Lets the n-th allocation from now on fail (0: none), and with `is_sticky` all after it.
void memory_fail_at(long n, bool is_sticky);

/// Says whether one has failed since; gives how many there were.
bool memory_has_failed(void);
long memory_count(void);

/// Between these two nothing fails and nothing is counted: the test's own allocations.
void memory_pause(void);
void memory_resume(void);

/// Gives how many blocks are allocated.
long memory_blocks(void);

/// Does `scene` with the n-th allocation failing, for every n until it needs no more, each once
/// alone and once with all that follow. It must give TG_ENOMEM, or TG_OK when it could do without,
/// and leave no block behind; without a failure TG_OK. Gives how many allocations there are.
long memory_fail_each(int (*scene)(void *self), void *self);
