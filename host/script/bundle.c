// SPDX-License-Identifier: Apache-2.0
#include "script/bundle.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "script/json_module.h"
#include "script/lua_body.h"
#include "script/require.h"

enum { PLAN_PART_BYTES = 256 * 1024 };

// Runs the entry and bakes what it returned.
static const char driver[] = "local entry, bake, path = ...\n"
                             "local plan, more = bake((entry()), path)\n"
                             "return plan, more";

// --- Answers ---

// Sends a message that has a part of the plan, and empties the buffer.
static int part_tell(struct tg_bundle *bundle, enum tg_message type, struct tg_buf *part,
                     struct tg_error *err) {
  struct tg_channel *channel = &bundle->worker->channel;
  struct tg_buf *out = tg_channel_begin(channel, type);
  tg_wire_put_u64(out, bundle->id);
  tg_wire_put_bytes(out, tg_buf_text(part), part->len);
  if (type == TG_MESSAGE_LOADED) tg_wire_put_u8(out, !bundle->state.has_told_time);
  tg_buf_clear(part);
  return tg_channel_end(channel, err);
}

// Tells the plan: its head, which is in `part`, with the tasks as its last member. A large one
// leaves in parts, as the host takes them.
static int loaded_tell(struct tg_bundle *bundle, struct tg_buf *part, const struct tg_buf *tasks,
                       struct tg_error *err) {
  size_t at = 0, len = tasks ? tasks->len : 0;
  int code = TG_OK;
  if (tasks) {
    part->len--; // the bracket
    tg_buf_puts(part, ",\"tasks\":");
  }
  while (at < len && !code) {
    size_t more = len - at < PLAN_PART_BYTES ? len - at : PLAN_PART_BYTES;
    tg_buf_put(part, tasks->data + at, more);
    at += more;
    if (at == len) break;
    code = part_tell(bundle, TG_MESSAGE_PLAN, part, err);
    tg_channel_flush(&bundle->worker->channel); // when the host is gone, the next flush tells it
  }
  if (tasks) tg_buf_putc(part, '}');
  if (part->is_failed) code = tg_error_set(err, TG_ENOMEM, "no memory for the plan");
  return code ? code : part_tell(bundle, TG_MESSAGE_LOADED, part, err);
}

static void faults_tell(struct tg_bundle *bundle, const struct tg_buf *faults) {
  struct tg_channel *channel = &bundle->worker->channel;
  struct tg_buf *out = tg_channel_begin(channel, TG_MESSAGE_FAULTS);
  tg_wire_put_u64(out, bundle->id);
  tg_wire_put_bytes(out, faults->data, faults->len);
  tg_channel_end(channel, NULL);
}

// Splits "pipelines/orders.lua:12: text"; gives the text. A place in the library is none of the
// user's, so it stays part of the text.
static const char *message_split(const char *message, size_t *file_len, long *line) {
  const char *at = *message == '[' ? NULL : strchr(message, ':');
  for (; at; at = strchr(at + 1, ':')) {
    char *end;
    long number = strtol(at + 1, &end, 10);
    if (number <= 0 || end == at + 1 || strncmp(end, ": ", 2) != 0) continue;
    *file_len = (size_t)(at - message);
    *line = number;
    return end + 2;
  }
  return message;
}

// Tells one fault, where the message says it is, and frees the bundle.
static void fault_tell(struct tg_bundle *bundle, const char *message) {
  const char *file = bundle->entry;
  size_t file_len = 0;
  long line = 1;
  const char *text = message_split(message, &file_len, &line);
  struct tg_buf json;
  if (file_len)
    file = message;
  else
    file_len = strlen(file);
  tg_buf_init(&json, (size_t)TG_FRAME_BYTES_MAX);
  tg_buf_puts(&json, "[{\"file\":");
  tg_buf_put_json(&json, file, file_len);
  tg_buf_putf(&json, ",\"line\":%ld,\"message\":", line);
  tg_buf_put_json(&json, text, strlen(text));
  tg_buf_puts(&json, "}]");
  faults_tell(bundle, &json);
  tg_buf_deinit(&json);
  tg_bundle_free(bundle);
}

// --- The build ---

static void build_deadline_fault(struct tg_bundle *bundle) {
  char text[256], place[128] = "";
  tg_fiber_place(&bundle->build, place, sizeof place);
  snprintf(text, sizeof text,
           "%s%sloading took longer than %d s; do the work in a task's `run` "
           "function, or raise limits.bundle_time of tidegate.yaml",
           place, *place ? ": " : "", (int)(bundle->build_ms / 1000));
  fault_tell(bundle, text);
}

// Puts the first of the driver's results as JSON if it is to be told: the plan, or the faults that
// come second when there is none.
static int build_read(struct tg_bundle *bundle, lua_State *L, bool is_plan, struct tg_buf *json,
                      struct tg_error *err) {
  static const struct tg_json_caps caps = {.bytes_max = (size_t)TG_FRAME_BYTES_MAX,
                                           .depth_max = TG_RESULT_DEPTH_MAX,
                                           .nodes_max = (size_t)TG_GRAPH_NODES_MAX * 16};
  if (is_plan && !bundle->is_build) return TG_OK;
  int code = tg_lua_json_encode(L, is_plan ? -2 : -1, &caps, json, err);
  if (json->is_out_of_memory) return tg_error_set(err, TG_ENOMEM, "no memory for the plan");
  if (json->is_failed)
    return tg_error_set(err, TG_ELIMIT, "the plan has more than %zu bytes", json->max);
  return code;
}

// The driver's two results are the plan and its tasks, or nil and the faults.
static void build_done(struct tg_bundle *bundle) {
  lua_State *L = bundle->build.thread;
  bool is_plan = !lua_isnil(L, -2);
  struct tg_buf json;
  struct tg_error err;
  tg_buf_init(&json, (size_t)TG_FRAME_BYTES_MAX);
  int code = build_read(bundle, L, is_plan, &json, &err);
  if (code == TG_OK && is_plan) code = tg_state_seal(&bundle->state, &err);
  if (code == TG_OK && is_plan) {
    const struct tg_buf *tasks = bundle->is_build ? tg_lua_test_body(L, -1) : NULL;
    code = loaded_tell(bundle, &json, tasks, &err);
  }
  bundle->is_ready = is_plan && code == TG_OK;
  tg_fiber_close(&bundle->build);
  if (code == TG_OK && !is_plan) faults_tell(bundle, &json);
  tg_buf_deinit(&json);
  if (code != TG_OK)
    fault_tell(bundle, err.text);
  else if (!is_plan)
    tg_bundle_free(bundle);
}

static void memory_hint_add(struct tg_error *err) {
  size_t len = strlen(err->text);
  snprintf(err->text + len, sizeof err->text - len,
           "; limits.bundle_memory of tidegate.yaml raises that");
}

static void build_finish(struct tg_fiber *fiber, enum tg_turn turn, int nresults) {
  struct tg_bundle *bundle = (struct tg_bundle *)fiber;
  struct tg_error err;
  (void)nresults;
  if (turn == TG_TURN_DONE) {
    build_done(bundle);
  } else if (turn == TG_TURN_FAILED) {
    tg_fiber_read_error(fiber, fiber->thread, &err);
    if (err.code == TG_ENOMEM && bundle->kind == TG_BUNDLE_PIPELINE) memory_hint_add(&err);
    fault_tell(bundle, err.text);
  } else {
    build_deadline_fault(bundle);
  }
}

// Leaves the driver and its arguments.
static int l_build_prepare(lua_State *L) {
  struct tg_bundle *bundle = lua_touserdata(L, 1);
  bool is_policy = bundle->kind == TG_BUNDLE_POLICY;
  tg_require_library(L, "tidegate.worker");
  lua_getfield(L, -1, "run");
  bundle->run_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_getfield(L, -1, is_policy ? "decide" : "compute");
  bundle->decide_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  if (luaL_loadbufferx(L, driver, sizeof driver - 1, "=[tidegate]", "t") != LUA_OK)
    return lua_error(L);
  tg_state_load_entry(L);
  lua_getfield(L, 2, is_policy ? "policy" : bundle->is_build ? "build" : "adopt");
  lua_pushstring(L, bundle->entry);
  return 4;
}

// --- Frames ---

static struct tg_bundle *bundle_new(struct tg_worker *worker, uint64_t id, const char *entry) {
  struct tg_bundle *bundle = calloc(1, sizeof *bundle);
  if (!bundle) return NULL;
  bundle->worker = worker;
  bundle->id = id;
  bundle->entry = strdup(entry);
  if (bundle->entry && tg_map_put_number(&worker->bundles, id, bundle) == 0) return bundle;
  free(bundle->entry);
  free(bundle);
  return NULL;
}

static int sources_read(struct tg_bundle *bundle, struct tg_reader *body, struct tg_error *err) {
  uint32_t count = tg_wire_get_count(body, 15); // three empty strings
  int code = TG_OK;
  for (uint32_t i = 0; i < count && code == TG_OK && !body->is_failed; i++) {
    const char *key = tg_wire_get_text(body), *path = tg_wire_get_text(body);
    struct tg_slice text = tg_wire_get_bytes(body);
    code = tg_state_add_source(&bundle->state, key, path, text.data, text.len, err);
  }
  return code;
}

static int bundle_start(struct tg_bundle *bundle, int64_t now_ms, struct tg_reader *files,
                        struct tg_error *err) {
  struct tg_worker *worker = bundle->worker;
  struct tg_scheduler *scheduler = &worker->scheduler;
  struct tg_state_options options = {.is_policy = bundle->kind == TG_BUNDLE_POLICY,
                                     .bytes_max = bundle->kind == TG_BUNDLE_POLICY
                                                      ? TG_POLICY_STATE_BYTES_MAX
                                                      : bundle->state_bytes,
                                     .now_ms = now_ms,
                                     .cjson = worker->cjson};
  int64_t deadline = tg_clock_mono_ms(scheduler->clock) + bundle->build_ms;
  int code = tg_state_open(&bundle->state, scheduler, &options, err);
  if (code == TG_OK) code = sources_read(bundle, files, err);
  if (code != TG_OK) return code;
  tg_fiber_init(&bundle->build, scheduler, &bundle->state.box, &bundle->state.fibers,
                TG_FIBER_BUILD, deadline);
  bundle->build.finish = build_finish;
  return tg_fiber_start(&bundle->build, l_build_prepare, bundle, err);
}

int tg_bundle_load(struct tg_worker *worker, struct tg_reader *body, struct tg_error *err) {
  uint64_t id = tg_wire_get_u64(body);
  uint8_t kind = tg_wire_get_u8(body);
  bool is_build = tg_wire_get_u8(body);
  const char *entry = tg_wire_get_text(body);
  int64_t now_ms = tg_wire_get_i64(body);
  int64_t state_bytes = tg_wire_get_i64(body), build_ms = tg_wire_get_i64(body);
  if (body->is_failed || kind > TG_BUNDLE_POLICY || state_bytes <= 0 ||
      state_bytes > TG_BUNDLE_STATE_BYTES_HIGHEST || build_ms <= 0 ||
      build_ms > TG_BUNDLE_BUILD_MS_HIGHEST || tg_map_get_number(&worker->bundles, id))
    return tg_error_set(err, TG_EPROTOCOL, "a LOAD is malformed");
  struct tg_bundle *bundle = bundle_new(worker, id, entry);
  if (!bundle) return tg_error_set(err, TG_ENOMEM, "no memory for bundle %s", entry);
  bundle->kind = kind;
  bundle->is_build = is_build;
  bundle->state_bytes = state_bytes;
  bundle->build_ms = build_ms;
  int code = bundle_start(bundle, now_ms, body, err);
  if (body->is_failed) return tg_error_set(err, TG_EPROTOCOL, "the files of a LOAD are malformed");
  if (code != TG_OK) fault_tell(bundle, err->text);
  return TG_OK;
}

int tg_bundle_drop(struct tg_worker *worker, struct tg_reader *body, struct tg_error *err) {
  uint64_t id = tg_wire_get_u64(body);
  if (!tg_reader_is_done(body)) return tg_error_set(err, TG_EPROTOCOL, "a DROP is malformed");
  struct tg_bundle *bundle = tg_map_get_number(&worker->bundles, id);
  if (!bundle) return TG_OK;
  bundle->is_dropped = true;
  if (tg_fiber_is_open(&bundle->build)) tg_fiber_close(&bundle->build);
  tg_bundle_release(bundle);
  return TG_OK;
}

struct tg_bundle *tg_bundle_find(struct tg_worker *worker, uint64_t id, struct tg_error *err) {
  struct tg_bundle *bundle = tg_map_get_number(&worker->bundles, id);
  if (bundle && bundle->is_ready && !bundle->is_dropped) return bundle;
  tg_error_set(err, TG_ENOT_FOUND, "bundle %" PRIu64 " is not loaded", id);
  return NULL;
}

void tg_bundle_release(struct tg_bundle *bundle) {
  if (bundle->is_dropped && TAILQ_EMPTY(&bundle->state.fibers)) tg_bundle_free(bundle);
}

void tg_bundle_free(struct tg_bundle *bundle) {
  if (tg_fiber_is_open(&bundle->build)) tg_fiber_close(&bundle->build);
  tg_state_close(&bundle->state);
  tg_map_remove_number(&bundle->worker->bundles, bundle->id);
  free(bundle->entry);
  free(bundle);
}
