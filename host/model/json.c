// SPDX-License-Identifier: Apache-2.0
#include "model/json.h"

#include <errno.h>

#include "base/error.h"

int tg_json_read(const char *text, size_t len, size_t flags, json_t **value, json_error_t *where) {
  errno = 0;
  *value = json_loadb(text, len, flags, where);
  if (*value) return TG_OK;
  return errno == ENOMEM ? TG_ENOMEM : TG_EINVALID;
}
