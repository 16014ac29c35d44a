// SPDX-License-Identifier: Apache-2.0
#include "model/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"

#define EVENT "\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\""

static struct tg_arena arena;
static struct tg_event *events;
static size_t count;
static struct tg_error err;

static int setup(void **state) {
  (void)state;
  tg_arena_init(&arena);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tg_arena_deinit(&arena);
  return 0;
}

static int parse(const char *text) {
  tg_error_clear(&err);
  return tg_events_parse(text, strlen(text), &arena, &events, &count, &err);
}

static const struct tg_event *sound(const char *text) {
  if (parse(text)) fail_msg("%s: %s", text, err.text);
  assert_true(count > 0);
  return &events[0];
}

static void refused(const char *text, const char *why) {
  if (!parse(text)) fail_msg("%s is let in", text);
  if (!strstr(err.text, why)) fail_msg("%s: \"%s\" does not say \"%s\"", text, err.text, why);
  assert_null(events);
  assert_int_equal(count, 0);
}

static void reads_an_event_whole(void **state) {
  (void)state;
  const char *text = "{\"specversion\":\"1.0\",\"id\":\"A234-1234-1234\","
                     "\"source\":\"https://github.com/cloudevents\","
                     "\"type\":\"com.github.pull_request.opened\",\"subject\":\"mynewfile.jpg\","
                     "\"time\":\"2018-04-05T17:31:00Z\",\"datacontenttype\":\"application/json\","
                     "\"dataschema\":\"http://example.com/schema\",\"traceparent\":\"00-ab\","
                     "\"sampled\":true,\"sequence\":-7,\"data\":{\"n\":[1,2.5,null]}}";
  const struct tg_event *event = sound(text);
  assert_int_equal(count, 1);
  assert_string_equal(event->id, "A234-1234-1234");
  assert_string_equal(event->source, "https://github.com/cloudevents");
  assert_string_equal(event->type, "com.github.pull_request.opened");
  assert_string_equal(event->subject, "mynewfile.jpg");
  assert_true(event->time == INT64_C(1522949460000));
  assert_string_equal(event->body, text);
}

static void takes_the_sources_of_the_specification(void **state) {
  (void)state;
  static const char *const sources[] = {"https://github.com/cloudevents",
                                        "mailto:cncf-wg-serverless@lists.cncf.io",
                                        "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
                                        "cloudevents/spec/pull/123",
                                        "/sensors/tn-1234567/alerts",
                                        "1-555-123-4567"};
  for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
    char text[256];
    snprintf(text, sizeof text,
             "{\"specversion\":\"1.0\",\"id\":\"1\",\"type\":\"t\",\"source\":\"%s\"}", sources[i]);
    assert_string_equal(sound(text)->source, sources[i]);
  }
}

static void reads_batches_and_lines(void **state) {
  (void)state;
  sound("[{" EVENT "},{" EVENT "}]");
  assert_int_equal(count, 2);
  sound("{" EVENT "}\n\n{" EVENT ",\"subject\":\"x\"} [{" EVENT "}]\n");
  assert_int_equal(count, 3);
  assert_null(events[0].subject);
  assert_string_equal(events[1].subject, "x");
}

static void one_that_is_wrong_refuses_all(void **state) {
  (void)state;
  refused("{" EVENT "}\n{\"id\":\"2\"}", "event 2: \"specversion\" is missing");
  refused("{" EVENT "}\n{" EVENT "}\n{,}", "line 3 is no JSON");
  refused("[{" EVENT "},7]", "event 2: an event is a JSON object");
}

static void says_what_is_missing_or_wrong(void **state) {
  (void)state;
  refused("", "there is no event");
  refused(" [] ", "there is no event");
  refused("nonsense", "line 1 is no JSON");
  refused("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\"}", "\"type\" is missing");
  refused("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":null}",
          "\"type\" is missing");
  refused("{\"specversion\":\"0.3\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"}",
          "\"specversion\" must be \"1.0\"");
  refused("{\"specversion\":\"1.0\",\"id\":\"\",\"source\":\"/s\",\"type\":\"t\"}",
          "\"id\" is empty");
  refused("{\"specversion\":\"1.0\",\"id\":5,\"source\":\"/s\",\"type\":\"t\"}",
          "\"id\" must be a text");
  refused("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"a b\",\"type\":\"t\"}",
          "\"source\" is no URI reference");
  refused("{" EVENT ",\"id\":\"2\"}", "duplicate");
  refused("{" EVENT ",\"time\":\"2026-11-20\"}", "\"time\" must be an instant of RFC 3339");
  refused("{" EVENT ",\"time\":\"noon\"}", "\"time\" must be an instant of RFC 3339");
  refused("{" EVENT ",\"datacontenttype\":\"json\"}", "media type");
  refused("{" EVENT ",\"subject\":\"a\\u0000b\"}", "control characters");
  refused("{" EVENT ",\"subject\":\"a\\u0085b\"}", "control characters");
  refused("{" EVENT ",\"data\":1,\"data_base64\":\"YQ==\"}", "are both there");
  refused("{" EVENT ",\"data_base64\":\"YQ=\"}", "base64");
  refused("{" EVENT ",\"data_base64\":7}", "base64");
  refused("{" EVENT ",\"Subject\":\"x\"}", "did you mean \"subject\"?");
  refused("{" EVENT ",\"trace\":{}}", "\"trace\" must be a text, a boolean or a whole number");
  refused("{" EVENT ",\"\":1}", "cannot be the name");
}

static void has_ceilings(void **state) {
  (void)state;
  size_t size = (size_t)TG_EVENT_BYTES_MAX + 256;
  char *text = malloc(size);
  assert_non_null(text);
  memset(text, 'x', size);
  int head = snprintf(text, size, "{" EVENT ",\"data\":\"");
  text[head] = 'x';
  memcpy(text + TG_EVENT_BYTES_MAX, "\"}", 3);
  refused(text, "more than");
  memset(text, '[', size);
  snprintf(text, size, "{" EVENT ",\"data\":%.*s%.*s}", TG_EVENT_DEPTH_MAX + 1,
           "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", TG_EVENT_DEPTH_MAX + 1,
           "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
  refused(text, "nested too deeply");
  snprintf(text, size, "{" EVENT ",\"subject\":\"%05000d\"}", 0);
  refused(text, "\"subject\" is too long");
  free(text);
}

static void nulls_are_attributes_that_are_not_there(void **state) {
  (void)state;
  const struct tg_event *event = sound("{" EVENT ",\"subject\":null,\"data\":null}");
  assert_null(event->subject);
  assert_string_equal(event->body, "{" EVENT ",\"data\":null}");
}

// --- Filters ---

// Gives whether a filter lets an event in.
static bool lets_in(const char *filter_text, const char *event_text) {
  struct tg_event_filter filter;
  struct tg_event event = *sound(event_text);
  json_t *document = json_loads(filter_text, 0, NULL), *body = json_loads(event.body, 0, NULL);
  if (tg_event_filter_parse(document, &filter, &err)) fail_msg("%s", err.text);
  bool is_match = tg_event_filter_matches(&filter, &event, json_object_get(body, "data"));
  json_decref(document);
  json_decref(body);
  return is_match;
}

static void a_filter_compares_attributes(void **state) {
  (void)state;
  assert_true(lets_in("{\"type\":\"t\"}", "{" EVENT "}"));
  assert_false(lets_in("{\"type\":\"T\"}", "{" EVENT "}"));
  assert_true(lets_in("{\"type\":\"t\",\"source\":\"/s\"}", "{" EVENT "}"));
  assert_false(lets_in("{\"type\":\"t\",\"source\":\"/\"}", "{" EVENT "}"));
  assert_true(lets_in("{\"type\":\"t\",\"subject\":\"*/x\"}", "{" EVENT ",\"subject\":\"a/x\"}"));
  assert_false(lets_in("{\"type\":\"t\",\"subject\":\"*\"}", "{" EVENT "}"));
}

static void a_filter_compares_the_data(void **state) {
  (void)state;
  const char *event = "{" EVENT ",\"data\":{\"id\":7,\"ok\":true,\"at\":{\"city\":\"Ulm\"}}}";
  assert_true(lets_in("{\"type\":\"t\",\"match\":{\"id\":7,\"ok\":true}}", event));
  assert_true(lets_in("{\"type\":\"t\",\"match\":{\"id\":7.0}}", event));
  assert_false(lets_in("{\"type\":\"t\",\"match\":{\"id\":\"7\"}}", event));
  assert_false(lets_in("{\"type\":\"t\",\"match\":{\"id\":7,\"ok\":false}}", event));
  assert_true(lets_in("{\"type\":\"t\",\"match\":{\"at.city\":\"Ulm\"}}", event));
  assert_false(lets_in("{\"type\":\"t\",\"match\":{\"at.town\":\"Ulm\"}}", event));
  assert_false(lets_in("{\"type\":\"t\",\"match\":{\"id\":7}}", "{" EVENT "}"));
  assert_false(lets_in("{\"type\":\"t\",\"match\":{\"id\":7}}", "{" EVENT ",\"data\":[7]}"));
}

static void a_filter_is_checked(void **state) {
  (void)state;
  static const char *const wrong[] = {"{}",
                                      "{\"type\":\"\"}",
                                      "{\"type\":7}",
                                      "{\"type\":\"t\",\"source\":1}",
                                      "{\"type\":\"t\",\"match\":[]}",
                                      "{\"type\":\"t\",\"match\":{\"a\":{}}}"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct tg_event_filter filter;
    json_t *document = json_loads(wrong[i], 0, NULL);
    assert_int_equal(tg_event_filter_parse(document, &filter, &err), TG_EINVALID);
    json_decref(document);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_an_event_whole),
      cmocka_unit_test(takes_the_sources_of_the_specification),
      cmocka_unit_test(reads_batches_and_lines),
      cmocka_unit_test(one_that_is_wrong_refuses_all),
      cmocka_unit_test(says_what_is_missing_or_wrong),
      cmocka_unit_test(has_ceilings),
      cmocka_unit_test(nulls_are_attributes_that_are_not_there),
      cmocka_unit_test(a_filter_compares_attributes),
      cmocka_unit_test(a_filter_compares_the_data),
      cmocka_unit_test(a_filter_is_checked),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
