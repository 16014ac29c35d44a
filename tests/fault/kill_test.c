// SPDX-License-Identifier: Apache-2.0
// kill -9 of script workers at random instants of a run, which TIDEGATE_FAULT_SEED chooses; the
// signals that ask a host to stop; and a cancel whose host is killed while it obeys.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fault/stand.h"

// The flaky task needs all of its three tries, so that a try that a lost worker used up would fail
// the run.
static void killed_workers_cost_no_retries(void **state) {
  (void)state;
  struct stand stand;
  stand_open(&stand, "many");
  pid_t host = stand_run(&stand), workers[64];
  for (int kills = 0; kills < 12 && !host_has_ended(host);) {
    host_pause_ms(kills ? 20 + (long)host_random(60) : 1); // the first while it loads the pipeline
    size_t count = host_workers(host, workers, 64);
    if (!count) continue;
    kill(workers[host_random((unsigned)count)], SIGKILL);
    if (kills++ == 0) host_file_await(&stand.project, "files/up");
  }
  stand_wait(&stand, host, 0);
  stand_finish(&stand, "success");
  assert_int_equal(
      stand_number(&stand, "SELECT count(*) FROM before.tasks WHERE state = 'success'"), 151);
  assert_true(stand_number(&stand, "SELECT count(*) FROM before.attempts WHERE state = 'lost'") >
              0);
  int64_t failed =
      stand_number(&stand, "SELECT count(*) FROM before.attempts WHERE state = 'failed'");
  assert_in_range(failed, 1, 2);
  stand_close(&stand);
}

static void drains(int signum) {
  struct stand stand;
  stand_open(&stand, "drain");
  pid_t host = stand_run(&stand);
  host_file_await(&stand.project, "files/started");
  kill(host, signum);
  stand_wait(&stand, host, 128 + signum);
  assert_true(host_file_is(&stand.project, "files/ended")); // what ran was let end
  stand_look(&stand);
  assert_int_equal(
      stand_number(&stand, "SELECT count(*) FROM before.tasks WHERE state = 'success'"), 2);
  assert_false(host_orphans_are_left(0));
  stand_wait(&stand, stand_run(&stand), 0);
  stand_finish(&stand, "success");
  assert_int_equal(stand_number(&stand, "SELECT count(*) FROM before.runs"), 1);
  assert_int_equal(stand_number(&stand, "SELECT count(*) FROM before.attempts"), 3);
  stand_close(&stand);
}

static void sigterm_drains_and_the_next_run_continues(void **state) {
  (void)state;
  drains(SIGTERM);
}

static void sigint_drains_and_the_next_run_continues(void **state) {
  (void)state;
  drains(SIGINT);
}

static void second_signal_stops_at_once_and_leaves_nothing(void **state) {
  (void)state;
  struct stand stand;
  stand_open(&stand, "deaf");
  pid_t host = stand_run(&stand);
  host_file_await(&stand.project, "files/started");
  kill(host, SIGTERM);
  host_pause_ms(100);
  kill(host, SIGTERM);
  stand_wait(&stand, host, 128 + SIGTERM);
  assert_false(host_orphans_are_left(STAND_LEFT_MS));
  stand_look(&stand);
  stand_wait(&stand, stand_run(&stand), 0);
  stand_finish(&stand, "success");
  assert_int_equal(stand_number(&stand, "SELECT count(*) FROM before.runs"), 1);
  stand_close(&stand);
}

// The host that is at work is asked by another process, and killed while it obeys; whoever asked
// ends the run then.
static void cancel_in_flight_survives_its_host(void **state) {
  (void)state;
  static const char *const cancel_words[] = {"cancel", "last", NULL};
  struct stand stand;
  stand_open(&stand, "hang");
  for (int i = 0; i < 8; i++) {
    host_file_remove(&stand.project, "files/hangs");
    pid_t host = stand_run(&stand);
    host_file_await(&stand.project, "files/hangs");
    pid_t asks = host_start(&stand.project, cancel_words, NULL);
    host_pause_ms((long)host_random(400));
    kill(host, SIGKILL);
    int code = host_wait(&stand.project, host);
    assert_true(code == 128 + SIGKILL || code == 1);
    stand_wait(&stand, asks, 0);
    stand_finish(&stand, "cancelled");
  }
  stand_close(&stand);
}

int main(void) {
  host_seed(host_seed_wanted());
  // What a killed host leaves behind becomes ours, so that it can be told when it has ended.
  if (prctl(PR_SET_CHILD_SUBREAPER, 1UL) != 0) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(killed_workers_cost_no_retries),
      cmocka_unit_test(sigterm_drains_and_the_next_run_continues),
      cmocka_unit_test(sigint_drains_and_the_next_run_continues),
      cmocka_unit_test(second_signal_stops_at_once_and_leaves_nothing),
      cmocka_unit_test(cancel_in_flight_survives_its_host),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
