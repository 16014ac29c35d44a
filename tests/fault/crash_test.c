// SPDX-License-Identifier: Apache-2.0
// kill -9 of the host: at every durable step of every kind of pipeline (crashpoint.c), in the
// middle of one that is being continued, with and without the power going too, and at random
// instants. What was committed stays, what was not is done again, nothing is left behind
// (checker.h).
//
// TIDEGATE_KILLS is how many kills there are at least (1,000); TIDEGATE_FAULT_SEED chooses the
// instants. A failure tells the scenario and the points; TIDEGATE_FAULT_ONLY=chain:17 does one
// again.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fault/checker.h"
#include "fault/host.h"

enum { LANES_MAX = 8, POINTS_MAX = 4000, RESUMES_MAX = 30, LEFT_MS = 1000, TOLD_BYTES = 160 };

struct lane;

struct scenario {
  const char *name;
  const char *pipeline; // tests/fault/pipelines
  const char *words[8]; // what is called, and called again until it is done
  int code, over_code;  // a whole call's exit code; that of a call that finds all done, or the same
  const char *state;    // of the run then
  void (*prepare)(struct lane *lane);
  void (*beside)(struct lane *lane, pid_t host); // what goes on while a host runs
  int lanes; // how many share the work: more than one where runs wait
  // Its commands look into the store. One that outlives its host keeps what that host had in shared
  // memory alive; a copy knows of more, of a commit that had not returned.
  bool has_readers;
  const char *last_words[4]; // what is called when that is done, without being killed, or nothing
  int last_code;
};

// A process of its own that does its share of a scenario's cases on a project of its own.
struct lane {
  const struct scenario *scenario;
  struct host_project project;
  struct checker checker;
  char told[TOLD_BYTES]; // where hosts were killed in this case
  long span;             // of the last call that was not killed: points, or ms
};

struct tally {
  long kills, cases;
};

static struct tally *tally; // of all lanes

// --- What is prepared before each case ---

static void call_to_end(struct lane *lane, const char *const *words, int wanted) {
  int code = host_wait(&lane->project, host_start(&lane->project, words, NULL));
  if (code == wanted) return;
  host_stderr_show(&lane->project);
  host_fail("%s: what is to be prepared gave exit code %d", lane->scenario->name, code);
}

static void new_store(struct lane *lane) {
  host_project_empty(&lane->project);
  checker_forget(&lane->checker);
}

static void failed_run(struct lane *lane) {
  host_file_remove(&lane->project, "files/repaired");
  call_to_end(lane, (const char *[]){"run", "p", "--new", NULL}, 1);
  host_file_put(&lane->project, "files/repaired");
}

// The host dies once its tasks are at work.
static void left_run(struct lane *lane) {
  host_file_remove(&lane->project, "files/hangs");
  pid_t host = host_start(&lane->project, (const char *[]){"run", "p", "--new", NULL}, NULL);
  host_file_await(&lane->project, "files/hangs");
  kill(host, SIGKILL);
  host_wait(&lane->project, host);
}

static void left_run_that_may_end(struct lane *lane) {
  host_file_remove(&lane->project, "files/go");
  left_run(lane);
  host_file_put(&lane->project, "files/go");
}

static const struct {
  const char *hangs; // the file that says so
  const char *words[7];
} cuts[] = {
    {"files/hangs.slow", {"cancel", "last", "--task", "slow"}},
    {"files/hangs.items", {"cancel", "last", "--task", "items", "--item", "1"}},
};

enum { CUTS = sizeof cuts / sizeof *cuts };

static void cuts_forget(struct lane *lane) {
  for (int i = 0; i < CUTS; i++) host_file_remove(&lane->project, cuts[i].hangs);
}

// The item is cancelled, the task hangs.
static void half_cut_run(struct lane *lane) {
  cuts_forget(lane);
  pid_t host = host_start(&lane->project, (const char *[]){"run", "p", "--new", NULL}, NULL);
  for (int i = 0; i < CUTS; i++) host_file_await(&lane->project, cuts[i].hangs);
  kill(host, SIGKILL);
  host_wait(&lane->project, host);
  call_to_end(lane, cuts[1].words, 0);
}

// Others ask a host to cancel what hangs, as soon as it does; they end with the host.
static void cut_beside(struct lane *lane, pid_t host) {
  pid_t asks[CUTS] = {0};
  while (!host_has_ended(host)) {
    for (int i = 0; i < CUTS; i++)
      if (!asks[i] && host_file_is(&lane->project, cuts[i].hangs))
        asks[i] = host_start(&lane->project, cuts[i].words, NULL);
    host_pause_ms(1);
  }
  for (int i = 0; i < CUTS; i++) {
    if (!asks[i]) continue;
    kill(asks[i], SIGKILL);
    host_wait(&lane->project, asks[i]);
  }
  cuts_forget(lane);
}

static const struct scenario scenarios[] = {
    {.name = "fresh",
     .pipeline = "chain",
     .words = {"run", "p"},
     .state = "success",
     .prepare = new_store,
     .lanes = 2},
    {.name = "chain", .pipeline = "chain", .words = {"run", "p"}, .state = "success", .lanes = 2},
    {.name = "map", .pipeline = "map", .words = {"run", "p"}, .state = "success", .lanes = 2},
    {.name = "steps", .pipeline = "steps", .words = {"run", "p"}, .state = "success", .lanes = 8},
    {.name = "children",
     .pipeline = "children",
     .words = {"run", "p"},
     .state = "success",
     .lanes = 2},
    {.name = "waits",
     .pipeline = "waits",
     .words = {"run", "p"},
     .state = "success",
     .has_readers = true,
     .lanes = 2},
    {.name = "failure",
     .pipeline = "failure",
     .words = {"run", "p"},
     .code = 1,
     .over_code = 1,
     .state = "failed",
     .lanes = 2},
    {.name = "repair",
     .pipeline = "repair",
     .words = {"rerun", "last", "--from-failure"},
     .over_code = 2,
     .state = "success",
     .prepare = failed_run,
     .lanes = 2},
    {.name = "days",
     .pipeline = "days",
     .words = {"backfill", "p", "--from", "2026-11-01", "--to", "2026-11-04", "--max-runs", "2"},
     .state = "success",
     .prepare = new_store,
     .lanes = 2},
    {.name = "left",
     .pipeline = "hang",
     .words = {"run", "p"},
     .state = "success",
     .prepare = left_run_that_may_end,
     .lanes = 2},
    {.name = "cancel",
     .pipeline = "hang",
     .words = {"cancel", "last"},
     .over_code = 2,
     .state = "cancelled",
     .prepare = left_run,
     .lanes = 2},
    {.name = "breaker",
     .pipeline = "breaker",
     .words = {"run", "p"},
     .state = "success",
     .lanes = 6},
    {.name = "overlap",
     .pipeline = "overlap",
     .words = {"run", "p"},
     .state = "success",
     .lanes = 2},
    {.name = "approval",
     .pipeline = "approval",
     .words = {"run", "p"},
     .state = "success",
     .has_readers = true,
     .lanes = 6},
    {.name = "pools", .pipeline = "pools", .words = {"run", "p"}, .state = "success", .lanes = 2},
    {.name = "decided",
     .pipeline = "decided",
     .words = {"run", "p"},
     .state = "success",
     .lanes = 2},
    {.name = "cut",
     .pipeline = "cut",
     .words = {"run", "p"},
     .code = 1,
     .over_code = 1,
     .state = "failed",
     .prepare = cuts_forget,
     .beside = cut_beside,
     .lanes = 4},
    {.name = "cut left",
     .pipeline = "cut",
     .words = {"cancel", "last", "--task", "slow"},
     .state = "failed",
     .prepare = half_cut_run,
     .last_words = {"run", "p"},
     .last_code = 1,
     .lanes = 2},
};

// --- A case ---

static void case_fail(struct lane *lane, const char *what) {
  host_stderr_show(&lane->project);
  host_fail("%s, killed at%s: %s; TIDEGATE_FAULT_SEED=%llu", lane->scenario->name, lane->told, what,
            (unsigned long long)host_seed_wanted());
}

static void told_add(struct lane *lane, const char *kind, long at, uint64_t cut) {
  size_t len = strlen(lane->told);
  snprintf(lane->told + len, sizeof lane->told - len, cut ? " %s %ld (cut %llu)" : " %s %ld", kind,
           at, (unsigned long long)cut);
}

static void is_well(struct lane *lane, bool is_well) {
  if (!is_well) case_fail(lane, lane->checker.fault);
}

// Calls until it is done; `death` is for the first call, the later ones die at points of their own.
// Says whether any was killed.
static bool call_until_done(struct lane *lane, struct host_death death, long kill_after_ms) {
  const struct scenario *scenario = lane->scenario;
  for (int calls = 0; calls < RESUMES_MAX; calls++) {
    pid_t host = host_start(&lane->project, scenario->words, &death);
    if (kill_after_ms >= 0) {
      host_pause_ms(kill_after_ms);
      kill(host, SIGKILL);
    }
    if (scenario->beside) scenario->beside(lane, host);
    int code = host_wait(&lane->project, host);
    if (code == scenario->code || (calls && code == scenario->over_code)) {
      if (scenario->last_words[0]) {
        is_well(lane, checker_look(&lane->checker));
        call_to_end(lane, scenario->last_words, scenario->last_code);
      }
      is_well(lane, checker_finish(&lane->checker, scenario->state));
      if (host_orphans_are_left(LEFT_MS)) case_fail(lane, "processes are left behind");
      return calls > 0;
    }
    if (code != 128 + SIGKILL) {
      char what[64];
      snprintf(what, sizeof what, "then it ended with exit code %d", code);
      case_fail(lane, what);
    }
    __atomic_add_fetch(&tally->kills, 1, __ATOMIC_RELAXED);
    if (scenario->has_readers) host_orphans_kill();
    is_well(lane, checker_look(&lane->checker));
    // Half of what is continued is killed again.
    bool is_killed = host_random(2) == 0;
    death = (struct host_death){.point = is_killed && kill_after_ms < 0 ? 1 + host_random(60) : 0,
                                .cut = death.cut ? 1 + host_random(1000) : 0};
    kill_after_ms = is_killed && kill_after_ms >= 0 ? (long)host_random((unsigned)lane->span) : -1;
    if (death.point) told_add(lane, "then", death.point, death.cut);
    if (kill_after_ms >= 0) told_add(lane, "then ms", kill_after_ms, 0);
  }
  case_fail(lane, "it does not come to its end");
  return false;
}

static void case_begin(struct lane *lane, uint64_t number) {
  host_seed(host_seed_wanted() * 1000003 + number);
  lane->told[0] = 0;
  if (lane->scenario->prepare) lane->scenario->prepare(lane);
  __atomic_add_fetch(&tally->cases, 1, __ATOMIC_RELAXED);
}

// Dies at one point; each third time the power goes too. Says whether there is such a point.
static bool point_case(struct lane *lane, long point) {
  case_begin(lane, (uint64_t)point);
  struct host_death death = {.point = point, .cut = point % 3 ? 0 : 1 + host_random(3)};
  told_add(lane, "point", point, death.cut);
  return call_until_done(lane, death, -1);
}

static void random_case(struct lane *lane, long number) {
  case_begin(lane, (uint64_t)number + 1000000);
  long ms = (long)host_random((unsigned)lane->span);
  told_add(lane, "ms", ms, 0);
  call_until_done(lane, (struct host_death){0}, ms);
}

// --- Lanes ---

static void lane_open(struct lane *lane, const struct scenario *scenario) {
  *lane = (struct lane){.scenario = scenario, .span = 60};
  // What a killed host leaves behind becomes ours, so that it can be told when it has ended.
  if (prctl(PR_SET_CHILD_SUBREAPER, 1UL) != 0) host_fail("cannot be a subreaper");
  host_project_make(&lane->project, scenario->pipeline);
  checker_open(&lane->checker, lane->project.dir);
}

static void lane_close(struct lane *lane) {
  checker_close(&lane->checker);
  host_project_remove(&lane->project);
}

// The first call in a project makes its store, which the scenario "fresh" is about.
static void lane_measure(struct lane *lane) {
  for (int i = 0; i < 2; i++) {
    case_begin(lane, 0);
    int64_t began = host_now_ms();
    call_until_done(lane, (struct host_death){0}, -1);
    lane->span = (long)(host_now_ms() - began) + 1;
  }
}

static void points_go(struct lane *lane, int number, long wanted) {
  const char *only = getenv("TIDEGATE_FAULT_ONLY"), *point = only ? strchr(only, ':') : NULL;
  (void)wanted;
  if (point) {
    if (number == 0) point_case(lane, strtol(point + 1, NULL, 10));
    return;
  }
  for (long at = 1 + number; at < POINTS_MAX; at += lane->scenario->lanes)
    if (!point_case(lane, at)) return;
  case_fail(lane, "there is no end of points");
}

static void random_go(struct lane *lane, int number, long wanted) {
  for (long i = number; i < wanted; i += lane->scenario->lanes) random_case(lane, i);
}

// Shows that what was not durable would be noticed: the disk says it is, and the power goes.
static void lies_go(struct lane *lane, int number, long wanted) {
  (void)wanted;
  for (long at = 10 + number; at < 60; at += lane->scenario->lanes) {
    struct host_death death = {.point = at, .cut = 1, .lies = true};
    case_begin(lane, (uint64_t)at);
    if (host_wait(&lane->project, host_start(&lane->project, lane->scenario->words, &death)) == 0)
      continue;
    if (!checker_look(&lane->checker)) return;
  }
  case_fail(lane, "nobody noticed that the disk lies");
}

static void lane_main(const struct scenario *scenario, int number, long wanted,
                      void (*go)(struct lane *lane, int number, long wanted)) {
  struct lane lane;
  lane_open(&lane, scenario);
  lane_measure(&lane);
  go(&lane, number, wanted);
  lane_close(&lane);
  _exit(0);
}

static bool is_wanted(const struct scenario *scenario) {
  const char *only = getenv("TIDEGATE_FAULT_ONLY");
  size_t len = strlen(scenario->name);
  return !only || (strncmp(only, scenario->name, len) == 0 && (!only[len] || only[len] == ':'));
}

static void scenario_go(const struct scenario *scenario, long wanted,
                        void (*go)(struct lane *lane, int number, long wanted)) {
  pid_t lanes[LANES_MAX];
  int status, failed = 0;
  for (int i = 0; i < scenario->lanes; i++) {
    lanes[i] = fork();
    if (lanes[i] == 0) lane_main(scenario, i, wanted, go);
  }
  for (int i = 0; i < scenario->lanes; i++) {
    waitpid(lanes[i], &status, 0);
    failed += status != 0;
  }
  assert_int_equal(failed, 0);
}

static void killed_at_every_durable_step_it_goes_on(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
    if (!is_wanted(&scenarios[i])) continue;
    struct tally before = *tally;
    int64_t began = host_now_ms();
    scenario_go(&scenarios[i], 0, points_go);
    print_message("%-9s %4ld kills in %4ld cases, %.1f s\n", scenarios[i].name,
                  tally->kills - before.kills, tally->cases - before.cases,
                  (double)(host_now_ms() - began) / 1000);
  }
}

static void killed_at_random_instants_it_goes_on(void **state) {
  (void)state;
  long left = host_setting("TIDEGATE_KILLS", 1000) - tally->kills;
  long count = (long)(sizeof scenarios / sizeof *scenarios);
  long each = (left > 200 ? left : 200) / count;
  for (int i = 0; i < count; i++)
    if (is_wanted(&scenarios[i])) scenario_go(&scenarios[i], each, random_go);
  print_message("%ld kills in %ld cases\n", tally->kills, tally->cases);
}

static void a_disk_that_lies_is_noticed(void **state) {
  (void)state;
  scenario_go(&scenarios[1], 0, lies_go);
}

int main(void) {
  tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (tally == MAP_FAILED) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(killed_at_every_durable_step_it_goes_on),
      cmocka_unit_test(killed_at_random_instants_it_goes_on),
      cmocka_unit_test(a_disk_that_lies_is_noticed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
