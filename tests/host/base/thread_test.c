// SPDX-License-Identifier: Apache-2.0
#include "base/thread.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void *mask_read(void *self) {
  pthread_sigmask(SIG_SETMASK, NULL, self);
  return NULL;
}

static void its_signals_are_blocked_and_ours_are_not(void **state) {
  pthread_t thread;
  sigset_t mask;
  (void)state;
  assert_int_equal(tg_thread_start(&thread, mask_read, &mask), 0);
  pthread_join(thread, NULL);
  assert_int_equal(sigismember(&mask, SIGTERM), 1);
  assert_int_equal(sigismember(&mask, SIGCHLD), 1);
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  assert_int_equal(sigismember(&mask, SIGTERM), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(its_signals_are_blocked_and_ours_are_not)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
