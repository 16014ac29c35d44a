// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void gives_zeroed_and_aligned_memory(void **state) {
  (void)state;
  struct tg_arena arena;
  tg_arena_init(&arena);
  for (size_t size = 0; size < 3000; size += 7) {
    const char *text = tg_arena_copy(&arena, "between", size % 8);
    char *bytes = tg_arena_alloc(&arena, size);
    assert_non_null(bytes);
    assert_int_equal(strlen(text), size % 8);
    assert_int_equal((uintptr_t)bytes % _Alignof(max_align_t), 0);
    for (size_t i = 0; i < size; i++) assert_int_equal(bytes[i], 0);
    memset(bytes, 0xff, size);
    assert_memory_equal(text, "between", size % 8);
  }
  tg_arena_deinit(&arena);
}

static void gives_something_for_nothing(void **state) {
  (void)state;
  struct tg_arena arena;
  tg_arena_init(&arena);
  assert_non_null(tg_arena_alloc(&arena, 0));
  tg_arena_deinit(&arena);
}

static void keeps_what_it_gave(void **state) {
  (void)state;
  enum { COUNT = 5000 };
  struct tg_arena arena;
  const char **texts = calloc(COUNT, sizeof *texts);
  tg_arena_init(&arena);
  for (size_t i = 0; i < COUNT; i++) {
    char *bytes = tg_arena_alloc(&arena, i + 1);
    memset(bytes, 'a' + (int)(i % 26), i);
    texts[i] = bytes;
  }
  for (size_t i = 0; i < COUNT; i++) {
    assert_int_equal(strlen(texts[i]), i);
    if (i) assert_int_equal(texts[i][i - 1], 'a' + (int)(i % 26));
  }
  free(texts);
  tg_arena_deinit(&arena);
}

static void refuses_what_no_memory_can_hold(void **state) {
  (void)state;
  struct tg_arena arena;
  tg_arena_init(&arena);
  assert_null(tg_arena_alloc(&arena, SIZE_MAX));
  assert_null(tg_arena_alloc(&arena, SIZE_MAX - 16));
  assert_non_null(tg_arena_alloc(&arena, 8)); // and goes on
  tg_arena_deinit(&arena);
}

static void copies_text(void **state) {
  (void)state;
  struct tg_arena arena;
  tg_arena_init(&arena);
  assert_string_equal(tg_arena_copy(&arena, "abcdef", 3), "abc");
  assert_string_equal(tg_arena_copy(&arena, NULL, 0), "");
  assert_string_equal(tg_arena_strdup(&arena, "whole"), "whole");
  assert_null(tg_arena_strdup(&arena, NULL));
  tg_arena_deinit(&arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gives_zeroed_and_aligned_memory),
      cmocka_unit_test(gives_something_for_nothing),
      cmocka_unit_test(keeps_what_it_gave),
      cmocka_unit_test(refuses_what_no_memory_can_hold),
      cmocka_unit_test(copies_text),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
