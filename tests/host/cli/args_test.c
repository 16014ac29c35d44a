// SPDX-License-Identifier: Apache-2.0
#include "cli/args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int nothing(const struct tg_args *args) {
  (void)args;
  return 0;
}

static const char *const kind_choices[] = {"small", "large", NULL};

static const struct tg_verb verb_make = {
    .name = "make",
    .arguments = "THING [SIZE]",
    .arguments_min = 1,
    .arguments_max = 2,
    .options =
        (const struct tg_option[]){
            {"param", 'p', TG_OPTION_TEXT, "K=V", "", NULL, NULL},
            {"limit", 'n', TG_OPTION_COUNT, "N", "", NULL, NULL},
            {"at", 0, TG_OPTION_TIME, "TIME", "", NULL, NULL},
            {"kind", 0, TG_OPTION_CHOICE, "KIND", "small or large", kind_choices, NULL},
            {"force", 'f', TG_OPTION_FLAG, NULL, "", NULL, NULL},
            {NULL, 0, TG_OPTION_FLAG, NULL, NULL, NULL, NULL},
        },
    .run = nothing,
};
static const struct tg_verb verb_list = {.name = "list", .arguments = "", .run = nothing};
static const struct tg_verb *const verbs[] = {&verb_make, &verb_list, NULL};

#define PARSE(args, err, ...) parse(args, err, (const char *const[]){"tidegate", __VA_ARGS__, NULL})

static int parse(struct tg_args *args, struct tg_error *err, const char *const *argv) {
  int argc = 0;
  while (argv[argc]) argc++;
  return tg_args_parse(args, verbs, argc, argv, err);
}

#define EXPECT_ERROR(message, ...)                                                                 \
  expect_error(message, (const char *const[]){"tidegate", __VA_ARGS__, NULL})

static void expect_error(const char *message, const char *const *argv) {
  struct tg_args args;
  struct tg_error err = {0};
  assert_int_equal(parse(&args, &err, argv), TG_EINVALID);
  assert_string_equal(err.text, message);
  tg_args_deinit(&args);
}

static int environment_clear(void **state) {
  (void)state;
  for (const struct tg_option *option = tg_global_options; option->name; option++)
    if (option->twin) unsetenv(option->twin);
  return 0;
}

static void takes_options_in_every_spelling(void **state) {
  (void)state;
  struct tg_args args;
  assert_int_equal(PARSE(&args, NULL, "make", "-p", "a=1", "-pb=2", "--param", "c=3", "--param=d=4",
                         "thing", "-n5", "--kind=large"),
                   TG_OK);
  assert_ptr_equal(args.verb, &verb_make);
  assert_string_equal(tg_args_word(&args, 0), "thing");
  assert_null(tg_args_word(&args, 1));
  const char *const expected[] = {"a=1", "b=2", "c=3", "d=4"};
  for (size_t i = 0; i < 4; i++) assert_string_equal(tg_args_nth(&args, "param", i), expected[i]);
  assert_null(tg_args_nth(&args, "param", 4));
  assert_int_equal(tg_args_count(&args, "limit", 20), 5);
  assert_int_equal(tg_args_choice(&args, "kind", 0), 1);
  tg_args_deinit(&args);
}

static void takes_global_options_anywhere(void **state) {
  (void)state;
  struct tg_args args;
  assert_int_equal(
      PARSE(&args, NULL, "--project", "/a", "-o", "json", "make", "x", "--color", "never", "-qf"),
      TG_OK);
  assert_string_equal(tg_args_text(&args, "project"), "/a");
  assert_int_equal(tg_args_choice(&args, "output", TG_FORMAT_TEXT), TG_FORMAT_JSON);
  assert_int_equal(tg_args_choice(&args, "color", TG_COLOR_AUTO), TG_COLOR_NEVER);
  assert_true(tg_args_has(&args, "quiet"));
  assert_true(tg_args_has(&args, "force"));
  assert_false(tg_args_has(&args, "verbose"));
  tg_args_deinit(&args);
}

static void lets_the_last_of_several_count(void **state) {
  (void)state;
  struct tg_args args;
  assert_int_equal(PARSE(&args, NULL, "make", "x", "-n", "3", "--limit", "7"), TG_OK);
  assert_int_equal(tg_args_count(&args, "limit", 20), 7);
  tg_args_deinit(&args);
}

static void takes_words_after_two_dashes_as_they_are(void **state) {
  (void)state;
  struct tg_args args;
  assert_int_equal(PARSE(&args, NULL, "make", "--", "--force", "-"), TG_OK);
  assert_string_equal(tg_args_word(&args, 0), "--force");
  assert_string_equal(tg_args_word(&args, 1), "-");
  assert_false(tg_args_has(&args, "force"));
  tg_args_deinit(&args);
}

static void falls_back_to_the_environment(void **state) {
  (void)state;
  struct tg_args args;
  setenv("TIDEGATE_DATA", "/from/env", 1);
  setenv("TIDEGATE_OUTPUT", "jsonl", 1);
  setenv("TIDEGATE_PROJECT", "", 1);
  assert_int_equal(PARSE(&args, NULL, "list", "-o", "json"), TG_OK);
  assert_string_equal(tg_args_text(&args, "data"), "/from/env");
  assert_int_equal(tg_args_choice(&args, "output", TG_FORMAT_TEXT), TG_FORMAT_JSON);
  assert_null(tg_args_text(&args, "project"));
  tg_args_deinit(&args);
}

static void names_the_variable_that_is_wrong(void **state) {
  (void)state;
  setenv("TIDEGATE_COLOR", "allways", 1);
  EXPECT_ERROR("TIDEGATE_COLOR takes auto, always or never, got \"allways\"; did you mean "
               "\"always\"?",
               "list");
}

static void names_the_nearest_verb(void **state) {
  (void)state;
  EXPECT_ERROR("unknown verb \"lst\"; did you mean \"list\"?", "lst");
  EXPECT_ERROR("unknown verb \"xyz\"", "xyz");
  EXPECT_ERROR("\"contract\" is not part of this version", "contract", "--from", "x");
}

static void names_the_nearest_option(void **state) {
  (void)state;
  EXPECT_ERROR("make has no option --limmit; did you mean \"--limit\"?", "make", "--limmit=3");
  EXPECT_ERROR("list has no option --force", "list", "--force");
  EXPECT_ERROR("unknown option --limit; the options of a verb stand after it", "--limit", "3",
               "make");
  EXPECT_ERROR("unknown option -z; see \"tidegate help make\"", "make", "-z");
}

static void refuses_values_that_do_not_fit(void **state) {
  (void)state;
  EXPECT_ERROR("--limit takes a whole number from 1, got \"0\"", "make", "x", "--limit", "0");
  EXPECT_ERROR("-n takes a whole number from 1, got \"3x\"", "make", "x", "-n3x");
  EXPECT_ERROR("--kind takes small or large, got \"larg\"; did you mean \"large\"?", "make", "x",
               "--kind", "larg");
  EXPECT_ERROR("--at takes an instant like 2026-11-20T05:00:00Z, or a date, got \"noon\"", "make",
               "x", "--at", "noon");
  EXPECT_ERROR("--force takes no value", "make", "x", "--force=1");
  EXPECT_ERROR("--limit needs a value: --limit N", "make", "x", "--limit");
  EXPECT_ERROR("--data needs a value", "make", "x", "--data=");
}

static void reads_an_instant_or_a_date(void **state) {
  (void)state;
  struct tg_args args;
  assert_int_equal(PARSE(&args, NULL, "make", "x", "--at", "1970-01-02"), TG_OK);
  assert_int_equal(tg_args_time_ms(&args, "at", -1), 86400000);
  tg_args_deinit(&args);
  assert_int_equal(PARSE(&args, NULL, "make", "x", "--at=1970-01-01T00:00:01Z"), TG_OK);
  assert_int_equal(tg_args_time_ms(&args, "at", -1), 1000);
  tg_args_deinit(&args);
}

static void counts_the_arguments(void **state) {
  (void)state;
  EXPECT_ERROR("make needs more: tidegate make THING [SIZE]", "make");
  EXPECT_ERROR("make does not take \"c\": tidegate make THING [SIZE]", "make", "a", "b", "c");
  EXPECT_ERROR("list does not take \"a\": tidegate list", "list", "a");
}

static void asks_for_help_before_it_counts(void **state) {
  (void)state;
  struct tg_args args;
  assert_int_equal(PARSE(&args, NULL, "make", "--help"), TG_OK);
  assert_true(args.is_help);
  tg_args_deinit(&args);
  assert_int_equal(PARSE(&args, NULL, "--version"), TG_OK);
  assert_true(args.is_version);
  assert_null(args.verb);
  tg_args_deinit(&args);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, environment_clear)
      TEST(takes_options_in_every_spelling),
      TEST(takes_global_options_anywhere),
      TEST(lets_the_last_of_several_count),
      TEST(takes_words_after_two_dashes_as_they_are),
      TEST(falls_back_to_the_environment),
      TEST(names_the_variable_that_is_wrong),
      TEST(names_the_nearest_verb),
      TEST(names_the_nearest_option),
      TEST(refuses_values_that_do_not_fit),
      TEST(reads_an_instant_or_a_date),
      TEST(counts_the_arguments),
      TEST(asks_for_help_before_it_counts),
  };
  return cmocka_run_group_tests(tests, NULL, environment_clear);
}
