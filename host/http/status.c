// SPDX-License-Identifier: Apache-2.0
#include "http/status.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>

enum { SECONDS_MAX = 24 * 3600 };

enum tg_class tg_http_status_class(int status, bool has_retry_after) {
  if (status < 400) return TG_CLASS_NONE;
  switch (status) {
  case 429:
    return TG_CLASS_THROTTLED;
  case 503:
    return has_retry_after ? TG_CLASS_THROTTLED : TG_CLASS_TRANSIENT;
  case 408:
  case 425:
    return TG_CLASS_TRANSIENT;
  case 501:
  case 505:
  case 511:
    return TG_CLASS_PERMANENT;
  default:
    return status < 500 ? TG_CLASS_PERMANENT : TG_CLASS_TRANSIENT;
  }
}

int64_t tg_http_retry_after_ms(const char *value, int64_t now_ms) {
  int64_t ms;
  if (isdigit((unsigned char)*value)) {
    char *end;
    unsigned long long seconds = strtoull(value, &end, 10);
    if (*end) return 0;
    ms = seconds > SECONDS_MAX ? SECONDS_MAX * INT64_C(1000) : (int64_t)seconds * 1000;
  } else {
    time_t date = curl_getdate(value, NULL);
    if (date == -1) return 0;
    ms = (int64_t)date * 1000 - now_ms;
  }
  if (ms < 0) return 0;
  return ms < SECONDS_MAX * INT64_C(1000) ? ms : SECONDS_MAX * INT64_C(1000);
}
