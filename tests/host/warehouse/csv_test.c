// SPDX-License-Identifier: Apache-2.0
#include "warehouse/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"

// Reads all records of a text and writes them as "line[a|b]" or "line!reason{raw}", quoted fields
// with a ' before them.
static void records_put(const char *bytes, size_t len, char delimiter, char quote,
                        struct tg_buf *out) {
  struct tg_csv csv;
  struct tg_csv_record record;
  bool has_record;
  int fd = memfd_create("csv", MFD_CLOEXEC);
  assert_int_equal(write(fd, bytes, len), len);
  lseek(fd, 0, SEEK_SET);
  assert_int_equal(tg_csv_init(&csv, fd, delimiter, quote, NULL), TG_OK);
  while (tg_csv_next(&csv, &record, &has_record, NULL) == TG_OK && has_record) {
    tg_buf_putf(out, "%lld", (long long)record.line);
    if (record.reason)
      tg_buf_putf(out, "!%s{%.*s}", record.reason, (int)record.raw_len, record.raw);
    for (size_t i = 0; !record.reason && i < record.count; i++)
      tg_buf_putf(out, "%c%s%.*s", i ? '|' : '[', record.fields[i].is_quoted ? "'" : "",
                  (int)record.fields[i].len, record.fields[i].data);
    if (!record.reason) tg_buf_putc(out, ']');
  }
  tg_csv_deinit(&csv);
  close(fd);
}

static void expect_with(const char *text, char delimiter, char quote, const char *expected) {
  struct tg_buf out;
  tg_buf_init(&out, 1 << 20);
  records_put(text, strlen(text), delimiter, quote, &out);
  assert_string_equal(tg_buf_text(&out), expected);
  tg_buf_deinit(&out);
}

static void expect(const char *text, const char *expected) {
  expect_with(text, ',', '"', expected);
}

static void reads_plain_records(void **state) {
  (void)state;
  expect("", "");
  expect("a,b\n1,2\n", "1[a|b]2[1|2]");
  expect("a,b\r\n1,2", "1[a|b]2[1|2]");
  expect("a,,\n", "1[a||]");
  expect("\n\nx", "1[]2[]3[x]");
  expect("a\rb,c\n", "1[a\rb|c]");
}

static void reads_quoted_fields(void **state) {
  (void)state;
  expect("\"a,b\",\"\"\n", "1['a,b|']");
  expect("\"say \"\"hi\"\"\",x\r\n\"two\nlines\",y\n3,z\n",
         "1['say \"hi\"|x]2['two\nlines|y]4[3|z]");
  expect("\"last\"", "1['last]");
}

static void skips_a_byte_order_mark(void **state) {
  (void)state;
  expect("\xEF\xBB\xBFid\n1\n", "1[id]2[1]");
}

static void takes_other_delimiters_and_no_quote(void **state) {
  (void)state;
  expect_with("a;'b;c'\n", ';', '\'', "1[a|'b;c]");
  expect_with("a\t\"b\n", '\t', 0, "1[a|\"b]");
}

static void goes_on_behind_a_bad_record(void **state) {
  (void)state;
  expect("a\"b,c\n1\n", "1!a quote inside an unquoted field{a\"b,c}2[1]");
  expect("\"a\"b,c\n1\n", "1!text after a closing quote{\"a\"b,c}2[1]");
  expect("x\n\"open,1\n2,3\n", "1[x]2!a quote is not closed{\"open,1}3[2|3]");
  expect("\xFFx\nok\n", "1!not valid UTF-8{\xFFx}2[ok]");
}

static void gives_up_a_line_without_end_and_finds_the_next(void **state) {
  (void)state;
  size_t len = (size_t)TG_CSV_RECORD_BYTES_MAX * 2;
  char *text = malloc(len + 8);
  memset(text, 'x', len);
  memcpy(text + len, "\n1,2\n", 5);
  struct tg_buf out;
  tg_buf_init(&out, 1 << 20);
  records_put(text, len + 5, ',', '"', &out);
  assert_memory_equal(out.data, "1!longer than 1 MiB{xxx", 23);
  assert_string_equal(out.data + out.len - 6, "2[1|2]");
  assert_true(out.len < 2000);
  tg_buf_deinit(&out);
  free(text);
}

// The lengths walk over the edges of the 64 KiB blocks in which the file is read.
static void finds_every_line_end_at_the_edge_of_a_block(void **state) {
  (void)state;
  for (size_t pad = 65536 - 12; pad < 65536 + 4; pad++) {
    char *text = malloc(pad + 64);
    memset(text, 'p', pad);
    memcpy(text + pad, "\r\n\"q\"\"\r\n\",b\r\nc\r\n", 17);
    struct tg_buf out;
    tg_buf_init(&out, 1 << 20);
    records_put(text, pad + 16, ',', '"', &out);
    assert_string_equal(out.data + 2 + pad, "]2['q\"\r\n|b]4[c]");
    tg_buf_deinit(&out);
    free(text);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_plain_records),
      cmocka_unit_test(reads_quoted_fields),
      cmocka_unit_test(skips_a_byte_order_mark),
      cmocka_unit_test(takes_other_delimiters_and_no_quote),
      cmocka_unit_test(goes_on_behind_a_bad_record),
      cmocka_unit_test(gives_up_a_line_without_end_and_finds_the_next),
      cmocka_unit_test(finds_every_line_end_at_the_edge_of_a_block),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
