// SPDX-License-Identifier: Apache-2.0
// A bundle: one version of a pipeline or a policy, in a Lua state of its own.
//
//   LOAD --> the entry's chunk is run, what it returns is baked by the library (a fiber, with a
//            budget of build_ms) --> PLAN ... LOADED, or FAULTS and the bundle is gone. Only a
//            build validates and tells the plan: what another worker built needs neither
//   DROP --> the state is closed as soon as its last fiber has ended
//
// LOAD: bundle u64, kind u8, build u8, entry path text, now_ms i64, state_bytes i64, build_ms i64,
// u32 count, {key text, path text, text bytes}. A key is "kind:name" ("module:lib.dates",
// "sql:silver.sql"); the entry's is "entry:".
// What is not there is asked for: request SOURCE, kind text, name text -> path text, text bytes.
// Faults: [{"file", "line", "message", "hint"?}].
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "ipc/message.h"
#include "script/fiber.h"
#include "script/state.h"
#include "script/worker_parts.h"

struct tg_bundle {
  struct tg_fiber build; // the first member
  struct tg_worker *worker;
  uint64_t id;
  enum tg_bundle_kind kind;
  struct tg_state state;
  char *entry;                   // path of the file
  int run_ref;                   // worker.run, in the registry
  int decide_ref;                // and worker.decide, or of a pipeline worker.compute
  int64_t state_bytes, build_ms; // what its scripts may use, and its loading
  bool is_build;
  bool is_ready, is_dropped;
};

/// Handles LOAD and DROP.
///
/// Errors: TG_EPROTOCOL when the frame is malformed; everything else is told in FAULTS
int tg_bundle_load(struct tg_worker *worker, struct tg_reader *body, struct tg_error *err);
int tg_bundle_drop(struct tg_worker *worker, struct tg_reader *body, struct tg_error *err);

/// Finds a bundle that was built and not dropped.
///
/// Errors: TG_ENOT_FOUND
struct tg_bundle *tg_bundle_find(struct tg_worker *worker, uint64_t id, struct tg_error *err);

/// Frees the bundle if it was dropped and has no fiber any more. Called when a fiber was closed.
void tg_bundle_release(struct tg_bundle *bundle);

/// Frees the bundle, whose other fibers are closed.
void tg_bundle_free(struct tg_bundle *bundle);
