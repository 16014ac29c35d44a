// SPDX-License-Identifier: Apache-2.0
// SIGSTOP. A worker that is stopped is noticed and replaced; a host that was stopped takes nothing
// that lived meanwhile for dead, and does nothing twice.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>

#include <cmocka.h>

#include "fault/stand.h"

enum { STOPPED_MS = 1500 }; // longer than the timeouts of pipelines/stopped.lua

// The flaky task needs all of its three tries: a try that was lost may not count.
static void a_stopped_worker_is_replaced(void **state) {
  (void)state;
  struct stand stand;
  stand_open(&stand, "many");
  pid_t host = stand_run(&stand), workers[64];
  host_file_await(&stand.project, "files/up");
  for (int i = 0; i < 3; i++) {
    size_t count = host_workers(host, workers, 64);
    if (count) kill(workers[host_random((unsigned)count)], SIGSTOP);
    host_pause_ms(20 + (long)host_random(40));
  }
  stand_wait(&stand, host, 0);
  stand_finish(&stand, "success");
  assert_true(stand_number(&stand, "SELECT count(*) FROM before.attempts WHERE state = 'lost'") >
              0);
  int64_t failed =
      stand_number(&stand, "SELECT count(*) FROM before.attempts WHERE state = 'failed'");
  assert_in_range(failed, 1, 2);
  stand_close(&stand);
}

// Waits until all that pipelines/stopped.lua begins with is at work, and stops the host.
static pid_t stopped_host(const struct stand *stand) {
  pid_t host = stand_run(stand);
  host_file_await(&stand->project, "files/started.computes");
  host_file_await(&stand->project, "files/started.sleeps");
  host_file_await(&stand->project, "files/started.command");
  host_file_await(&stand->project, "files/started.retries");
  host_pause_ms(20);
  kill(host, SIGSTOP);
  return host;
}

// What ended while the host was stopped ended in time, though the host hears of it after the
// deadline; timers that were due fire once.
static void a_stopped_host_hears_what_came_before_its_timers(void **state) {
  (void)state;
  struct stand stand;
  stand_open(&stand, "stopped");
  pid_t host = stopped_host(&stand);
  host_pause_ms(STOPPED_MS);
  kill(host, SIGCONT);
  stand_wait(&stand, host, 0);
  stand_finish(&stand, "success");
  assert_int_equal(stand_number(&stand, "SELECT count(*) FROM before.attempts"), 6);
  assert_int_equal(
      stand_number(&stand, "SELECT count(*) FROM before.attempts WHERE state = 'success'"), 5);
  stand_close(&stand);
}

static void a_worker_that_died_meanwhile_costs_no_try(void **state) {
  (void)state;
  struct stand stand;
  pid_t workers[64];
  stand_open(&stand, "stopped");
  pid_t host = stopped_host(&stand);
  size_t count = host_workers(host, workers, 64);
  for (size_t i = 0; i < count; i++) kill(workers[i], SIGKILL);
  host_pause_ms(100);
  kill(host, SIGCONT);
  stand_wait(&stand, host, 0);
  stand_finish(&stand, "success");
  assert_true(stand_number(&stand, "SELECT count(*) FROM before.attempts WHERE state = 'lost'") >
              0);
  assert_int_equal(
      stand_number(&stand, "SELECT count(*) FROM before.attempts WHERE state = 'failed'"), 1);
  stand_close(&stand);
}

int main(void) {
  host_seed(host_seed_wanted());
  if (prctl(PR_SET_CHILD_SUBREAPER, 1UL) != 0) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_stopped_worker_is_replaced),
      cmocka_unit_test(a_stopped_host_hears_what_came_before_its_timers),
      cmocka_unit_test(a_worker_that_died_meanwhile_costs_no_try),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
