// SPDX-License-Identifier: Apache-2.0
// cmocka wants these four first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "host/engine/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1 << 20 };

int rig_pool_slots = 4;

struct specs {
  char names[64][32];
  const char *texts[64];
  size_t count;
};

static size_t index_of(const struct specs *specs, const char *name, size_t len) {
  for (size_t i = 0; i < specs->count; i++)
    if (strlen(specs->names[i]) == len && memcmp(specs->names[i], name, len) == 0) return i;
  fail_msg("a plan of the test names no task %.*s", (int)len, name);
  return 0;
}

static void indexes_put(struct tg_buf *out, const struct specs *specs, const char *list) {
  size_t len = strcspn(list, " ");
  tg_buf_putc(out, '[');
  for (const char *at = list; at < list + len;) {
    size_t name = strcspn(at, ", ");
    tg_buf_putf(out, "%s%zu", at > list ? "," : "", index_of(specs, at, name));
    at += name + 1;
  }
  tg_buf_putc(out, ']');
}

static const char *field_of(const char *text, const char *field) {
  const char *found = strstr(text, field);
  return found ? found + strlen(field) : NULL;
}

static void member_put(struct tg_buf *out, const char *text, const char *field, const char *name) {
  const char *value = field_of(text, field);
  if (value)
    tg_buf_putf(out, "%s\"%s\":%.*s", out->data[out->len - 1] == '{' ? "" : ",", name,
                (int)strcspn(value, " "), value);
}

static void flag_put(struct tg_buf *out, const char *text, const char *field, const char *name) {
  if (field_of(text, field)) tg_buf_putf(out, ",\"%s\":true", name);
}

static void map_put(struct tg_buf *out, const struct specs *specs, const char *text) {
  const char *over = field_of(text, " over=");
  tg_buf_puts(out, ",\"map\":{");
  member_put(out, text, " limit=", "limit");
  member_put(out, text, " per_key=", "limit_per_key");
  member_put(out, text, " fail_after=", "fail_after");
  member_put(out, text, " share=", "fail_share");
  member_put(out, text, " items_max=", "items_max");
  if (over)
    tg_buf_putf(out, "%s\"over\":%zu", out->data[out->len - 1] == '{' ? "" : ",",
                index_of(specs, over, strcspn(over, " ")));
  if (field_of(text, " depth=1"))
    tg_buf_putf(out, "%s\"order\":\"depth\"", out->data[out->len - 1] == '{' ? "" : ",");
  tg_buf_putc(out, '}');
}

static void task_put(struct tg_buf *out, const struct specs *specs, size_t at) {
  const char *text = specs->texts[at], *value;
  tg_buf_putf(out, "%s{\"name\":\"%s\",\"word\":\"task\",\"runner\":\"script\",\"line\":1",
              at ? "," : "", specs->names[at]);
  value = field_of(text, " when=");
  tg_buf_putf(out, ",\"when\":\"%.*s\"", value ? (int)strcspn(value, " ") : 11,
              value ? value : "all_success");
  if ((value = field_of(text, " after="))) {
    tg_buf_puts(out, ",\"after\":");
    indexes_put(out, specs, value);
  }
  if ((value = field_of(text, " to="))) {
    tg_buf_puts(out, ",\"to\":");
    indexes_put(out, specs, value);
  }
  if ((value = field_of(text, " timeout="))) tg_buf_putf(out, ",\"timeout_ms\":%d", atoi(value));
  if ((value = field_of(text, " priority="))) tg_buf_putf(out, ",\"priority\":%d", atoi(value));
  const char *total = field_of(text, " total=");
  if ((value = field_of(text, " retry=")))
    tg_buf_putf(out,
                ",\"retry\":{\"attempts\":%d,\"backoff\":\"constant\",\"base_ms\":1000,"
                "\"cap_ms\":300000,\"factor\":2,\"jitter\":\"none\",\"total_ms\":%d,"
                "\"on\":[\"transient\",\"throttled\"]%s}",
                atoi(value), total ? atoi(total) : 0,
                field_of(text, " decide=1") ? ",\"decide\":\"again\"" : "");
  flag_put(out, text, " setup=1", "setup");
  flag_put(out, text, " teardown=1", "teardown");
  flag_put(out, text, " fallback=1", "fallback");
  if ((value = field_of(text, " spare=")))
    tg_buf_putf(out, ",\"fallback\":%zu", index_of(specs, value, strcspn(value, " ")));
  if (field_of(text, " map=1")) map_put(out, specs, text);
  if ((value = field_of(text, " w="))) tg_buf_putf(out, ",\"pool\":{\"w\":%d}", atoi(value));
  if ((value = field_of(text, " resource=")))
    tg_buf_putf(out, ",\"resource\":\"%.*s\"", (int)strcspn(value, " "), value);
  tg_buf_putc(out, '}');
}

struct tg_plan *rig_plan(const char *limits, ...) {
  struct specs specs = {.count = 0};
  va_list args;
  va_start(args, limits);
  for (const char *text; (text = va_arg(args, const char *)); specs.count++) {
    specs.texts[specs.count] = text;
    snprintf(specs.names[specs.count], sizeof specs.names[0], "%.*s", (int)strcspn(text, " "),
             text);
  }
  va_end(args);
  struct tg_buf out;
  tg_buf_init(&out, TEXT_MAX);
  tg_buf_putf(&out,
              "{\"name\":\"p\",\"limits\":{%s},\"pools\":{\"w\":%d},\"params\":[],"
              "\"tasks\":[",
              limits ? limits : "", rig_pool_slots);
  for (size_t i = 0; i < specs.count; i++) task_put(&out, &specs, i);
  tg_buf_puts(&out, "]}");
  struct tg_plan *plan = NULL;
  struct tg_error err;
  if (tg_plan_parse(out.data, out.len, &plan, &err)) fail_msg("%s", err.text);
  tg_buf_deinit(&out);
  return plan;
}
