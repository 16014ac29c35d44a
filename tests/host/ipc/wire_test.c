// SPDX-License-Identifier: Apache-2.0
#include "ipc/wire.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct tg_value values[] = {
    {.type = TG_VALUE_NULL},
    {.type = TG_VALUE_INT, .integer = INT64_MIN},
    {.type = TG_VALUE_REAL, .real = -0.1},
    {.type = TG_VALUE_TEXT, .text = {"a\0b", 3}},
    {.type = TG_VALUE_BOOL, .integer = 1},
};

enum { VALUE_COUNT = sizeof values / sizeof *values };

static void everything_put(struct tg_buf *out) {
  tg_wire_put_u8(out, 255);
  tg_wire_put_u32(out, UINT32_MAX - 1);
  tg_wire_put_u64(out, UINT64_MAX - 1);
  tg_wire_put_i64(out, -5);
  tg_wire_put_f64(out, 0.1);
  tg_wire_put_bytes(out, "x\0y", 3);
  tg_wire_put_bytes(out, NULL, 0);
  tg_wire_put_text(out, "text");
  tg_wire_put_text(out, NULL);
  tg_wire_put_u32(out, VALUE_COUNT);
  for (int i = 0; i < VALUE_COUNT; i++) tg_wire_put_value(out, &values[i]);
}

static void value_get(struct tg_reader *in, const struct tg_value *expected) {
  struct tg_value value = tg_wire_get_value(in);
  assert_non_null(value.text.data);
  if (in->is_failed) return;
  assert_int_equal(value.type, expected->type);
  assert_int_equal(value.integer, expected->integer);
  assert_true(value.real == expected->real);
  assert_int_equal(value.text.len, expected->text.len);
  assert_memory_equal(value.text.data, expected->text.data ? expected->text.data : "",
                      expected->text.len + 1);
}

// What is read is either what was put, or nothing; the fields are looked at only where all is
// there.
static void everything_get(struct tg_reader *in) {
  uint8_t u8 = tg_wire_get_u8(in);
  uint32_t u32 = tg_wire_get_u32(in);
  uint64_t u64 = tg_wire_get_u64(in);
  int64_t i64 = tg_wire_get_i64(in);
  double f64 = tg_wire_get_f64(in);
  struct tg_slice bytes = tg_wire_get_bytes(in), none = tg_wire_get_bytes(in);
  const char *text = tg_wire_get_text(in), *empty = tg_wire_get_text(in);
  uint32_t count = tg_wire_get_count(in, 1);
  assert_true(count == 0 || count == VALUE_COUNT);
  for (uint32_t i = 0; i < count; i++) value_get(in, &values[i]);
  assert_non_null(bytes.data);
  assert_non_null(none.data);
  if (in->is_failed) return;
  assert_int_equal(u8, 255);
  assert_int_equal(u32, UINT32_MAX - 1);
  assert_true(u64 == UINT64_MAX - 1);
  assert_int_equal(i64, -5);
  assert_true(f64 == 0.1);
  assert_int_equal(bytes.len, 3);
  assert_memory_equal(bytes.data, "x\0y", 4);
  assert_int_equal(none.len, 0);
  assert_string_equal(text, "text");
  assert_string_equal(empty, "");
}

static void reads_what_was_put(void **state) {
  (void)state;
  struct tg_buf out;
  tg_buf_init(&out, 1000);
  everything_put(&out);
  struct tg_reader in = tg_reader_of(out.data, out.len);
  everything_get(&in);
  assert_true(tg_reader_is_done(&in));
  assert_int_equal(tg_wire_get_u8(&in), 0); // there is no more
  assert_true(in.is_failed);
  assert_false(tg_reader_is_done(&in));
  tg_buf_deinit(&out);
}

static void fails_wherever_it_is_cut(void **state) {
  (void)state;
  struct tg_buf out;
  tg_buf_init(&out, 1000);
  everything_put(&out);
  for (size_t len = 0; len < out.len; len++) {
    char *cut = malloc(len + !len); // on the heap, so that a byte too far is seen
    memcpy(cut, out.data, len);
    struct tg_reader in = tg_reader_of(cut, len);
    everything_get(&in);
    assert_true(in.is_failed);
    free(cut);
  }
  tg_buf_deinit(&out);
}

static void what_is_left_over_is_not_done(void **state) {
  (void)state;
  struct tg_reader in = tg_reader_of("ab", 2);
  tg_wire_get_u8(&in);
  assert_false(tg_reader_is_done(&in));
  in = tg_reader_of(NULL, 0);
  assert_true(tg_reader_is_done(&in));
}

static void a_failed_reader_gives_zeros_and_empty_strings(void **state) {
  (void)state;
  struct tg_reader in = tg_reader_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9);
  in.is_failed = true;
  assert_int_equal(tg_wire_get_u8(&in), 0);
  assert_int_equal(tg_wire_get_u32(&in), 0);
  assert_int_equal(tg_wire_get_i64(&in), 0);
  assert_true(tg_wire_get_u64(&in) == 0);
  assert_true(tg_wire_get_f64(&in) == 0);
  assert_string_equal(tg_wire_get_text(&in), "");
  assert_int_equal(tg_wire_get_bytes(&in).len, 0);
  assert_int_equal(tg_wire_get_count(&in, 0), 0);
  assert_int_equal(tg_wire_get_value(&in).type, TG_VALUE_NULL);
}

static bool is_string(const char *bytes, size_t len) {
  struct tg_reader in = tg_reader_of(bytes, len);
  tg_wire_get_bytes(&in);
  return !in.is_failed;
}

static void refuses_a_string_that_lies_about_its_length(void **state) {
  (void)state;
  assert_true(is_string("\1\0\0\0a", 6));
  assert_false(is_string("\1\0\0\0ab", 7)); // no NUL
  assert_false(is_string("\1\0\0\0a", 5));  // the NUL is cut off
  assert_false(is_string("\2\0\0\0a", 6));  // longer than what is there
  assert_false(is_string("\xff\xff\xff\xff"
                         "a",
                         6)); // 4 GiB
  assert_false(is_string("\xff\xff\xff\x7f"
                         "a",
                         6));
}

static void refuses_a_nul_in_a_text(void **state) {
  (void)state;
  struct tg_reader in = tg_reader_of("\2\0\0\0a\0", 7);
  assert_string_equal(tg_wire_get_text(&in), "");
  assert_true(in.is_failed);
}

static void refuses_a_type_that_is_none(void **state) {
  (void)state;
  for (int type = TG_VALUE_BOOL + 1; type < 256; type++) {
    char bytes[16] = {(char)type};
    struct tg_reader in = tg_reader_of(bytes, sizeof bytes);
    assert_int_equal(tg_wire_get_value(&in).type, TG_VALUE_NULL);
    assert_true(in.is_failed);
  }
}

static void refuses_a_count_that_cannot_be(void **state) {
  (void)state;
  static const char bomb[] = "\xff\xff\xff\xff--------";
  struct tg_reader in = tg_reader_of(bomb, 12);
  assert_int_equal(tg_wire_get_count(&in, 1), 0);
  assert_true(in.is_failed);
  in = tg_reader_of("\2\0\0\0--------", 12);
  assert_int_equal(tg_wire_get_count(&in, 4), 2);
  in = tg_reader_of("\3\0\0\0--------", 12);
  assert_int_equal(tg_wire_get_count(&in, 4), 0);
  assert_true(in.is_failed);
}

static void keeps_every_real(void **state) {
  (void)state;
  static const double reals[] = {0.0, -0.0, 1e308, 5e-324, INFINITY, -INFINITY, NAN};
  for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
    struct tg_buf out;
    tg_buf_init(&out, 100);
    tg_wire_put_f64(&out, reals[i]);
    struct tg_reader in = tg_reader_of(out.data, out.len);
    double real = tg_wire_get_f64(&in);
    assert_memory_equal(&real, &reals[i], sizeof real);
    tg_buf_deinit(&out);
  }
}

static void what_does_not_fit_marks_the_buffer(void **state) {
  (void)state;
  struct tg_buf out;
  tg_buf_init(&out, 8);
  tg_wire_put_text(&out, "abcd"); // 4 + 4 + NUL
  assert_true(out.is_failed);
  tg_buf_deinit(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_what_was_put),
      cmocka_unit_test(fails_wherever_it_is_cut),
      cmocka_unit_test(what_is_left_over_is_not_done),
      cmocka_unit_test(a_failed_reader_gives_zeros_and_empty_strings),
      cmocka_unit_test(refuses_a_string_that_lies_about_its_length),
      cmocka_unit_test(refuses_a_nul_in_a_text),
      cmocka_unit_test(refuses_a_type_that_is_none),
      cmocka_unit_test(refuses_a_count_that_cannot_be),
      cmocka_unit_test(keeps_every_real),
      cmocka_unit_test(what_does_not_fit_marks_the_buffer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
