// SPDX-License-Identifier: Apache-2.0
// What attempts ask the host for, by kind: HTTP, SQL, key-value state, files, decisions, outputs of
// other tasks, sleep and progress. Bodies are documented where they are served (http/service.h,
// warehouse/service.h, store/kv_service.h, files/service.h), and for the others:
//
//   DECIDE    text policy, bytes input (JSON)  -> bytes output (JSON), text version
//   OUTPUT    text task                        -> u8 found, bytes output (JSON)
//   SLEEP     i64 ms                           -> nothing
//   PROGRESS  f64 done, f64 total              -> no reply
//   STEP      u8 operation, text name, then
//             BEGIN -                          -> u8 is_done, bytes result (JSON)
//             END   bytes result (JSON)        -> nothing, when it is durable
//             SLEEP i64 ms                     -> nothing, in the try that is past the sleep
//   CHILD     text pipeline, bytes params (JSON), u8 is_waiting -> bytes what became of it (JSON)
//
// A request that is open when its attempt ends is cancelled; a file request is served all the same.
#pragma once

#include "worker/scripts.h"

/// Takes in a request of an attempt.
///
/// Errors: TG_EPROTOCOL when the worker sends what ours never does; failures of the request itself
///         are told in its reply
int tg_requests_take(struct tg_script_attempt *attempt, uint64_t request, uint8_t kind,
                     struct tg_slice body, struct tg_error *err);

/// Answers a step, as the engine says.
void tg_requests_step(struct tg_script_attempt *attempt, uint64_t request, int code,
                      const char *text);

/// Ends what an attempt still has open, its transaction too.
void tg_requests_end(struct tg_script_attempt *attempt);
