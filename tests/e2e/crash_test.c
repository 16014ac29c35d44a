// SPDX-License-Identifier: Apache-2.0
// kill -9, of the host and of its script workers, at random instants of a run; and the signals that
// ask it to stop. What was committed stays done, what was not is done again, nothing is left
// behind.
//
// TIDEGATE_KILLS is how many times the host is killed (200), TIDEGATE_SEED chooses the instants.
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "e2e/support/host.h"

enum { TASKS = 50, NAME_BYTES = 32 };

// A chain of ten, of which each but the last has four tasks beside it that wait for it, and a last
// one that waits for all. Each task says that it started by a file of its name.
static const char storm[] =
    "local tg = require 'tidegate'\n"
    "local file = require 'tidegate.file'\n"
    "local tasks, all = {}, {}\n"
    "local function script(name, after)\n"
    "  return tg.task(name) { after = after, run = function(ctx)\n"
    "    assert(file.write('files/started.' .. ctx.task, ctx.key))\n"
    "    ctx:sleep('3ms')\n"
    "    return ctx.task\n"
    "  end }\n"
    "end\n"
    "local function command(name, after)\n"
    "  return tg.cmd(name) { after = after, shell = true,\n"
    "    argv = 'echo $TIDEGATE_KEY >files/started.$TIDEGATE_TASK; sleep 0.00' .. #tasks % 8 }\n"
    "end\n"
    "local function add(name, after)\n"
    "  local make = #tasks % 2 == 0 and script or command\n"
    "  tasks[#tasks + 1], all[#all + 1] = make(name, after), name\n"
    "end\n"
    "for link = 1, 10 do\n"
    "  add('link' .. link, link > 1 and 'link' .. link - 1 or {})\n"
    "  for leaf = 1, link < 10 and 4 or 3 do add('leaf' .. link .. '_' .. leaf, 'link' .. link) "
    "end\n"
    "end\n"
    "add('last', { table.unpack(all) })\n"
    "return tg.pipeline 'p' { tasks = tasks }\n";

struct names {
  char names[TASKS * 4][NAME_BYTES];
  size_t count;
};

static void name_add(void *self, const char *name) {
  struct names *names = self;
  assert_true(names->count < TASKS * 4);
  snprintf(names->names[names->count++], NAME_BYTES, "%s", name);
}

static bool name_has(const struct names *names, const char *name) {
  for (size_t i = 0; i < names->count; i++)
    if (strcmp(names->names[i], name) == 0) return true;
  return false;
}

// Tells which tasks started since the last look, and forgets them.
static void started_take(const struct host_project *project, struct names *started) {
  char path[400];
  snprintf(path, sizeof path, "%s/files", project->dir);
  DIR *folder = opendir(path);
  assert_non_null(folder);
  const struct dirent *entry;
  started->count = 0;
  while ((entry = readdir(folder))) {
    if (entry->d_name[0] == '.') continue;
    if (strncmp(entry->d_name, "started.", 8) == 0 && !strchr(entry->d_name + 8, '.'))
      name_add(started, entry->d_name + 8);
    snprintf(path, sizeof path, "%s/files/%.200s", project->dir, entry->d_name);
    unlink(path);
  }
  closedir(folder);
}

// Nothing of what had succeeded when the last host died may have started since.
static void again_check(const struct names *started, const struct names *succeeded) {
  for (size_t i = 0; i < started->count; i++)
    if (name_has(succeeded, started->names[i]))
      fail_msg("%s had succeeded and started again", started->names[i]);
}

static void succeeded_read(const struct host_project *project, struct names *succeeded) {
  succeeded->count = 0;
  host_store_ask(project,
                 "SELECT t.name FROM tasks t JOIN runs r ON r.number = t.run"
                 " WHERE t.state = 'success' AND r.state = 'running'",
                 name_add, succeeded);
}

static void finished_check(const struct host_project *project) {
  assert_int_equal(host_orphans_wait(), 0);
  assert_int_equal(host_store_number(project, "SELECT count(*) FROM runs WHERE state <> 'success'"),
                   0);
  assert_int_equal(
      host_store_number(project, "SELECT count(*) FROM tasks WHERE run = (SELECT max(number) FROM"
                                 " runs) AND state = 'success'"),
      TASKS);
  assert_int_equal(
      host_store_number(project, "SELECT count(*) FROM attempts WHERE state = 'success' AND run ="
                                 " (SELECT max(number) FROM runs)"),
      TASKS);
}

static void host_killed_at_any_instant_continues(void **state) {
  (void)state;
  struct host_project project;
  static struct names started, succeeded;
  host_project_make(&project, storm);
  long kills_wanted = host_setting("TIDEGATE_KILLS", 200), kills = 0, runs = 1, resumed = 0;
  int64_t began = host_now_ms();
  assert_int_equal(host_wait(&project, host_start(&project)), 0);
  unsigned length = (unsigned)(host_now_ms() - began); // of a run that nobody disturbs
  started_take(&project, &started);
  succeeded.count = 0;
  while (kills < kills_wanted || succeeded.count) {
    pid_t host = host_start(&project);
    if (kills < kills_wanted) {
      host_pause_ms(host_random(length));
      kill(host, SIGKILL);
    }
    int code = host_wait(&project, host);
    assert_true(code == 0 || code == 128 + SIGKILL);
    started_take(&project, &started);
    again_check(&started, &succeeded);
    if (code == 0) {
      finished_check(&project);
      succeeded.count = 0;
      runs++;
      continue;
    }
    kills++;
    char store[100];
    snprintf(store, sizeof store, "%s/.tidegate/state.db", project.dir);
    if (access(store, F_OK) != 0) continue; // killed before there was one
    if (host_store_number(&project, "SELECT count(*) FROM sqlite_master WHERE name = 'runs'") != 1)
      continue;
    host_store_check(&project);
    succeeded_read(&project, &succeeded);
    resumed += succeeded.count > 0;
  }
  int code = host_wait(&project, host_start(&project)); // what was begun, or one more
  assert_int_equal(code, 0);
  finished_check(&project);
  host_store_check(&project);
  print_message("%ld kills over %ld runs, %ld of them amid a run\n", kills, runs, resumed);
  host_project_remove(&project);
}

static void started_wait(const struct host_project *project, const char *name) {
  char path[100];
  snprintf(path, sizeof path, "%s/files/%s", project->dir, name);
  for (int i = 0; i < 5000 && access(path, F_OK) != 0; i++) host_pause_ms(2);
  assert_int_equal(access(path, F_OK), 0);
}

static const char many[] = "local tg = require 'tidegate'\n"
                           "local tasks = {}\n"
                           "for i = 1, 150 do\n"
                           "  tasks[i] = tg.task('t' .. i) { run = function(ctx)\n"
                           "    if i == 1 then require('tidegate.file').write('files/up', '') end\n"
                           "    ctx:sleep('10ms')\n"
                           "    return ctx.key\n"
                           "  end }\n"
                           "end\n"
                           "tasks[#tasks + 1] = tg.task 'flaky' { retry = { attempts = 3, base = "
                           "'200ms', jitter = 'none',\n"
                           "  backoff = 'constant' }, run = function(ctx)\n"
                           "  local file = require 'tidegate.file'\n"
                           "  local failures = tonumber((file.read 'files/failures')) or 0\n"
                           "  ctx:sleep('15ms')\n"
                           "  if failures == 2 then return failures end\n"
                           "  file.write('files/failures', tostring(failures + 1))\n"
                           "  error 'not yet'\n"
                           "end }\n"
                           "return tg.pipeline 'p' { limits = { tasks = 8 }, tasks = tasks }\n";

// The flaky task needs all of its three tries, so that a try that a lost worker used up would fail
// the run.
static void killed_workers_cost_no_retries(void **state) {
  (void)state;
  struct host_project project;
  host_project_make(&project, many);
  pid_t host = host_start(&project), workers[64];
  for (int kills = 0; kills < 12;) {
    host_pause_ms(kills ? 20 + (long)host_random(60) : 1); // the first while it loads the pipeline
    siginfo_t ended = {0};
    if (waitid(P_PID, (id_t)host, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid) break;
    size_t count = host_workers(host, workers, 64);
    if (!count) continue;
    kill(workers[host_random((unsigned)count)], SIGKILL);
    if (kills++ == 0) started_wait(&project, "up");
  }
  assert_int_equal(host_wait(&project, host), 0);
  assert_int_equal(host_orphans_wait(), 0);
  assert_int_equal(
      host_store_number(&project, "SELECT count(*) FROM tasks WHERE state = 'success'"), 151);
  assert_true(host_store_number(&project, "SELECT count(*) FROM attempts WHERE state = 'lost'") >
              0);
  assert_in_range(
      host_store_number(&project, "SELECT count(*) FROM attempts WHERE state = 'failed'"), 1, 2);
  host_project_remove(&project);
}

static const char slow[] =
    "local tg = require 'tidegate'\n"
    "return tg.pipeline 'p' { tasks = {\n"
    "  tg.cmd 'a' { shell = true, argv = 'echo >files/started.a; sleep 0.4; echo >files/ended' },\n"
    "  tg.task 's' { run = function(ctx) ctx:sleep('300ms') end },\n"
    "  tg.cmd 'b' { after = 'a', shell = true, argv = 'echo >files/started.b' },\n"
    "} }\n";

static void drains(int signum) {
  struct host_project project;
  host_project_make(&project, slow);
  pid_t host = host_start(&project);
  started_wait(&project, "started.a");
  kill(host, signum);
  assert_int_equal(host_wait(&project, host), 128 + signum);
  started_wait(&project, "ended"); // what ran was let end
  assert_int_equal(
      host_store_number(&project, "SELECT count(*) FROM tasks WHERE state = 'success'"), 2);
  assert_int_equal(host_orphans_wait(), 0);
  assert_int_equal(host_wait(&project, host_start(&project)), 0);
  assert_int_equal(host_store_number(&project, "SELECT count(*) FROM runs"), 1);
  assert_int_equal(host_store_number(&project, "SELECT count(*) FROM attempts"), 3);
  host_project_remove(&project);
}

static void sigterm_drains_and_the_next_run_continues(void **state) {
  (void)state;
  drains(SIGTERM);
}

static void sigint_drains_and_the_next_run_continues(void **state) {
  (void)state;
  drains(SIGINT);
}

static const char endless[] =
    "local tg = require 'tidegate'\n"
    "return tg.pipeline 'p' { tasks = {\n"
    "  tg.cmd 'a' { shell = true, argv = 'trap \"\" TERM; echo >files/started.a;"
    " test -e files/second || { echo >files/second; sleep 1000; }' },\n"
    "} }\n";

static void second_signal_stops_at_once_and_leaves_nothing(void **state) {
  (void)state;
  struct host_project project;
  host_project_make(&project, endless);
  pid_t host = host_start(&project);
  started_wait(&project, "second");
  kill(host, SIGTERM);
  host_pause_ms(100);
  kill(host, SIGTERM);
  assert_int_equal(host_wait(&project, host), 128 + SIGTERM);
  assert_int_equal(host_orphans_wait(), 0);
  assert_int_equal(host_wait(&project, host_start(&project)), 0);
  assert_int_equal(host_store_number(&project, "SELECT count(*) FROM runs"), 1);
  host_project_remove(&project);
}

int main(void) {
  // What a killed host leaves behind becomes ours, so that it can be told when it has ended.
  if (prctl(PR_SET_CHILD_SUBREAPER, 1UL) != 0) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(host_killed_at_any_instant_continues),
      cmocka_unit_test(killed_workers_cost_no_retries),
      cmocka_unit_test(sigterm_drains_and_the_next_run_continues),
      cmocka_unit_test(sigint_drains_and_the_next_run_continues),
      cmocka_unit_test(second_signal_stops_at_once_and_leaves_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
