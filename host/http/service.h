// SPDX-License-Identifier: Apache-2.0
// HTTP for script workers: a request as bytes in, a reply as bytes out (wire.h). Nothing in the
// request is believed; secrets are put in here, so that a worker never sees one.
//
// Request: text method, text url,
//          list of headers: text name, list of parts: u8 is_secret, text (the secret's name if so),
//          u8 has_body, bytes body,
//          i64 connect_ms, i64 total_ms, i64 idle_ms, i64 body_max (0 for the usual, each),
//          u32 redirects_max
// Reply:   u32 status, list of headers: text name, bytes value; bytes body, text url,
//          i64 elapsed_ms, u8 class of the status, i64 retry_after_ms (0 for none)
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "http/client.h"

struct tg_http_service_call;

/// Gets an error, or a reply that is valid during the call. Errors: as tg_http_done
typedef void tg_http_service_done(void *self, const struct tg_error *err, struct tg_buf *reply);

/// Where a call's own secrets are found, before those of the client.
struct tg_http_secrets {
  /// Gives the value of a secret, or NULL if there is none of this name.
  const char *(*find)(void *self, const char *name);
  void *self;
};

/// Starts the request of a worker, whose `secrets` may be NULL; `done` is called later, from the
/// loop.
///
/// Units:  left_ms is what its caller has left of its time, 0 for no end: no timeout is longer
/// Errors: TG_EPROTOCOL for a body that is no request, TG_EDENIED for a secret there is not, and as
///         tg_http_start; `done` is not called then
int tg_http_service_start(struct tg_http *client, const struct tg_http_secrets *secrets,
                          const void *body, size_t len, int64_t left_ms, tg_http_service_done *done,
                          void *self, struct tg_http_service_call **call, struct tg_error *err);

/// Ends a call without calling its `done`.
void tg_http_service_cancel(struct tg_http_service_call *call);
