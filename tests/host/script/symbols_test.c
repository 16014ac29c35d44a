// SPDX-License-Identifier: Apache-2.0
#include "script/symbols.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "scarce.h"

enum { COUNT = 100000 };

static uint32_t of(struct tg_symbols *symbols, const char *text) {
  return tg_symbol_of(symbols, text, strlen(text));
}

static void name_write(char name[32], uint32_t i) {
  snprintf(name, 32, i % 3 ? "task_%u" : "a_longer_name_of_a_task_%u", i);
}

static void a_text_has_one_number(void **state) {
  (void)state;
  struct tg_symbols symbols;
  tg_symbols_init(&symbols, tg_memory_heap());
  char name[32];
  for (uint32_t i = 0; i < COUNT; i++) {
    name_write(name, i);
    assert_int_equal(of(&symbols, name), i);
  }
  for (uint32_t i = 0; i < COUNT; i++) {
    name_write(name, i);
    assert_int_equal(of(&symbols, name), i);
    assert_int_equal(tg_symbol_find(&symbols, name, strlen(name)), i);
    struct tg_slice text = tg_symbol_text(&symbols, i);
    assert_int_equal(text.len, strlen(name));
    assert_string_equal(text.data, name);
  }
  assert_int_equal(symbols.count, COUNT);
  tg_symbols_deinit(&symbols);
}

static void what_is_not_there_is_not_found(void **state) {
  (void)state;
  struct tg_symbols symbols;
  tg_symbols_init(&symbols, tg_memory_heap());
  assert_int_equal(tg_symbol_find(&symbols, "a", 1), TG_NO_SYMBOL);
  of(&symbols, "ab");
  assert_int_equal(tg_symbol_find(&symbols, "a", 1), TG_NO_SYMBOL);
  assert_int_equal(tg_symbol_find(&symbols, "abc", 3), TG_NO_SYMBOL);
  assert_int_equal(tg_symbol_find(&symbols, "ab", 2), 0);
  tg_symbols_deinit(&symbols);
}

static void any_bytes_are_a_text(void **state) {
  (void)state;
  struct tg_symbols symbols;
  tg_symbols_init(&symbols, tg_memory_heap());
  assert_int_equal(tg_symbol_of(&symbols, "", 0), 0);
  assert_int_equal(tg_symbol_of(&symbols, "a\0b", 3), 1);
  assert_int_equal(tg_symbol_of(&symbols, "a\0c", 3), 2);
  assert_int_equal(tg_symbol_of(&symbols, "a", 1), 3);
  assert_int_equal(tg_symbol_of(&symbols, "a\0b", 3), 1);
  assert_int_equal(tg_symbol_text(&symbols, 0).len, 0);
  assert_memory_equal(tg_symbol_text(&symbols, 2).data, "a\0c", 4);
  tg_symbols_deinit(&symbols);
}

// Whichever block cannot be had, the text can be had once memory is back, and the others are there.
static void memory_that_is_out_changes_nothing(void **state) {
  (void)state;
  for (int n = 1; n < 40; n++) {
    struct scarce scarce = {.fail_at = n};
    struct tg_symbols symbols;
    tg_symbols_init(&symbols, scarce_memory(&scarce));
    char name[32];
    for (uint32_t i = 0; i < 2000; i++) {
      name_write(name, i);
      uint32_t symbol = of(&symbols, name);
      if (symbol == TG_NO_SYMBOL) {
        assert_int_equal(symbols.count, i);
        assert_int_equal(tg_symbol_find(&symbols, name, strlen(name)), TG_NO_SYMBOL);
        symbol = of(&symbols, name);
      }
      assert_int_equal(symbol, i);
    }
    for (uint32_t i = 0; i < 2000; i++) {
      name_write(name, i);
      assert_int_equal(of(&symbols, name), i);
    }
    tg_symbols_deinit(&symbols);
    assert_int_equal(scarce.bytes, 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_text_has_one_number),
      cmocka_unit_test(what_is_not_there_is_not_found),
      cmocka_unit_test(any_bytes_are_a_text),
      cmocka_unit_test(memory_that_is_out_changes_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
