// SPDX-License-Identifier: Apache-2.0
#include "worker/scripts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/map.h"
#include "base/must.h"
#include "engine/context.h"
#include "model/json.h"
#include "worker/requests.h"

struct tg_scripts {
  const struct tg_services *services;
  struct tg_pool *pool;
  struct tg_bundles *bundles;
  struct tg_asks *asks;
  struct tg_policies *policies;
  struct tg_subruns *subruns;
  struct tg_map attempts; // struct tg_script_attempt by handle
  char seal[512];
};

struct tg_bundles *tg_scripts_bundles(struct tg_scripts *scripts) {
  return scripts->bundles;
}

struct tg_asks *tg_scripts_asks(struct tg_scripts *scripts) {
  return scripts->asks;
}

struct tg_policies *tg_scripts_policies(struct tg_scripts *scripts) {
  return scripts->policies;
}

struct tg_subruns *tg_scripts_subruns(struct tg_scripts *scripts) {
  return scripts->subruns;
}

const struct tg_services *tg_scripts_services(struct tg_scripts *scripts) {
  return scripts->services;
}

const char *tg_scripts_seal(const struct tg_scripts *scripts) {
  return scripts->seal;
}

struct tg_script_attempt *tg_scripts_find(struct tg_scripts *scripts, uint64_t attempt) {
  return tg_map_get_number(&scripts->attempts, attempt);
}

static void attempt_free(struct tg_script_attempt *attempt) {
  tg_requests_end(attempt);
  tg_loop_undefer(attempt->scripts->services->loop, &attempt->tell);
  tg_timer_free(attempt->grace);
  tg_attempt_log_free(attempt->log);
  free(attempt->context);
  free(attempt);
}

// Ends an attempt: the worker's load, its requests and its log go first, then the engine hears.
static void attempt_end(struct tg_script_attempt *attempt, struct tg_outcome *outcome) {
  struct tg_scripts *scripts = attempt->scripts;
  uint64_t handle = attempt->handle;
  outcome->worker = attempt->process ? tg_process_slot(attempt->process) + 1 : 0;
  if (attempt->process) tg_process_add_load(attempt->process, -1);
  tg_map_remove_number(&scripts->attempts, handle);
  attempt_free(attempt);
  tg_conductor_result(scripts->services->conductor, handle, outcome);
}

static void failure_tell(void *self) {
  struct tg_script_attempt *attempt = self;
  struct tg_outcome outcome = {.err = attempt->failed};
  attempt_end(attempt, &outcome);
}

// Tells a failure from the loop, because the engine is not entered while it has us start.
static void failure_defer(struct tg_script_attempt *attempt, const struct tg_error *err) {
  attempt->failed = *err;
  tg_loop_defer(attempt->scripts->services->loop, &attempt->tell);
}

static void bundle_ready(void *self, const struct tg_error *err) {
  struct tg_script_attempt *attempt = self;
  struct tg_error failed;
  if (!err) {
    struct tg_buf *out = tg_process_begin(attempt->process, TG_MESSAGE_START);
    tg_wire_put_u64(out, attempt->handle);
    tg_wire_put_u64(out, attempt->version->handle);
    tg_wire_put_u32(out, attempt->task);
    tg_wire_put_u64(out, attempt->seed);
    tg_wire_put_bytes(out, attempt->context, attempt->context_len);
    if (tg_process_send(attempt->process, &failed)) err = &failed;
  }
  free(attempt->context);
  attempt->context = NULL;
  attempt->is_sent = !err;
  if (err) failure_defer(attempt, err);
}

void tg_scripts_start(struct tg_scripts *scripts, const struct tg_start *start) {
  struct tg_script_attempt *attempt = calloc(1, sizeof *attempt);
  if (!attempt || tg_map_put_number(&scripts->attempts, start->attempt, attempt)) abort();
  *attempt = (struct tg_script_attempt){
      .scripts = scripts,
      .handle = start->attempt,
      .version = tg_bundles_find(scripts->bundles, start->run->run.bundle),
      .run = start->run->run.number,
      .unit = start->unit,
      .task = start->task,
      .number = start->number,
      .seed = start->seed,
      .deadline_ms = start->deadline_ms,
      .deadline_at = start->deadline_at,
      .context = start->context ? strdup(start->context) : NULL,
      .context_len = start->context_len,
      .tell = {.call = failure_tell, .self = attempt},
  };
  struct tg_error err;
  if (!attempt->context) {
    tg_error_set(&err, TG_ELIMIT, "what its upstream tasks gave is larger than %lld bytes together",
                 (long long)TG_FRAME_BYTES_MAX);
    failure_defer(attempt, &err);
  } else if (!attempt->version) {
    tg_error_set(&err, TG_EBUG, "the run's bundle %s is not here", start->run->run.bundle);
    failure_defer(attempt, &err);
  } else if (tg_pool_pick(scripts->pool, &attempt->process, &err)) {
    failure_defer(attempt, &err);
  } else {
    tg_process_add_load(attempt->process, 1);
    tg_bundles_require(scripts->bundles, attempt->version, attempt->process, bundle_ready, attempt);
  }
}

// Cancelling.

static void cancelled_error(int code, struct tg_error *err) {
  tg_error_set(err, code, "%s", code == TG_ETIMEOUT ? "its time limit passed" : tg_code_text(code));
}

static void grace_over(void *self) {
  struct tg_script_attempt *attempt = self;
  tg_process_kill(attempt->process, "an attempt did not end when it was told to");
}

bool tg_scripts_cancel(struct tg_scripts *scripts, uint64_t handle, int code) {
  struct tg_script_attempt *attempt = tg_scripts_find(scripts, handle);
  if (!attempt) return false;
  if (attempt->cancel_code) return true;
  attempt->cancel_code = code;
  struct tg_error err;
  if (!attempt->is_sent) { // no worker has to be told, or to die for it
    tg_bundles_forget(scripts->bundles, attempt);
    cancelled_error(code, &err);
    if (!attempt->failed.code) failure_defer(attempt, &err);
    return true;
  }
  struct tg_buf *out = tg_process_begin(attempt->process, TG_MESSAGE_CANCEL);
  tg_wire_put_u64(out, handle);
  tg_wire_put_u8(out, (uint8_t)code);
  tg_process_send(attempt->process, NULL); // unheard, it is ended by the grace
  attempt->grace = tg_timer_new(scripts->services->loop, grace_over, attempt, &err);
  if (attempt->grace)
    tg_timer_start(attempt->grace, TG_WORKER_GRACE_MS);
  else
    tg_process_kill(attempt->process, err.text);
  return true;
}

// What the workers say.

static int result_take(struct tg_scripts *scripts, struct tg_process *process,
                       struct tg_reader *body, struct tg_error *err) {
  struct tg_outcome outcome = {0};
  uint64_t handle = tg_wire_get_u64(body);
  tg_wire_get_error(body, &outcome.err);
  tg_log_redact(outcome.err.text); // a remote may have told a script what it was sent
  outcome.traceback = tg_wire_get_text(body);
  struct tg_slice result = tg_wire_get_bytes(body), facts = tg_wire_get_bytes(body);
  struct tg_script_attempt *attempt = tg_scripts_find(scripts, handle);
  if (!tg_reader_is_done(body) || result.len > (size_t)TG_RESULT_BYTES_MAX ||
      facts.len > (size_t)TG_RESULT_BYTES_MAX ||
      strlen(outcome.traceback) > (size_t)TG_TRACEBACK_BYTES_MAX ||
      (result.len && !tg_json_is_value(result.data, result.len)))
    return tg_error_set(err, TG_EPROTOCOL, "its result is malformed");
  if (!attempt) return TG_OK; // it was ended before
  if (attempt->process != process || !attempt->is_sent)
    return tg_error_set(err, TG_EPROTOCOL, "it tells the result of what it was not given");
  outcome.result = result.data;
  outcome.facts = facts.data;
  char traceback[TG_TRACEBACK_BYTES_MAX + 1];
  snprintf(traceback, sizeof traceback, "%s", outcome.traceback);
  tg_log_redact(traceback);
  outcome.traceback = traceback;
  attempt_end(attempt, &outcome);
  return TG_OK;
}

static int request_take(struct tg_scripts *scripts, struct tg_process *process,
                        struct tg_reader *frame, struct tg_error *err) {
  uint64_t handle = tg_wire_get_u64(frame), request = tg_wire_get_u64(frame);
  uint8_t kind = tg_wire_get_u8(frame);
  struct tg_slice body = {.data = frame->at, .len = (size_t)(frame->end - frame->at)};
  if (frame->is_failed) return tg_error_set(err, TG_EPROTOCOL, "its request is malformed");
  if (kind == TG_REQUEST_SOURCE)
    return tg_bundles_source(scripts->bundles, process, request, body, err);
  struct tg_script_attempt *attempt = tg_scripts_find(scripts, handle);
  if (!attempt) return TG_OK; // it was ended before
  if (attempt->process != process || !attempt->is_sent)
    return tg_error_set(err, TG_EPROTOCOL, "it asks for what it was not given");
  return tg_requests_take(attempt, request, kind, body, err);
}

static struct tg_attempt_log *log_of(struct tg_script_attempt *attempt) {
  struct tg_scripts *scripts = attempt->scripts;
  uint32_t unit;
  const struct tg_live_run *run =
      tg_conductor_find_attempt(scripts->services->conductor, attempt->handle, &unit);
  if (!attempt->log && run) {
    char id[TG_ID_TEXT_LEN + 1], name[TG_UNIT_NAME_MAX];
    tg_id_format(run->run.id, id);
    tg_context_unit_name(run, unit, name);
    attempt->log = tg_attempt_log_new(scripts->services->disk, scripts->services->data, id, name,
                                      attempt->number);
  }
  return attempt->log;
}

static void log_watch(struct tg_script_attempt *attempt, const char *level, struct tg_slice text) {
  struct tg_conductor *conductor = attempt->scripts->services->conductor;
  const struct tg_observer *observer = tg_conductor_observer(conductor);
  uint32_t unit;
  const struct tg_live_run *run = tg_conductor_find_attempt(conductor, attempt->handle, &unit);
  if (!observer->task_log || !run) return;
  struct tg_buf clean; // the log itself redacts what it keeps
  tg_buf_init(&clean, (size_t)TG_FRAME_BYTES_MAX);
  tg_buf_put(&clean, text.data, text.len);
  if (clean.len) tg_log_redact(clean.data);
  observer->task_log(observer->self, run, attempt->task, level, tg_buf_text(&clean),
                     strlen(tg_buf_text(&clean)));
  tg_buf_deinit(&clean);
}

static int log_take(struct tg_scripts *scripts, struct tg_process *process, struct tg_reader *body,
                    struct tg_error *err) {
  uint64_t handle = tg_wire_get_u64(body);
  uint8_t level = tg_wire_get_u8(body);
  struct tg_slice text = tg_wire_get_bytes(body);
  if (!tg_reader_is_done(body) || level >= TG_LOG_LEVEL_COUNT)
    return tg_error_set(err, TG_EPROTOCOL, "its log line is malformed");
  const char *word = tg_log_level_word((enum tg_log_level)level);
  struct tg_script_attempt *attempt = handle ? tg_scripts_find(scripts, handle) : NULL;
  if (!handle) {
    snprintf(scripts->seal, sizeof scripts->seal, "%s", text.data);
    tg_log(TG_LOG_DEBUG, "script worker %u: %s", tg_process_slot(process) + 1, text.data);
  } else if (attempt && attempt->process == process && log_of(attempt)) {
    tg_attempt_log_line(attempt->log, word, text.data, text.len);
    log_watch(attempt, word, text);
  }
  return TG_OK;
}

static void frame(void *self, struct tg_process *process, uint8_t type, struct tg_reader *body) {
  struct tg_scripts *scripts = self;
  struct tg_error err;
  int code = TG_OK;
  switch (type) {
  case TG_MESSAGE_PLAN:
    code = tg_bundles_plan(scripts->bundles, process, body, &err);
    break;
  case TG_MESSAGE_LOADED:
    code = tg_bundles_loaded(scripts->bundles, process, body, &err);
    break;
  case TG_MESSAGE_FAULTS:
    code = tg_bundles_faults(scripts->bundles, process, body, &err);
    break;
  case TG_MESSAGE_RESULT:
    code = result_take(scripts, process, body, &err);
    break;
  case TG_MESSAGE_REQUEST:
    code = request_take(scripts, process, body, &err);
    break;
  case TG_MESSAGE_LOG:
    code = log_take(scripts, process, body, &err);
    break;
  case TG_MESSAGE_DECIDED:
    code = tg_asks_decided(scripts->asks, process, body, &err);
    break;
  case TG_MESSAGE_PONG:
    break;
  default:
    code = tg_error_set(&err, TG_EPROTOCOL, "it sent a message of unknown type %u", type);
  }
  if (code) tg_process_kill(process, err.text);
}

// One attempt after the other, because telling the engine may start new ones.
static struct tg_script_attempt *attempt_on(struct tg_scripts *scripts,
                                            const struct tg_process *process) {
  size_t at = 0;
  const struct tg_map_slot *slot;
  while ((slot = tg_map_next(&scripts->attempts, &at))) {
    struct tg_script_attempt *attempt = slot->value;
    if (attempt->process == process) return attempt;
  }
  return NULL;
}

// Tells whether an attempt on the worker had been told to end: then it is to blame, and no other.
static bool has_culprit(const struct tg_scripts *scripts, const struct tg_process *process) {
  size_t at = 0;
  const struct tg_map_slot *slot;
  while ((slot = tg_map_next(&scripts->attempts, &at))) {
    const struct tg_script_attempt *attempt = slot->value;
    if (attempt->process == process && attempt->cancel_code) return true;
  }
  return false;
}

static void gone(void *self, struct tg_process *process, const char *why) {
  struct tg_scripts *scripts = self;
  struct tg_script_attempt *attempt;
  bool is_bystander = has_culprit(scripts, process);
  tg_log(TG_LOG_INFO, "script worker %u ended: %s", tg_process_slot(process) + 1, why);
  tg_bundles_worker_gone(scripts->bundles, process, why);
  tg_asks_worker_gone(scripts->asks, process, why);
  while ((attempt = attempt_on(scripts, process))) {
    struct tg_outcome outcome = {.is_bystander = is_bystander};
    if (attempt->cancel_code)
      cancelled_error(attempt->cancel_code, &outcome.err);
    else
      tg_error_set(&outcome.err, TG_ELOST, "its worker was lost (%s)", why);
    attempt_end(attempt, &outcome);
  }
}

void tg_scripts_reply(struct tg_script_attempt *attempt, uint64_t request,
                      const struct tg_error *err, const void *body, size_t len) {
  struct tg_buf *out = tg_process_begin(attempt->process, TG_MESSAGE_REPLY);
  tg_wire_put_u64(out, request);
  tg_wire_put_error(out, err);
  if (!err) tg_buf_put(out, body, len);
  struct tg_error failed;
  if (!tg_process_send(attempt->process, &failed)) return;
  if (!err && len > (size_t)(TG_FRAME_BYTES_MAX - TG_KIB)) // too large by itself
    tg_scripts_reply(attempt, request, &failed, NULL, 0);
  else
    tg_process_kill(attempt->process, "it asks and does not listen");
}

struct tg_scripts *tg_scripts_new(const struct tg_services *services) {
  struct tg_scripts *scripts = tg_must(calloc(1, sizeof *scripts));
  scripts->services = services;
  struct tg_process_events events = {.frame = frame, .gone = gone, .self = scripts};
  scripts->pool = tg_pool_new(services->loop, services->children, services->workers_max, &events);
  scripts->bundles = tg_bundles_new(services->loop, scripts->pool, services->root,
                                    services->store ? services->data : NULL, &services->bundle);
  scripts->asks = tg_asks_new(services, scripts->pool, scripts->bundles);
  scripts->policies = tg_policies_new(services, scripts->asks, scripts->bundles);
  scripts->subruns = tg_subruns_new(services, scripts->asks, scripts->bundles);
  return scripts;
}

void tg_scripts_free(struct tg_scripts *scripts) {
  if (!scripts) return;
  size_t at = 0;
  const struct tg_map_slot *slot;
  while ((slot = tg_map_next(&scripts->attempts, &at))) attempt_free(slot->value);
  tg_map_deinit(&scripts->attempts);
  tg_asks_free(scripts->asks);
  tg_subruns_free(scripts->subruns);
  tg_policies_free(scripts->policies);
  tg_bundles_free(scripts->bundles);
  tg_pool_free(scripts->pool);
  free(scripts);
}
