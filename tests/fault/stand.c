// SPDX-License-Identifier: Apache-2.0
// cmocka wants these four first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fault/stand.h"

void stand_open(struct stand *stand, const char *pipeline) {
  host_project_make(&stand->project, pipeline);
  checker_open(&stand->checker, stand->project.dir);
}

void stand_close(struct stand *stand) {
  checker_close(&stand->checker);
  host_project_remove(&stand->project);
}

pid_t stand_run(const struct stand *stand) {
  return host_start(&stand->project, (const char *[]){"run", "p", NULL}, NULL);
}

void stand_wait(const struct stand *stand, pid_t host, int wanted) {
  int code = host_wait(&stand->project, host);
  if (code == wanted) return;
  host_stderr_show(&stand->project);
  assert_int_equal(code, wanted);
}

void stand_look(struct stand *stand) {
  if (!checker_look(&stand->checker)) fail_msg("%s", stand->checker.fault);
}

void stand_finish(struct stand *stand, const char *state) {
  if (!checker_finish(&stand->checker, state)) fail_msg("%s", stand->checker.fault);
  assert_false(host_orphans_are_left(STAND_LEFT_MS));
}

int64_t stand_number(struct stand *stand, const char *query) {
  return checker_number(&stand->checker, query);
}
