// SPDX-License-Identifier: Apache-2.0
#include "ipc/message.h"

#include <stdio.h>

void tg_wire_put_error(struct tg_buf *out, const struct tg_error *err) {
  tg_wire_put_u8(out, err ? (uint8_t)err->code : TG_OK);
  tg_wire_put_u8(out, err ? (uint8_t)err->class : TG_CLASS_NONE);
  tg_wire_put_i64(out, err ? err->retry_after_ms : 0);
  tg_wire_put_text(out, err ? err->text : "");
}

void tg_wire_get_error(struct tg_reader *in, struct tg_error *err) {
  tg_error_clear(err);
  err->code = tg_wire_get_u8(in);
  err->class = tg_wire_get_u8(in);
  err->retry_after_ms = tg_wire_get_i64(in);
  snprintf(err->text, sizeof err->text, "%s", tg_wire_get_text(in));
  if (err->code >= TG_CODE_COUNT || err->class >= TG_CLASS_COUNT || err->retry_after_ms < 0)
    in->is_failed = true;
}
