// SPDX-License-Identifier: Apache-2.0
// Threads beside the loop's.
#pragma once

#include <pthread.h>

/// Starts a thread with all signals blocked: they are for the loop's thread, which reads them.
///
/// Shape:  gives 0 or an errno
int tg_thread_start(pthread_t *thread, void *(*main)(void *self), void *self);
