// SPDX-License-Identifier: Apache-2.0
// The HTTP client: libcurl's multi interface on the loop.
//
// A request is checked and copied when it starts, and `done` is called once, from the loop and
// never from inside tg_http_start, with a response or an error. An HTTP status is never an error
// here; status.h says what class it has.
//
// What always holds: http and https only, no credentials in the URL, TLS verified, names and values
// of headers checked, redirects followed by hand (redirect.h), addresses filtered when a socket is
// opened (address.h), the body's ceiling held on what comes out of decompression.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "loop/loop.h"

enum {
  TG_HTTP_CONNECT_MS = 10000, // where a request says nothing
  TG_HTTP_IDLE_MS = 60000,
  TG_HTTP_TOTAL_MS = 300000,
};

struct tg_http;
struct tg_http_call;

struct tg_http_options {
  const char *ca_file;       // certificates to trust; NULL for the system's
  const char *proxy;         // its URL; NULL: HTTPS_PROXY, HTTP_PROXY and NO_PROXY say; "": none
  const char *const *denied; // NULL-terminated ranges ("169.254.0.0/16"); NULL for the usual ones
  bool denies_private;       // private and loopback addresses too
  int host_connections_max;  // 0 for TG_HTTP_HOST_CONNECTIONS_MAX
  /// Gives the value of a secret, or NULL if there is none of this name. May be NULL.
  const char *(*secret)(void *self, const char *name);
  void *secret_self;
};

struct tg_http_header {
  const char *name, *value;
  bool is_private; // of a request: does not go along when a redirect leads to another origin
};

struct tg_http_request {
  const char *method, *url;
  const struct tg_http_header *headers;
  size_t header_count;
  const void *body;
  size_t body_len;
  bool has_body;
  int64_t connect_ms, total_ms, idle_ms; // 0 for the usual; idle: no byte came or went for so long
  int64_t body_max;                      // of the response; 0 for TG_HTTP_BODY_BYTES_MAX
  int redirects_max;                     // 0: a redirect is a response like others
};

/// Valid during `done`. Header names are in lower case, in the order in which they came.
struct tg_http_response {
  int status;
  const struct tg_http_header *headers;
  size_t header_count;
  const void *body;
  size_t body_len;
  const char *url; // of the last hop
  int64_t elapsed_ms;
};

/// Gets either an error or a response; the call is over and its handle invalid.
///
/// Errors: TG_ECONNECT, TG_ETIMEOUT, TG_ETLS, TG_ELIMIT (size or redirects), TG_EDENIED (address or
///         redirect), TG_EREMOTE (no HTTP, broken encoding), TG_ENOMEM
typedef void tg_http_done(void *self, const struct tg_error *err,
                          const struct tg_http_response *response);

/// Makes a client on a loop.
///
/// Errors: NULL, with TG_EINVALID for a range that is none, TG_ENOMEM
struct tg_http *tg_http_new(struct tg_loop *loop, const struct tg_http_options *options,
                            struct tg_error *err);

/// Ends every call without calling its `done`, and frees the client. Not to be called from `done`.
void tg_http_free(struct tg_http *client); // NULL is fine

/// Starts a request; everything in it is copied.
///
/// Errors: TG_EINVALID (method, URL, header, number), TG_EDENIED (a denied address in the URL),
///         TG_ENOMEM; `done` is not called then
int tg_http_start(struct tg_http *client, const struct tg_http_request *request, tg_http_done *done,
                  void *self, struct tg_http_call **call, struct tg_error *err);

/// Ends a call without calling its `done`.
void tg_http_cancel(struct tg_http_call *call);

/// Gives the client's value of a secret, or NULL.
const char *tg_http_secret(const struct tg_http *client, const char *name);
