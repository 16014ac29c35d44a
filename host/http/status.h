// SPDX-License-Identifier: Apache-2.0
// What an HTTP status means for retry.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/// Gives the class of a status: none below 400; throttled for 429, and for 503 with Retry-After;
/// transient for 408, 425 and 5xx, but for those that say "never": 501, 505, 511; else permanent.
///
/// Source: RFC 9110 section 15, RFC 6585 (429, 511), RFC 8470 (425)
enum tg_class tg_http_status_class(int status, bool has_retry_after);

/// Reads Retry-After, which is seconds or a date.
///
/// Units:  ms from `now_ms`, the wall clock; 0 for the past and for what cannot be read; at most a
///         day
/// Source: RFC 9110 section 10.2.3
int64_t tg_http_retry_after_ms(const char *value, int64_t now_ms);
