// SPDX-License-Identifier: Apache-2.0
#include "model/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/limits.h"

static struct tg_yaml_document document;
static struct tg_error error;

static int parse(const char *text) {
  return tg_yaml_parse(text, strlen(text), "x.yaml", &document, &error);
}

static void expect_json(const char *text, const char *json) {
  if (parse(text) != TG_OK) fail_msg("%s", error.text);
  json_t *expected = json_loads(json, JSON_DECODE_ANY, NULL);
  assert_non_null(expected);
  char *got = json_dumps(document.root, JSON_ENCODE_ANY);
  if (!json_equal(document.root, expected)) fail_msg("%s gives %s, not %s", text, got, json);
  free(got);
  json_decref(expected);
  tg_yaml_deinit(&document);
}

static void expect_fault(const char *text, int code, const char *message) {
  tg_error_clear(&error);
  assert_int_equal(parse(text), code);
  assert_null(document.root);
  if (!strstr(error.text, message)) fail_msg("'%s' lacks '%s'", error.text, message);
}

static void reads_mappings_sequences_and_scalars(void **state) {
  (void)state;
  expect_json("a: 1\nb:\n  - x\n  - {c: true, d: [~, 2.5]}\n",
              "{\"a\":1,\"b\":[\"x\",{\"c\":true,\"d\":[null,2.5]}]}");
  expect_json("", "null");
  expect_json("# only a comment\n", "null");
  expect_json("--- text\n...\n", "\"text\"");
  expect_json("{}", "{}");
  expect_json("a: |\n  one\n  two\nb: >-\n  one\n  two\n",
              "{\"a\":\"one\\ntwo\\n\",\"b\":\"one two\"}");
}

static void resolves_plain_scalars_by_the_core_schema(void **state) {
  (void)state;
  expect_json("[yes, No, on, OFF, y]", "[\"yes\",\"No\",\"on\",\"OFF\",\"y\"]");
  expect_json("[true, True, FALSE, tRUE]", "[true,true,false,\"tRUE\"]");
  expect_json("[~, null, Null, nULL, ]", "[null,null,null,\"nULL\"]");
  expect_json("[0x1F, 0o17, 012, +7, -7, 0b1, 0x, 1_000]",
              "[31,15,12,7,-7,\"0b1\",\"0x\",\"1_000\"]");
  expect_json("[1., .5, -1.5e+3, 1e2, ., e5, 1e, 1.2.3]",
              "[1.0,0.5,-1500.0,100.0,\".\",\"e5\",\"1e\",\"1.2.3\"]");
  expect_json("[9223372036854775807, -9223372036854775808]",
              "[9223372036854775807,-9223372036854775808]");
  expect_json("[2022-10-03, 10:30:00, 1.1.0]", "[\"2022-10-03\",\"10:30:00\",\"1.1.0\"]");
}

static void leaves_quoted_scalars_texts(void **state) {
  (void)state;
  expect_json("['1', \"true\", '', \"~\", '.inf']", "[\"1\",\"true\",\"\",\"~\",\".inf\"]");
  expect_json("'<<': 1", "{\"<<\":1}");
}

static void honours_core_tags_and_refuses_others(void **state) {
  (void)state;
  expect_json("[!!str 1, ! true, !!int 1, !!map {a: 1}, !!seq [1], !!null ~]",
              "[\"1\",\"true\",1,{\"a\":1},[1],null]");
  expect_fault("!!int x", TG_EINVALID, "x.yaml:1:1: the tag 'tag:yaml.org,2002:int'");
  expect_fault("a: !!python/object x", TG_EINVALID, "x.yaml:1:4: the tag");
  expect_fault("a: !ruby {}", TG_EINVALID, "x.yaml:1:4: the tag '!ruby'");
  expect_fault("a: !!seq {}", TG_EINVALID, "x.yaml:1:4: the tag");
  expect_fault("%TAG ! tag:x,2000:\n--- a", TG_EINVALID, "%TAG");
}

static void copies_what_an_alias_names(void **state) {
  (void)state;
  expect_json("a: &x {b: [1]}\nc: *x\nd: &y 5\ne: [*y, *x]\n",
              "{\"a\":{\"b\":[1]},\"c\":{\"b\":[1]},\"d\":5,\"e\":[5,{\"b\":[1]}]}");
  expect_json("[&a 1, *a, &a 2, *a]", "[1,1,2,2]");
}

static void refuses_aliases_that_name_nothing_or_themselves(void **state) {
  (void)state;
  expect_fault("a: *x", TG_EINVALID, "x.yaml:1:4: the alias '*x' names nothing");
  expect_fault("a: &x [*x]", TG_EINVALID, "x.yaml:1:8: the alias '*x' is inside the value");
  expect_fault("a: &x\n  b: {c: *x}", TG_EINVALID, "x.yaml:2:10: the alias '*x' is inside");
  expect_fault("a: &x 1\n*x : 2", TG_EINVALID, "is used as a key");
}

static void refuses_what_json_cannot_hold(void **state) {
  (void)state;
  expect_fault("a: .inf", TG_EINVALID, "x.yaml:1:4: infinity");
  expect_fault("a: -.Inf", TG_EINVALID, "x.yaml:1:4: infinity");
  expect_fault("a: .nan", TG_EINVALID, "x.yaml:1:4: infinity and NaN");
  expect_fault("a: 1e999", TG_EINVALID, "x.yaml:1:4: a number that is too large");
  expect_fault("a: 9223372036854775808", TG_EINVALID, "x.yaml:1:4: an integer beyond 64 bits");
  expect_fault("a: \"\\0\"", TG_EINVALID, "x.yaml:1:4: a NUL");
  expect_fault("\"\\0\": a", TG_EINVALID, "x.yaml:1:1: a NUL");
  expect_fault("? [a]\n: b", TG_EINVALID, "a key must be a scalar");
}

static void tells_faults_with_line_and_column(void **state) {
  (void)state;
  expect_fault("a: 1\nb:\n  c: 1\n  c: 2\n", TG_EINVALID, "x.yaml:4:3: the key 'c' occurs twice");
  expect_fault("a:\n  <<: *b\n", TG_EINVALID, "x.yaml:2:3: merge keys");
  expect_fault("- 1\n---\n- 2\n", TG_EINVALID, "x.yaml:2:1: a second document");
  expect_fault("a: b: c", TG_EINVALID, "x.yaml:1:5: ");
  expect_fault("a:\n\tb: 1", TG_EINVALID, "x.yaml:2:1: a tab");
  expect_fault("a: [1,\n2", TG_EINVALID, "x.yaml:3:1: did not find expected");
  expect_fault("a: 'x", TG_EINVALID, "x.yaml:1:");
  expect_fault("a: 1\nb: \xff", TG_EINVALID, "x.yaml:2:4: ");
  expect_fault("a: 1\nb: \x01", TG_EINVALID, "x.yaml:2:4: ");
}

static void refuse_repeated(const char *unit, size_t bytes, int code, const char *message) {
  struct tg_buf text;
  tg_buf_init(&text, bytes);
  while (text.len + strlen(unit) <= bytes) tg_buf_puts(&text, unit);
  expect_fault(tg_buf_text(&text), code, message);
  tg_buf_deinit(&text);
}

static void refuses_deep_nesting_of_every_kind(void **state) {
  (void)state;
  const char *units[] = {"[", "[\n", "{a: ", "- ", "a: [", "&a ["};
  for (size_t i = 0; i < sizeof units / sizeof *units; i++)
    refuse_repeated(units[i], TG_YAML_BYTES_MAX, TG_ELIMIT, "nested deeper than 32 levels");
}

static void refuses_too_many_bytes_and_values(void **state) {
  (void)state;
  refuse_repeated("#", TG_YAML_BYTES_MAX + 1, TG_ELIMIT, "more than 1048576 bytes");
  refuse_repeated("- 1\n", TG_YAML_BYTES_MAX, TG_ELIMIT,
                  "x.yaml:100000:3: more than 100000 values");
}

static void refuses_a_billion_laughs(void **state) {
  (void)state;
  struct tg_buf text;
  tg_buf_init(&text, TG_YAML_BYTES_MAX);
  tg_buf_puts(&text, "a0: &a0 lol\n");
  for (int i = 1; i < 10; i++) {
    tg_buf_putf(&text, "a%d: &a%d [", i, i);
    for (int k = 0; k < 10; k++) tg_buf_putf(&text, "*a%d,", i - 1);
    tg_buf_puts(&text, "]\n");
  }
  expect_fault(tg_buf_text(&text), TG_ELIMIT, "aliases stand for more than 1000 values");
  tg_buf_deinit(&text);
}

static void counts_the_depth_that_aliases_bring(void **state) {
  (void)state;
  struct tg_buf text;
  tg_buf_init(&text, TG_YAML_BYTES_MAX);
  tg_buf_puts(&text, "a: &a ");
  for (int i = 0; i < 20; i++) tg_buf_putc(&text, '[');
  for (int i = 0; i < 20; i++) tg_buf_putc(&text, ']');
  tg_buf_puts(&text, "\nb: ");
  for (int i = 0; i < 12; i++) tg_buf_putc(&text, '[');
  tg_buf_puts(&text, "*a");
  for (int i = 0; i < 12; i++) tg_buf_putc(&text, ']');
  expect_fault(tg_buf_text(&text), TG_ELIMIT, "x.yaml:2:16: nested deeper than 32 levels");
  tg_buf_deinit(&text);
}

static void expect_place(const char *pointer, uint32_t line, uint32_t column) {
  const struct tg_yaml_place *place = tg_yaml_where(&document, pointer);
  if (!place) fail_msg("%s has no place", pointer);
  if (place->line != line || place->column != column)
    fail_msg("%s is at %u:%u", pointer, place->line, place->column);
}

static void knows_the_place_of_each_value(void **state) {
  (void)state;
  assert_int_equal(parse("a: 1\n"
                         "list:\n"
                         "  - x: 1\n"
                         "    mustBe: 0\n"
                         "  - &k [p, q]\n"
                         "'b/c~d': *k\n"),
                   TG_OK);
  expect_place("", 1, 1);
  expect_place("/a", 1, 1);
  expect_place("/list", 2, 1);
  expect_place("/list/0", 3, 5);
  expect_place("/list/0/mustBe", 4, 5);
  expect_place("/list/1/1", 5, 12);
  expect_place("/b~1c~0d", 6, 1);
  expect_place("/b~1c~0d/0", 5, 9);
  assert_null(tg_yaml_where(&document, "/list/2"));
  assert_null(tg_yaml_where(&document, "/list/x"));
  assert_null(tg_yaml_where(&document, "/a/b"));
  assert_null(tg_yaml_where(&document, "/none"));
  assert_null(tg_yaml_where(&document, "a"));
  tg_yaml_deinit(&document);
}

// Cuts a document with everything in it at each byte: an error or a value, never a leak or worse.
static void survives_any_prefix(void **state) {
  (void)state;
  const char *text =
      "%YAML 1.1\n--- \n- &a {k: 'v', \"q\\t\": [1, 2.5, *b, !!str x]}\n- |\n  t\n- *a\n";
  for (size_t len = 0; len <= strlen(text); len++) {
    int code = tg_yaml_parse(text, len, "x.yaml", &document, NULL);
    assert_true(code == TG_OK || code == TG_EINVALID);
    tg_yaml_deinit(&document);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_mappings_sequences_and_scalars),
      cmocka_unit_test(resolves_plain_scalars_by_the_core_schema),
      cmocka_unit_test(leaves_quoted_scalars_texts),
      cmocka_unit_test(honours_core_tags_and_refuses_others),
      cmocka_unit_test(copies_what_an_alias_names),
      cmocka_unit_test(refuses_aliases_that_name_nothing_or_themselves),
      cmocka_unit_test(refuses_what_json_cannot_hold),
      cmocka_unit_test(tells_faults_with_line_and_column),
      cmocka_unit_test(refuses_deep_nesting_of_every_kind),
      cmocka_unit_test(refuses_too_many_bytes_and_values),
      cmocka_unit_test(refuses_a_billion_laughs),
      cmocka_unit_test(counts_the_depth_that_aliases_bring),
      cmocka_unit_test(knows_the_place_of_each_value),
      cmocka_unit_test(survives_any_prefix),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
