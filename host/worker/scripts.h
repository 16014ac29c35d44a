// SPDX-License-Identifier: Apache-2.0
// Script attempts: carried by the script workers. An attempt waits until a worker has its bundle,
// is started there, asks the host for things (requests.h), and ends with a result, with its
// worker, or, when it was cancelled and does not answer in TG_WORKER_GRACE_MS, with the worker's
// death.
#pragma once

#include "engine/runner.h"
#include "worker/attempt_log.h"
#include "worker/bundles.h"
#include "worker/policies.h"
#include "worker/services.h"
#include "worker/subruns.h"

struct tg_scripts;

/// An attempt that a worker carries; fields are set once.
struct tg_script_attempt {
  struct tg_scripts *scripts;
  uint64_t handle;
  const struct tg_version *version;
  struct tg_process *process;
  uint64_t run; // number
  uint32_t unit, task, number;
  uint64_t seed;
  int64_t deadline_ms, deadline_at; // monotonic, and on the wall clock; 0 for none
  char *context;                    // until it is sent
  size_t context_len;
  bool is_sent, has_session;
  int cancel_code;
  struct tg_timer *grace;
  struct tg_deferred tell; // an error that is to be told from the loop
  struct tg_error failed;
  struct tg_attempt_log *log;       // from the first line on
  struct tg_request_open *requests; // that were not answered yet
  uint32_t request_count;
};

/// Makes the carrier; the pool's events go to it.
struct tg_scripts *tg_scripts_new(const struct tg_services *services);
void tg_scripts_free(struct tg_scripts *scripts);

/// The parts it made, for others that load and ask.
struct tg_bundles *tg_scripts_bundles(struct tg_scripts *scripts);
struct tg_asks *tg_scripts_asks(struct tg_scripts *scripts);
struct tg_policies *tg_scripts_policies(struct tg_scripts *scripts);
struct tg_subruns *tg_scripts_subruns(struct tg_scripts *scripts);
const struct tg_services *tg_scripts_services(struct tg_scripts *scripts);

/// Starts an attempt, and ends one; results go to the conductor.
void tg_scripts_start(struct tg_scripts *scripts, const struct tg_start *start);
bool tg_scripts_cancel(struct tg_scripts *scripts, uint64_t attempt, int code);

/// Finds an attempt that is carried, or NULL.
struct tg_script_attempt *tg_scripts_find(struct tg_scripts *scripts, uint64_t attempt);

/// Sends the reply to a request of an attempt. A reply that is too large is replaced by an error.
void tg_scripts_reply(struct tg_script_attempt *attempt, uint64_t request,
                      const struct tg_error *err, const void *body, size_t len);

/// Gives what the seal report of the workers said, "" before the first one spoke.
const char *tg_scripts_seal(const struct tg_scripts *scripts);
