// SPDX-License-Identifier: Apache-2.0
#include "base/thread.h"

#include <signal.h>
#include <stddef.h>

int tg_thread_start(pthread_t *thread, void *(*main)(void *self), void *self) {
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  int errnum = pthread_create(thread, NULL, main, self);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  return errnum;
}
