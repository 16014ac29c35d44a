// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/buf.h"
#include "base/units.h"
#include "cli/view.h"

json_t *tg_view_time_json(int64_t ms) {
  if (!ms) return json_null();
  char text[TG_TIME_TEXT_LEN + 1];
  tg_time_format(ms, text);
  return json_string(text);
}

json_t *tg_view_text_json(const char *text) {
  if (!text) return json_null();
  json_t *value = json_string(text);
  if (value) return value;
  struct tg_buf literal;
  tg_buf_init(&literal, SIZE_MAX / 2);
  tg_buf_put_json(&literal, text, strlen(text));
  value = literal.is_failed ? NULL : json_loads(tg_buf_text(&literal), JSON_DECODE_ANY, NULL);
  tg_buf_deinit(&literal);
  return value;
}

json_t *tg_view_document_json(const char *text) {
  json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
  return value ? value : tg_view_text_json(text);
}
