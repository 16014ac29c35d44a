// SPDX-License-Identifier: Apache-2.0
// What the host and a script worker say to each other. Fields are listed in the order in which
// they stand on the wire (wire.h). A frame is a 32-bit length of what follows, a type byte, a body.
//
// Host to worker                                       Worker to host
//   LOAD    bundle, kind, build, entry, now_ms,          PLAN    bundle, plan (a part)
//           state_bytes, build_ms, files                 LOADED  bundle, plan (the end), repeats
//   DROP    bundle                                       FAULTS  bundle, faults (JSON)
//   START   attempt, bundle, task, seed, context (JSON)  RESULT  attempt, outcome
//   CANCEL  attempt, code                                REQUEST attempt, request, kind, body
//   REPLY   request, error, body                         LOG     attempt, level, text
//   DECIDE  decision, bundle, input (JSON)               DECIDED decision, error, output (JSON)
//   PING    -                                            PONG    -
//
// Numbers: bundle, attempt, request and decision are u64 handles of the sender's choosing that are
// unique for the life of the worker; task is the u32 index in the plan; kind, code, level are u8.
// An error is u8 code, u8 class, i64 retry_after_ms, text; code 0 means there is none.
// An outcome is an error, traceback (text), result (JSON bytes, empty for nil) and facts (JSON
// bytes, empty for none): {"chosen":["task"],"assets":[...],"checks":[...]}.
// DECIDE asks a policy, or a pipeline for the parameters of a run that it computes.
// Files are a list of (path, text). A SOURCE request has attempt 0: it belongs to a LOAD.
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "ipc/wire.h"

enum tg_message {
  TG_MESSAGE_LOAD = 1,
  TG_MESSAGE_DROP,
  TG_MESSAGE_START,
  TG_MESSAGE_CANCEL,
  TG_MESSAGE_REPLY,
  TG_MESSAGE_DECIDE,
  TG_MESSAGE_PING,
  TG_MESSAGE_LOADED = 32,
  TG_MESSAGE_FAULTS,
  TG_MESSAGE_RESULT,
  TG_MESSAGE_REQUEST,
  TG_MESSAGE_LOG,
  TG_MESSAGE_DECIDED,
  TG_MESSAGE_PONG,
  TG_MESSAGE_PLAN,
};

/// What a bundle is: a pipeline, or one policy.
enum tg_bundle_kind { TG_BUNDLE_PIPELINE, TG_BUNDLE_POLICY };

/// What a script may ask the host for. Bodies of requests and replies are documented where they
/// are served: http/service.h, warehouse/service.h, store/kv_service.h, worker/requests.c.
enum tg_request {
  TG_REQUEST_SOURCE = 1, // path -> bytes: one more file of the bundle that is being loaded
  TG_REQUEST_HTTP,
  TG_REQUEST_SQL,
  TG_REQUEST_KV,
  TG_REQUEST_FILE,
  TG_REQUEST_DECIDE,   // policy, input (JSON) -> output (JSON), policy version
  TG_REQUEST_SLEEP,    // i64 ms -> nothing
  TG_REQUEST_PROGRESS, // f64 done, f64 total -> no reply
  TG_REQUEST_OUTPUT,   // task -> u8 found, output (JSON)
  TG_REQUEST_STEP,     // u8 operation, name, ... -> ...: a durable step (script/native.h)
  TG_REQUEST_CHILD,    // pipeline, params (JSON), u8 wait, partition -> the child run
};

/// Puts and gets an error as three numbers and a text; NULL stands for "no error".
void tg_wire_put_error(struct tg_buf *out, const struct tg_error *err);
void tg_wire_get_error(struct tg_reader *in, struct tg_error *err);
