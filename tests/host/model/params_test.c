// SPDX-License-Identifier: Apache-2.0
#include "model/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { GIVEN_MAX = 4 };

// 2026-11-20T05:00:00Z
static const int64_t logical_at_ms = INT64_C(1795150800000);

static const char *const schema_text =
    "[{'name':'count','type':'int','required':false,'default':5,'min':1,'max':10},"
    " {'name':'day','type':'date','required':false,'default_is':'logical_date'},"
    " {'name':'dry','type':'bool','required':false,'default':false},"
    " {'name':'note','type':'string','required':false},"
    " {'name':'rate','type':'number','required':false,'default':0.5},"
    " {'name':'region','type':'enum','required':true,'values':['US','EU','APAC']},"
    " {'name':'sizes','type':'list','items':'int','min':1,'required':false,'default':[]}]";

static json_t *schema_read(const char *text) {
  char copy[2048];
  assert_true(strlen(text) < sizeof copy);
  strcpy(copy, text);
  for (char *at = copy; (at = strchr(at, '\''));) *at = '"';
  json_t *schema = json_loads(copy, 0, NULL);
  assert_non_null(schema);
  return schema;
}

static int resolve(const char *text, const char *const *given, json_t **params,
                   struct tg_error *err) {
  size_t count = 0;
  while (given[count]) count++;
  json_t *schema = schema_read(text);
  int code = tg_params_resolve(schema, given, count, logical_at_ms, params, err);
  json_decref(schema);
  return code;
}

static void expect(const char *const given[], const char *expected) {
  json_t *params;
  struct tg_error err = {0};
  int code = resolve(schema_text, given, &params, &err);
  if (code) fail_msg("%s", err.text);
  char *text = json_dumps(params, JSON_COMPACT);
  assert_string_equal(text, expected);
  free(text);
  json_decref(params);
}

static void expect_error_of(const char *schema, const char *given, const char *message) {
  json_t *params;
  struct tg_error err = {0};
  const char *const list[] = {given, given && strncmp(given, "region=", 7) ? "region=EU" : NULL,
                              NULL};
  assert_int_equal(resolve(schema, list, &params, &err), TG_EINVALID);
  assert_null(params);
  assert_string_equal(err.text, message);
}

static void expect_error(const char *given, const char *message) {
  expect_error_of(schema_text, given, message);
}

#define GIVEN(...) ((const char *const[]){__VA_ARGS__, NULL})

static void gives_every_parameter_sorted_by_name(void **state) {
  (void)state;
  expect(GIVEN("region=EU"), "{\"count\":5,\"day\":\"2026-11-20\",\"dry\":false,\"note\":null,"
                             "\"rate\":0.5,\"region\":\"EU\",\"sizes\":[]}");
}

static void sorts_what_the_schema_does_not(void **state) {
  (void)state;
  json_t *params;
  const char *const none[] = {NULL};
  assert_int_equal(resolve("[{'name':'b','type':'int','default':1},"
                           "{'name':'a','type':'int','default':2}]",
                           none, &params, NULL),
                   TG_OK);
  char *text = json_dumps(params, JSON_COMPACT);
  assert_string_equal(text, "{\"a\":2,\"b\":1}");
  free(text);
  json_decref(params);
}

static void reads_each_type_from_text(void **state) {
  (void)state;
  expect(GIVEN("count=10", "day=2024-02-29", "dry=true", "note=abc", "rate=1.25", "region=APAC",
               "sizes=1,2,3"),
         "{\"count\":10,\"day\":\"2024-02-29\",\"dry\":true,\"note\":\"abc\",\"rate\":1.25,"
         "\"region\":\"APAC\",\"sizes\":[1,2,3]}");
}

static void keeps_a_whole_number_whole(void **state) {
  (void)state;
  expect(GIVEN("region=EU", "rate=2", "sizes=[7]", "note="),
         "{\"count\":5,\"day\":\"2026-11-20\",\"dry\":false,\"note\":\"\",\"rate\":2,"
         "\"region\":\"EU\",\"sizes\":[7]}");
}

static void keeps_an_equals_sign_in_a_value(void **state) {
  (void)state;
  json_t *params;
  const char *const given[] = {"where=a=b", NULL};
  assert_int_equal(resolve("[{'name':'where','type':'string'}]", given, &params, NULL), TG_OK);
  assert_string_equal(json_string_value(json_object_get(params, "where")), "a=b");
  json_decref(params);
}

static void refuses_values_of_another_type(void **state) {
  (void)state;
  expect_error("count=5.5", "parameter \"count\" takes a whole number, got \"5.5\"");
  expect_error("count=", "parameter \"count\" takes a whole number, got \"\"");
  expect_error("count=99999999999999999999",
               "parameter \"count\" takes a whole number, got \"99999999999999999999\"");
  expect_error("rate=inf", "parameter \"rate\" takes a number, got \"inf\"");
  expect_error("rate= 1", "parameter \"rate\" takes a number, got \" 1\"");
  expect_error("dry=yes", "parameter \"dry\" takes true or false, got \"yes\"");
  expect_error("day=2023-02-29",
               "parameter \"day\" takes a date like 2026-11-20, got \"2023-02-29\"");
  expect_error("day=2023-02-28T00:00:00Z",
               "parameter \"day\" takes a date like 2026-11-20, got \"2023-02-28T00:00:00Z\"");
  expect_error("sizes=1,x", "parameter \"sizes\" takes a list like a,b,c, got \"1,x\"");
  expect_error("sizes=[1", "parameter \"sizes\" takes a list like a,b,c, got \"[1\"");
  expect_error("sizes=[\"x\"]", "parameter \"sizes\" takes a whole number, got \"x\"");
}

static void refuses_values_out_of_bounds(void **state) {
  (void)state;
  expect_error("count=0", "parameter \"count\" must be at least 1");
  expect_error("count=11", "parameter \"count\" must be at most 10");
  expect_error("sizes=1,0", "parameter \"sizes\" must be at least 1");
}

static void names_the_nearest_word_of_an_enum(void **state) {
  (void)state;
  expect_error("region=APC", "parameter \"region\" cannot be \"APC\"; it is one of US, EU, APAC; "
                             "did you mean \"APAC\"?");
  expect_error("region=Mars", "parameter \"region\" cannot be \"Mars\"; it is one of US, EU, APAC");
}

static void names_the_nearest_parameter(void **state) {
  (void)state;
  expect_error("cuont=1", "unknown parameter \"cuont\"; it is one of count, day, dry, note, rate, "
                          "region, sizes; did you mean \"count\"?");
  expect_error_of("[]", "a=1", "unknown parameter \"a\"; there are none");
}

static void refuses_what_is_no_assignment(void **state) {
  (void)state;
  expect_error("count", "\"count\" is no parameter; write -p name=value");
  expect_error("=5", "\"=5\" is no parameter; write -p name=value");
}

static void refuses_a_parameter_given_twice(void **state) {
  (void)state;
  json_t *params;
  struct tg_error err;
  assert_int_equal(resolve(schema_text, GIVEN("region=EU", "region=US"), &params, &err),
                   TG_EINVALID);
  assert_string_equal(err.text, "parameter \"region\" is given twice");
}

static void demands_what_has_no_default(void **state) {
  (void)state;
  expect_error("region=", "parameter \"region\" cannot be \"\"; it is one of US, EU, APAC");
  json_t *params;
  struct tg_error err;
  const char *const none[] = {NULL};
  assert_int_equal(resolve(schema_text, none, &params, &err), TG_EINVALID);
  assert_string_equal(err.text,
                      "parameter \"region\" is required and has no default: it takes one of US, "
                      "EU, APAC; give it with -p region=VALUE");
  assert_int_equal(resolve("[{'name':'n','type':'int','required':true}]", none, &params, &err),
                   TG_EINVALID);
  assert_string_equal(err.text, "parameter \"n\" is required and has no default: it takes a whole "
                                "number; give it with -p n=VALUE");
}

static const char *const computed_text =
    "[{'name':'a','type':'int','default_is':'computed','max':9},{'name':'b','type':'string'}]";

static void leaves_out_what_a_script_computes(void **state) {
  (void)state;
  json_t *params, *schema = schema_read(computed_text);
  assert_int_equal(resolve(computed_text, GIVEN("b=x"), &params, NULL), TG_OK);
  assert_int_equal(json_object_size(params), 1);
  assert_true(tg_params_want_script(schema, params));
  json_decref(params);
  assert_int_equal(resolve(computed_text, GIVEN("a=3", "b=x"), &params, NULL), TG_OK);
  assert_int_equal(json_integer_value(json_object_get(params, "a")), 3);
  assert_false(tg_params_want_script(schema, params));
  json_decref(params);
  json_decref(schema);
}

static void wants_the_script_for_checks_of_lua(void **state) {
  (void)state;
  json_t *schema = schema_read("[{'name':'a','type':'string','pattern':'%u'}]");
  assert_true(tg_params_want_script(schema, NULL));
  json_decref(schema);
}

static void checks_what_was_computed(void **state) {
  (void)state;
  struct tg_error err;
  json_t *schema = schema_read(computed_text), *params = json_object();
  json_t *good = json_pack("{s:i, s:s}", "a", 9, "b", "not computed");
  json_t *wrong = json_pack("{s:i}", "a", 10), *other = json_pack("{s:s}", "a", "x");
  assert_int_equal(tg_params_add_computed(schema, wrong, params, &err), TG_EINVALID);
  assert_string_equal(err.text, "parameter \"a\" must be at most 9");
  assert_int_equal(tg_params_add_computed(schema, other, params, &err), TG_EINVALID);
  assert_int_equal(tg_params_add_computed(schema, NULL, params, &err), TG_EINVALID);
  assert_string_equal(err.text, "parameter \"a\" was not computed");
  assert_int_equal(json_object_size(params), 0);
  assert_int_equal(tg_params_add_computed(schema, good, params, &err), TG_OK);
  assert_int_equal(json_object_size(params), 1); // what is not computed is not taken
  assert_int_equal(tg_params_add_computed(schema, wrong, params, &err), TG_OK); // it has one
  assert_int_equal(json_integer_value(json_object_get(params, "a")), 9);
  json_decref(schema);
  json_decref(params);
  json_decref(good);
  json_decref(wrong);
  json_decref(other);
}

static void checks_defaults_too(void **state) {
  (void)state;
  expect_error_of("[{'name':'n','type':'int','default':'x'},{'name':'region','type':'string'}]",
                  "region=", "parameter \"n\" takes a whole number, got \"x\"");
}

static const char *const secret_text = "[{'name':'token','type':'string','secret':true,"
                                       "'required':true},{'name':'b','type':'string'}]";

static void keeps_the_place_of_a_secret(void **state) {
  (void)state;
  static const char *const places[] = {"env:A", "file:/a b", "secret:A", "value:token", "stdin"};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    char given[64];
    json_t *params;
    snprintf(given, sizeof given, "token=%s", places[i]);
    assert_int_equal(resolve(secret_text, GIVEN(given), &params, NULL), TG_OK);
    assert_string_equal(json_string_value(json_object_get(params, "token")), places[i]);
    json_decref(params);
  }
}

static void does_not_tell_what_was_given_as_a_secret(void **state) {
  (void)state;
  static const char *const given[] = {"token=canary", "token=env:", "token=", "token=stdin2"};
  for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
    json_t *params;
    struct tg_error err;
    assert_int_equal(resolve(secret_text, GIVEN(given[i]), &params, &err), TG_EINVALID);
    assert_null(strstr(err.text, "canary"));
    assert_non_null(strstr(err.text, "\"token\" is secret: say where it is"));
  }
}

static void tells_the_secrets_of_a_run(void **state) {
  (void)state;
  json_t *schema = schema_read(secret_text);
  json_t *places = tg_params_secrets(schema, "{\"token\":\"env:A\",\"b\":\"env:B\"}");
  assert_int_equal(json_object_size(places), 1);
  assert_string_equal(json_string_value(json_object_get(places, "token")), "env:A");
  json_decref(places);
  places = tg_params_secrets(schema, "{\"token\":5}");
  assert_int_equal(json_object_size(places), 0);
  json_decref(places);
  places = tg_params_secrets(schema, NULL);
  assert_int_equal(json_object_size(places), 0);
  json_decref(places);
  assert_true(tg_params_is_secret(schema, "token"));
  assert_false(tg_params_is_secret(schema, "b"));
  assert_false(tg_params_is_secret(schema, "c"));
  json_decref(schema);
}

static void compares_runs_by_what_is_not_computed(void **state) {
  (void)state;
  json_t *schema = schema_read(computed_text);
  char *text = tg_params_identity(schema, NULL, 0, "{\"a\":1,\"b\":\"x\"}");
  assert_string_equal(text, "{\"b\":\"x\"}");
  free(text);
  const char *const given[] = {"a=1"};
  text = tg_params_identity(schema, given, 1, "{\"a\":1,\"b\":\"x\"}");
  assert_string_equal(text, "{\"a\":1,\"b\":\"x\"}");
  free(text);
  json_decref(schema);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gives_every_parameter_sorted_by_name),
      cmocka_unit_test(sorts_what_the_schema_does_not),
      cmocka_unit_test(reads_each_type_from_text),
      cmocka_unit_test(keeps_a_whole_number_whole),
      cmocka_unit_test(keeps_an_equals_sign_in_a_value),
      cmocka_unit_test(refuses_values_of_another_type),
      cmocka_unit_test(refuses_values_out_of_bounds),
      cmocka_unit_test(names_the_nearest_word_of_an_enum),
      cmocka_unit_test(names_the_nearest_parameter),
      cmocka_unit_test(refuses_what_is_no_assignment),
      cmocka_unit_test(refuses_a_parameter_given_twice),
      cmocka_unit_test(demands_what_has_no_default),
      cmocka_unit_test(leaves_out_what_a_script_computes),
      cmocka_unit_test(wants_the_script_for_checks_of_lua),
      cmocka_unit_test(checks_what_was_computed),
      cmocka_unit_test(keeps_the_place_of_a_secret),
      cmocka_unit_test(does_not_tell_what_was_given_as_a_secret),
      cmocka_unit_test(tells_the_secrets_of_a_run),
      cmocka_unit_test(compares_runs_by_what_is_not_computed),
      cmocka_unit_test(checks_defaults_too),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
