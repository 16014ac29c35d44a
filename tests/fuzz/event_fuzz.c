// SPDX-License-Identifier: Apache-2.0
// A filter (JSON, the first line) and events as anybody may send them. What is let in is let in
// again as it was kept, and is the same event.
#include <string.h>

#include "fuzz/input.h"
#include "model/event.h"

static void again_check(const struct tg_event *event) {
  struct tg_arena arena;
  struct tg_event *again;
  size_t count;
  tg_arena_init(&arena);
  fuzz_check(tg_events_parse(event->body, strlen(event->body), &arena, &again, &count, NULL) ==
             TG_OK);
  fuzz_check(count == 1 && strcmp(again->body, event->body) == 0);
  fuzz_check(strcmp(again->id, event->id) == 0 && strcmp(again->source, event->source) == 0);
  fuzz_check(*event->id && *event->source && *event->type && again->time == event->time);
  tg_arena_deinit(&arena);
}

static void filter_check(json_t *document, const struct tg_event *event) {
  struct tg_event_filter filter;
  struct tg_error err;
  json_t *body = json_loads(event->body, JSON_ALLOW_NUL, NULL);
  fuzz_check(json_is_object(body));
  if (tg_event_filter_parse(document, &filter, &err) == TG_OK) {
    bool is_in = tg_event_filter_matches(&filter, event, json_object_get(body, "data"));
    fuzz_check(!is_in || strcmp(filter.type, event->type) == 0);
  } else {
    fuzz_check(*err.text);
  }
  json_decref(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input in = input_of(data, size), line = input_until(&in, '\n');
  json_t *document = json_loadb((const char *)line.at, input_left(&line), 0, NULL);
  struct tg_arena arena;
  struct tg_event *events;
  size_t count;
  struct tg_error err;
  tg_arena_init(&arena);
  tg_error_clear(&err);
  int code = tg_events_parse((const char *)in.at, input_left(&in), &arena, &events, &count, &err);
  fuzz_check(code ? !count && err.code == code && *err.text : count > 0);
  for (size_t i = 0; i < count; i++) {
    again_check(&events[i]);
    filter_check(document, &events[i]);
  }
  tg_arena_deinit(&arena);
  json_decref(document);
  return 0;
}
