// SPDX-License-Identifier: Apache-2.0
// Redirects, followed by hand.
//
// 301 and 302 turn POST into GET, 303 turns everything but HEAD into GET, and the body goes; 307
// and 308 keep method and body. When scheme, host or port change, Authorization, Cookie,
// Proxy-Authorization and every header marked private stay behind. From https to http is refused.
// Source: RFC 9110 section 15.4, Fetch standard 4.4 (HTTP-redirect fetch)
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"
#include "http/client.h"

/// Says whether a status asks for another request at its Location.
bool tg_http_is_redirect(int status);

/// Changes `request` into the one that follows; its new parts live in `arena`.
///
/// Errors: TG_EREMOTE for a Location that is no URL, TG_EDENIED for one the client may not follow
int tg_http_redirect(struct tg_http_request *request, int status, const char *location,
                     struct tg_arena *arena, struct tg_error *err);
