// SPDX-License-Identifier: Apache-2.0
#include "model/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void every_word_is_found_again(void **state) {
  (void)state;
  for (int i = 0; i < TG_RUN_STATE_COUNT; i++)
    assert_int_equal(tg_run_state_parse(tg_run_state_word((enum tg_run_state)i)), i);
  for (int i = 0; i < TG_TASK_STATE_COUNT; i++)
    assert_int_equal(tg_task_state_parse(tg_task_state_word((enum tg_task_state)i)), i);
  for (int i = 0; i < TG_ATTEMPT_STATE_COUNT; i++)
    assert_int_equal(tg_attempt_state_parse(tg_attempt_state_word((enum tg_attempt_state)i)), i);
}

// The words stand in stores and scripts of others, so they never change.
static void the_words_are_these(void **state) {
  (void)state;
  assert_string_equal(tg_run_state_word(TG_RUN_RUNNING), "running");
  assert_string_equal(tg_run_state_word(TG_RUN_CANCELLED), "cancelled");
  assert_string_equal(tg_task_state_word(TG_TASK_UPSTREAM_FAILED), "upstream_failed");
  assert_string_equal(tg_task_state_word(TG_TASK_SKIPPED), "skipped");
  assert_string_equal(tg_attempt_state_word(TG_ATTEMPT_LOST), "lost");
}

static void a_word_that_is_none_is_not_found(void **state) {
  (void)state;
  assert_int_equal(tg_run_state_parse(""), -1);
  assert_int_equal(tg_run_state_parse("waiting"), -1); // of a task
  assert_int_equal(tg_task_state_parse("Success"), -1);
  assert_int_equal(tg_task_state_parse("lost"), -1);
  assert_int_equal(tg_attempt_state_parse("skipped"), -1);
}

static void what_still_moves_is_not_terminal(void **state) {
  (void)state;
  for (int i = 0; i < TG_RUN_STATE_COUNT; i++)
    assert_int_equal(tg_run_state_is_terminal((enum tg_run_state)i),
                     i != TG_RUN_RUNNING && i != TG_RUN_QUEUED && i != TG_RUN_CANCELLING);
  for (int i = 0; i < TG_TASK_STATE_COUNT; i++)
    assert_int_equal(tg_task_state_is_terminal((enum tg_task_state)i),
                     i != TG_TASK_WAITING && i != TG_TASK_READY && i != TG_TASK_RUNNING);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_word_is_found_again),
      cmocka_unit_test(the_words_are_these),
      cmocka_unit_test(a_word_that_is_none_is_not_found),
      cmocka_unit_test(what_still_moves_is_not_terminal),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
