// SPDX-License-Identifier: Apache-2.0
#include "script/attempt.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/units.h"
#include "ipc/message.h"
#include "script/bundle.h"
#include "script/json_module.h"
#include "script/lua_error.h"

struct tg_attempt {
  struct tg_fiber fiber; // the first member
  struct tg_worker *worker;
  struct tg_bundle *bundle;
  uint64_t id; // of the attempt or the decision
  uint32_t task;
  struct tg_slice context; // or the input, while the fiber starts
};

static const struct tg_json_caps context_caps = {.bytes_max = (size_t)TG_FRAME_BYTES_MAX,
                                                 .depth_max = TG_RESULT_DEPTH_MAX * 2,
                                                 .nodes_max = (size_t)TG_RESULT_NODES_MAX * 16};

static const struct tg_json_caps result_caps = {.bytes_max = (size_t)TG_RESULT_BYTES_MAX,
                                                .depth_max = TG_RESULT_DEPTH_MAX,
                                                .nodes_max = TG_RESULT_NODES_MAX};

static struct tg_attempt *attempt_new(struct tg_bundle *bundle, uint64_t id) {
  struct tg_attempt *attempt = malloc(sizeof *attempt);
  if (!attempt) return NULL;
  attempt->worker = bundle->worker;
  attempt->bundle = bundle;
  attempt->id = id;
  return attempt;
}

static void attempt_free(struct tg_attempt *attempt) {
  struct tg_bundle *bundle = attempt->bundle;
  if (attempt->fiber.kind == TG_FIBER_ATTEMPT)
    tg_map_remove_number(&attempt->worker->attempts, attempt->id);
  tg_fiber_close(&attempt->fiber);
  free(attempt);
  tg_bundle_release(bundle);
}

// --- Results ---

// Puts the JSON of a value; what is not plain data is a mistake that no retry mends. No text stands
// for nothing: nil, null or an empty table of facts.
static int plain_encode(lua_State *L, int index, const char *what, const char *nothing,
                        struct tg_buf *out, struct tg_error *err) {
  struct tg_error fault;
  tg_buf_clear(out);
  int code = tg_lua_json_encode(L, index, &result_caps, out, &fault);
  if (code != TG_OK) {
    tg_error_set(err, code, "%s cannot be kept: %s", what, fault.text);
    err->class = TG_CLASS_BUG;
    tg_buf_clear(out);
  }
  if (out->len == strlen(nothing) && memcmp(out->data, nothing, out->len) == 0) out->len = 0;
  return code;
}

static void result_send(struct tg_worker *worker, uint64_t id, const struct tg_error *err,
                        const char *traceback) {
  struct tg_buf *out = tg_channel_begin(&worker->channel, TG_MESSAGE_RESULT);
  tg_wire_put_u64(out, id);
  tg_wire_put_error(out, err);
  tg_wire_put_text(out, traceback);
  tg_wire_put_bytes(out, worker->result.data, err ? 0 : worker->result.len);
  tg_wire_put_bytes(out, worker->facts.data, worker->facts.len);
  tg_channel_end(&worker->channel, NULL);
}

// worker.run returned value, facts or nil, err, facts; the thread has room for what is missing.
static void attempt_returned(struct tg_attempt *attempt, int nresults) {
  struct tg_worker *worker = attempt->worker;
  lua_State *L = attempt->fiber.thread;
  struct tg_error err = {.code = TG_OK};
  lua_settop(L, lua_gettop(L) - nresults + 3);
  bool is_failure = lua_isnil(L, -3) && !lua_isnil(L, -2);
  tg_buf_clear(&worker->result);
  if (is_failure)
    tg_lua_read_error(L, -2, &err);
  else
    plain_encode(L, -3, "the task's result", "null", &worker->result, &err);
  struct tg_error facts_err = {.code = TG_OK};
  if (plain_encode(L, is_failure ? -1 : -2, "the task's facts", "{}", &worker->facts, &facts_err) !=
          TG_OK &&
      err.code == TG_OK)
    err = facts_err;
  if (worker->facts.len == 4 && memcmp(worker->facts.data, "null", 4) == 0) worker->facts.len = 0;
  result_send(worker, attempt->id, err.code ? &err : NULL, "");
}

struct trace {
  struct tg_fiber *fiber;
  struct tg_buf text;
};

// Keeps the lines of Lua's traceback that are about the script: not the heading, not the library.
static int l_trace(lua_State *L) {
  struct trace *trace = lua_touserdata(L, 1);
  luaL_traceback(L, trace->fiber->thread, NULL, 0);
  for (const char *line = lua_tostring(L, -1), *end; *line; line = *end ? end + 1 : end) {
    end = strchrnul(line, '\n');
    bool is_ours = strncmp(line, "\t[tidegate", 10) == 0 || *line != '\t';
    if (is_ours || strncmp(line, "\t[C]: in ?", 10) == 0) continue;
    tg_buf_put(&trace->text, line + 1, (size_t)(end - line - 1));
    tg_buf_putc(&trace->text, '\n');
  }
  return 0;
}

static void attempt_failed(struct tg_attempt *attempt) {
  struct trace trace = {.fiber = &attempt->fiber};
  struct tg_error err, ignored;
  tg_fiber_read_error(&attempt->fiber, attempt->fiber.thread, &err);
  tg_buf_init(&trace.text, (size_t)TG_TRACEBACK_BYTES_MAX);
  tg_fiber_call(&attempt->fiber, l_trace, &trace, &ignored);
  tg_buf_clear(&attempt->worker->facts);
  result_send(attempt->worker, attempt->id, &err, tg_buf_text(&trace.text));
  tg_buf_deinit(&trace.text);
}

static void attempt_finish(struct tg_fiber *fiber, enum tg_turn turn, int nresults) {
  struct tg_attempt *attempt = (struct tg_attempt *)fiber;
  if (turn == TG_TURN_DONE)
    attempt_returned(attempt, nresults);
  else
    attempt_failed(attempt);
  attempt_free(attempt);
}

// --- START and CANCEL ---

static int l_attempt_prepare(lua_State *L) {
  struct tg_attempt *attempt = lua_touserdata(L, 1);
  struct tg_error err;
  lua_rawgeti(L, LUA_REGISTRYINDEX, attempt->bundle->run_ref);
  lua_pushinteger(L, attempt->task);
  if (tg_lua_json_push(L, attempt->context.data, attempt->context.len, &context_caps, &err))
    return luaL_error(L, "the attempt's context: %s", err.text);
  return 3;
}

static int attempt_begin(struct tg_worker *worker, uint64_t id, struct tg_bundle *bundle,
                         const struct tg_attempt *given, uint64_t seed, struct tg_error *err) {
  struct tg_attempt *attempt = attempt_new(bundle, id);
  if (!attempt || tg_map_put_number(&worker->attempts, id, attempt) != 0) {
    free(attempt);
    return tg_error_set(err, TG_ENOMEM, "the worker has no memory for an attempt");
  }
  attempt->task = given->task;
  attempt->context = given->context;
  tg_fiber_init(&attempt->fiber, &worker->scheduler, &bundle->state.box, &bundle->state.fibers,
                TG_FIBER_ATTEMPT, INT64_MAX);
  attempt->fiber.attempt = id;
  attempt->fiber.finish = attempt_finish;
  tg_sandbox_seed(attempt->fiber.random, seed);
  int code = tg_fiber_start(&attempt->fiber, l_attempt_prepare, attempt, err);
  if (code != TG_OK) attempt_free(attempt);
  return code;
}

int tg_attempt_start(struct tg_worker *worker, struct tg_reader *body, struct tg_error *err) {
  struct tg_attempt given;
  struct tg_error fault;
  uint64_t id = tg_wire_get_u64(body), bundle_id = tg_wire_get_u64(body);
  given.task = tg_wire_get_u32(body);
  uint64_t seed = tg_wire_get_u64(body);
  given.context = tg_wire_get_bytes(body);
  if (!tg_reader_is_done(body) || tg_map_get_number(&worker->attempts, id))
    return tg_error_set(err, TG_EPROTOCOL, "a START is malformed");
  struct tg_bundle *bundle = tg_bundle_find(worker, bundle_id, &fault);
  if (bundle && bundle->kind != TG_BUNDLE_PIPELINE) {
    tg_error_set(&fault, TG_EINVALID, "bundle %" PRIu64 " (%s) has no tasks", bundle_id,
                 bundle->entry);
    bundle = NULL;
  }
  tg_buf_clear(&worker->facts);
  if (!bundle || attempt_begin(worker, id, bundle, &given, seed, &fault) != TG_OK)
    result_send(worker, id, &fault, "");
  return TG_OK;
}

int tg_attempt_cancel(struct tg_worker *worker, struct tg_reader *body, struct tg_error *err) {
  uint64_t id = tg_wire_get_u64(body);
  uint8_t code = tg_wire_get_u8(body);
  char place[256];
  struct tg_error reason;
  if (!tg_reader_is_done(body) || code == TG_OK || code >= TG_CODE_COUNT)
    return tg_error_set(err, TG_EPROTOCOL, "a CANCEL is malformed");
  struct tg_attempt *attempt = tg_map_get_number(&worker->attempts, id);
  if (!attempt) return TG_OK;
  tg_fiber_place(&attempt->fiber, place, sizeof place);
  tg_error_set(&reason, code, "%s%s%s", tg_code_text(code), *place ? " at " : "", place);
  attempt_free(attempt);
  tg_buf_clear(&worker->facts);
  result_send(worker, id, &reason, "");
  return TG_OK;
}

// --- DECIDE ---

static void decided_send(struct tg_worker *worker, uint64_t id, const struct tg_error *err) {
  struct tg_buf *out = tg_channel_begin(&worker->channel, TG_MESSAGE_DECIDED);
  tg_wire_put_u64(out, id);
  tg_wire_put_error(out, err);
  tg_wire_put_bytes(out, worker->result.data, err ? 0 : worker->result.len);
  tg_channel_end(&worker->channel, NULL);
}

static void decision_late(const struct tg_attempt *decision, struct tg_error *err) {
  char place[256];
  tg_fiber_place(&decision->fiber, place, sizeof place);
  tg_error_set(err, TG_ETIMEOUT, "%s%sdeciding took longer than %d ms", place, *place ? ": " : "",
               TG_POLICY_MS);
}

static void decision_finish(struct tg_fiber *fiber, enum tg_turn turn, int nresults) {
  struct tg_attempt *decision = (struct tg_attempt *)fiber;
  struct tg_worker *worker = decision->worker;
  struct tg_error err = {.code = TG_OK};
  lua_State *L = fiber->thread;
  if (turn == TG_TURN_DONE) {
    lua_settop(L, lua_gettop(L) - nresults + 1);
    plain_encode(L, -1, "a decision", "null", &worker->result, &err);
  } else if (turn == TG_TURN_FAILED) {
    tg_fiber_read_error(fiber, L, &err);
  } else {
    decision_late(decision, &err);
  }
  decided_send(worker, decision->id, err.code ? &err : NULL);
  attempt_free(decision);
}

// A decision's clock stands at the time that its input says, so that a replay sees the same.
static void decision_clock_set(lua_State *L, struct tg_state *state) {
  state->now_ms = 0;
  if (!lua_istable(L, -1)) return;
  if (lua_getfield(L, -1, "now") == LUA_TSTRING) tg_time_parse(lua_tostring(L, -1), &state->now_ms);
  lua_pop(L, 1);
}

static int l_decision_prepare(lua_State *L) {
  struct tg_attempt *decision = lua_touserdata(L, 1);
  struct tg_error err;
  lua_rawgeti(L, LUA_REGISTRYINDEX, decision->bundle->decide_ref);
  if (tg_lua_json_push(L, decision->context.data, decision->context.len, &context_caps, &err))
    return luaL_error(L, "the input of a decision: %s", err.text);
  decision_clock_set(L, &decision->bundle->state);
  return 2;
}

static int decision_begin(struct tg_worker *worker, uint64_t id, struct tg_bundle *bundle,
                          struct tg_slice input, struct tg_error *err) {
  struct tg_attempt *decision = attempt_new(bundle, id);
  if (!decision) return tg_error_set(err, TG_ENOMEM, "the worker has no memory for a decision");
  int64_t deadline = tg_clock_mono_ms(worker->scheduler.clock) + TG_POLICY_MS;
  decision->context = input;
  tg_fiber_init(&decision->fiber, &worker->scheduler, &bundle->state.box, &bundle->state.fibers,
                TG_FIBER_DECISION, deadline);
  decision->fiber.finish = decision_finish;
  int code = tg_fiber_start(&decision->fiber, l_decision_prepare, decision, err);
  if (code != TG_OK) attempt_free(decision);
  return code;
}

int tg_attempt_decide(struct tg_worker *worker, struct tg_reader *body, struct tg_error *err) {
  struct tg_error fault;
  uint64_t id = tg_wire_get_u64(body), bundle_id = tg_wire_get_u64(body);
  struct tg_slice input = tg_wire_get_bytes(body);
  if (!tg_reader_is_done(body)) return tg_error_set(err, TG_EPROTOCOL, "a DECIDE is malformed");
  struct tg_bundle *bundle = tg_bundle_find(worker, bundle_id, &fault);
  if (!bundle || decision_begin(worker, id, bundle, input, &fault) != TG_OK)
    decided_send(worker, id, &fault);
  return TG_OK;
}

void tg_attempts_free(struct tg_bundle *bundle) {
  struct tg_fiber *fiber, *next;
  for (fiber = TAILQ_FIRST(&bundle->state.fibers); fiber; fiber = next) {
    next = TAILQ_NEXT(fiber, sibling_link);
    if (fiber->kind != TG_FIBER_BUILD) attempt_free((struct tg_attempt *)fiber);
  }
}
