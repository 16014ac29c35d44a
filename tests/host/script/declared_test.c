// SPDX-License-Identifier: Apache-2.0
#include "script/declared.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "scarce.h"

enum { COUNT = 3000 };

static uint32_t symbol(struct tg_declared *declared, const char *format, uint32_t i) {
  char name[32];
  snprintf(name, sizeof name, format, i);
  return tg_symbol_of(&declared->symbols, name, strlen(name));
}

static void tasks_are_found_at_their_first_position(void **state) {
  (void)state;
  struct tg_declared declared;
  tg_declared_init(&declared, tg_memory_heap());
  for (uint32_t i = 0; i < COUNT; i++) {
    uint32_t name = symbol(&declared, "t%u", i);
    assert_int_equal(tg_declared_find(&declared, name), TG_NOT_DECLARED);
    assert_int_equal(tg_declared_add(&declared, 0, name, 0), i);
  }
  for (uint32_t i = COUNT; i-- > 0;) assert_true(tg_declared_list(&declared, i));
  assert_true(tg_declared_list(&declared, 5)); // once more
  assert_int_equal(declared.listed_count, COUNT + 1);
  for (uint32_t i = 0; i < COUNT; i++) {
    uint32_t name = symbol(&declared, "t%u", i);
    assert_int_equal(tg_declared_find(&declared, name), COUNT - 1 - i);
    assert_int_equal(tg_declared_at(&declared, COUNT - 1 - i)->name, name);
  }
  assert_int_equal(tg_declared_find(&declared, symbol(&declared, "u%u", 1)), TG_NOT_DECLARED);
  assert_int_equal(tg_declared_find(&declared, TG_NO_SYMBOL), TG_NOT_DECLARED);
  tg_declared_deinit(&declared);
}

// Repeats a call that memory ran out for; it must go well the second time.
#define TWICE(call, failed) ((call) != (failed) || (call) != (failed))

static void memory_that_is_out_changes_nothing(void **state) {
  (void)state;
  for (int n = 1; n < 60; n++) {
    struct scarce scarce = {.fail_at = n};
    struct tg_declared declared;
    tg_declared_init(&declared, scarce_memory(&scarce));
    for (uint32_t i = 0; i < COUNT; i++) {
      uint32_t name = symbol(&declared, "t%u", i);
      if (name == TG_NO_SYMBOL) name = symbol(&declared, "t%u", i);
      assert_int_equal(name, i);
      assert_true(TWICE(tg_declared_add(&declared, 0, name, 0), TG_NOT_DECLARED));
      assert_true(TWICE(tg_declared_add_after(&declared, name), false));
      assert_true(TWICE(tg_declared_list(&declared, i), false));
    }
    assert_int_equal(declared.count, COUNT);
    assert_int_equal(declared.after_count, COUNT);
    assert_int_equal(declared.listed_count, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
      assert_int_equal(declared.after[i], i);
      assert_int_equal(tg_declared_find(&declared, i), i);
    }
    tg_declared_deinit(&declared);
    assert_int_equal(scarce.bytes, 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tasks_are_found_at_their_first_position),
      cmocka_unit_test(memory_that_is_out_changes_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
