// SPDX-License-Identifier: Apache-2.0
#include "script/state.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "ipc/message.h"
#include "script/require.h"

// How far memory grows from one collection to the next.
enum { GC_PAUSE_PERCENT = 200, GC_PAUSE_BUILDING_PERCENT = 125 };

struct tg_state *tg_state_of(lua_State *L) {
  return (struct tg_state *)tg_sandbox_of(L);
}

// --- Sources of the project ---

int tg_state_add_source(struct tg_state *state, const char *key, const char *path, const char *text,
                        size_t len, struct tg_error *err) {
  size_t path_size = strlen(path) + 1;
  struct tg_state_source *source = malloc(sizeof *source + path_size + len);
  if (!source) return tg_error_set(err, TG_ENOMEM, "no memory for %s", path);
  source->len = len;
  source->text = source->path + path_size;
  memcpy(source->path, path, path_size);
  memcpy(source->path + path_size, text, len);
  free(tg_map_get(&state->sources, key));
  if (tg_map_put(&state->sources, key, source) == 0) return TG_OK;
  free(source);
  return tg_error_set(err, TG_ENOMEM, "no memory for %s", path);
}

static void sources_forget(struct tg_state *state) {
  const struct tg_map_slot *slot;
  for (size_t at = 0; (slot = tg_map_next(&state->sources, &at));) free(slot->value);
  tg_map_deinit(&state->sources);
  tg_map_init(&state->sources);
}

int tg_state_request_source(lua_State *L, const char *kind, const char *name,
                            tg_world_reply *reply) {
  struct tg_world *world = &tg_state_of(L)->scheduler->world;
  struct tg_buf body;
  tg_buf_init(&body, (size_t)TG_FRAME_BYTES_MAX);
  tg_wire_put_text(&body, kind);
  tg_wire_put_text(&body, name);
  return world->request(world, L, TG_REQUEST_SOURCE, &body, reply);
}

const struct tg_state_source *tg_state_find_source(lua_State *L, const char *kind,
                                                   const char *name) {
  const char *key = lua_pushfstring(L, "%s:%s", kind, name);
  const struct tg_state_source *source = tg_map_get(&tg_state_of(L)->sources, key);
  lua_pop(L, 1);
  return source;
}

void tg_state_load_entry(lua_State *L) {
  const struct tg_state_source *source = tg_map_get(&tg_state_of(L)->sources, "entry:");
  if (!source) luaL_error(L, "the host did not send the file");
  const char *chunk = lua_pushfstring(L, "@%s", source->path);
  // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): luaL_error does not return
  int status = tg_sandbox_load(L, source->text, source->len, chunk);
  lua_remove(L, -2);
  if (status != LUA_OK) lua_error(L);
}

// --- The state ---

static int l_state_fill(lua_State *L) {
  tg_require_install(L);
  return 0;
}

// What is built or decided must come out the same again, whatever the time.
static bool is_recorded(const struct tg_state *state) {
  return state->box.is_deterministic;
}

static int64_t recorded_ms(struct tg_state *state) {
  state->has_told_time |= state->is_building;
  return state->now_ms;
}

static int64_t script_wall_ms(void *self) {
  struct tg_state *state = self;
  return is_recorded(state) ? recorded_ms(state) : tg_clock_wall_ms(state->scheduler->clock);
}

static int64_t script_mono_ms(void *self) {
  struct tg_state *state = self;
  return is_recorded(state) ? recorded_ms(state) : tg_clock_mono_ms(state->scheduler->clock);
}

static void script_print(void *self, const char *text, size_t len) {
  tg_scheduler_log(((struct tg_state *)self)->scheduler, TG_LOG_INFO, text, len);
}

// Most files are built before there is anything worth collecting: the collector is given credit and
// begins late. From then on it keeps what is large from growing by much.
static void gc_set(lua_State *L) {
  lua_gc(L, LUA_GCINC, GC_PAUSE_BUILDING_PERCENT, 0, 0);
  lua_gc(L, LUA_GCSTEP, -(int)(TG_BUNDLE_STATE_BYTES_MAX / 4 * 3 / TG_KIB));
}

int tg_state_open(struct tg_state *state, struct tg_scheduler *scheduler,
                  const struct tg_state_options *options, struct tg_error *err) {
  *state = (struct tg_state){.scheduler = scheduler,
                             .now_ms = options->now_ms,
                             .is_building = true,
                             .is_policy = options->is_policy,
                             .cjson = options->cjson};
  state->clock = (struct tg_clock){script_wall_ms, script_mono_ms, state};
  TAILQ_INIT(&state->fibers);
  tg_map_init(&state->sources);
  struct tg_sandbox_options box = {.bytes_max = options->bytes_max,
                                   .is_deterministic = true,
                                   .has_interrupts = scheduler->has_interrupts,
                                   .clock = scheduler->clock,
                                   .script_clock = &state->clock,
                                   .print = script_print,
                                   .self = state};
  int code = tg_sandbox_open(&state->box, &box, err);
  if (code != TG_OK) return code;
  gc_set(state->box.L);
  struct tg_meter meter;
  tg_meter_init(&meter, INT64_MAX);
  lua_pushcfunction(state->box.L, l_state_fill);
  if (tg_script_call(state->box.L, 0, 0, 0, &meter) == LUA_OK) return TG_OK;
  return tg_error_set(err, TG_ENOMEM, "no memory for a Lua state");
}

void tg_state_close(struct tg_state *state) {
  sources_forget(state);
  tg_sandbox_close(&state->box);
}

int tg_state_seal(struct tg_state *state, struct tg_error *err) {
  sources_forget(state);
  state->is_building = false;
  lua_gc(state->box.L, LUA_GCRESTART); // what the building left is collected from now on
  lua_gc(state->box.L, LUA_GCINC, GC_PAUSE_PERCENT, 0, 0);
  return tg_sandbox_freeze(&state->box, err);
}
