// SPDX-License-Identifier: Apache-2.0
// One call of the client: a request, its hops, and the response that gathers. Inside of http/ only.
#pragma once

#include <curl/curl.h>

#include "base/arena.h"
#include "base/buf.h"
#include "http/address.h"
#include "http/client.h"

struct tg_http {
  struct tg_loop *loop;
  CURLM *multi;
  struct tg_timer *timer;
  struct tg_http_call *calls;
  struct tg_address_filter filter;
  struct tg_arena arena; // holds the texts of `options`
  struct tg_http_options options;
};

struct tg_http_call {
  struct tg_http *client;
  struct tg_http_call *next, **at; // in client->calls
  tg_http_done *done;
  void *self;

  CURL *easy;
  struct tg_arena arena;          // holds the request, and the response's headers
  struct tg_http_request request; // of the hop under way
  struct curl_slist *lines;       // its headers as curl takes them
  int redirects;                  // followed so far
  int64_t started_at;             // mono

  struct tg_timer *idle;
  int64_t active_at; // mono; when a byte last came or went
  int64_t bytes;     // that came or went until then

  struct tg_buf body;
  size_t header_bytes;
  struct tg_error failure; // why a callback of curl's gave up; code 0 if none did
  char text[CURL_ERROR_SIZE];
};

/// Makes a call that is ready for curl; `is_idle` is called when nothing moved for too long.
///
/// Errors: as tg_http_start
int tg_http_call_new(struct tg_http *client, const struct tg_http_request *request,
                     void (*is_idle)(void *self), struct tg_http_call **call, struct tg_error *err);
void tg_http_call_free(struct tg_http_call *call);

/// Decides what a finished hop means.
///
/// Shape:  0 and the response, or 0 and `*goes_on` when the next hop is to be started
/// Errors: as tg_http_done
int tg_http_call_settle(struct tg_http_call *call, CURLcode result, bool *goes_on,
                        struct tg_http_response *response, struct tg_error *err);

/// Fills `err` with the timeout of a call in which nothing moves, or starts the idle timer again
/// and gives false.
bool tg_http_call_is_idle(struct tg_http_call *call, struct tg_error *err);
