// SPDX-License-Identifier: Apache-2.0
#include "cli/faults.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cli/exit.h"
#include "cli/text.h"

static void field_put(struct tg_buf *out, const char *before, const json_t *text,
                      const char *after) {
  if (!json_string_length(text)) return;
  tg_buf_puts(out, before);
  tg_text_put_clean(out, json_string_value(text), json_string_length(text));
  tg_buf_puts(out, after);
}

static void number_put(struct tg_buf *out, const json_t *number) {
  json_int_t value = json_integer_value(number);
  if (value > 0) tg_buf_putf(out, "%lld:", (long long)value);
}

void tg_faults_put(struct tg_buf *out, const json_t *faults, bool has_color) {
  for (size_t i = 0; i < json_array_size(faults); i++) {
    const json_t *fault = json_array_get(faults, i);
    if (has_color) tg_style_begin(out, TG_STYLE_BOLD);
    field_put(out, "", json_object_get(fault, "file"), ":");
    number_put(out, json_object_get(fault, "line"));
    number_put(out, json_object_get(fault, "column"));
    if (has_color) tg_style_end(out, TG_STYLE_BOLD);
    field_put(out, " ", json_object_get(fault, "message"), "");
    field_put(out, " (", json_object_get(fault, "hint"), ")");
    tg_buf_putc(out, '\n');
  }
}

int tg_faults_report(const char *faults) {
  json_t *list = json_loads(faults, 0, NULL);
  struct tg_buf text;
  tg_buf_init(&text, SIZE_MAX / 2);
  tg_faults_put(&text, list, false);
  fputs(tg_buf_text(&text), stderr);
  tg_buf_deinit(&text);
  json_decref(list);
  return TG_EXIT_USAGE;
}
