// SPDX-License-Identifier: Apache-2.0
#include "script/fiber.h"

#include <lauxlib.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "base/limits.h"
#include "ipc/message.h"
#include "script/lua_error.h"

// --- The scheduler as the world of the modules ---

struct tg_scheduler *tg_scheduler_of(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1)); // the world is the first member
}

static size_t out_pending(const struct tg_scheduler *scheduler) {
  return scheduler->channel->out.len - scheduler->channel->out_at;
}

static struct tg_buf *request_begin(struct tg_scheduler *scheduler, enum tg_request kind,
                                    uint64_t request) {
  struct tg_buf *out = tg_channel_begin(scheduler->channel, TG_MESSAGE_REQUEST);
  tg_wire_put_u64(out, scheduler->current ? scheduler->current->attempt : 0);
  tg_wire_put_u64(out, request);
  tg_wire_put_u8(out, (uint8_t)kind);
  return out;
}

void tg_scheduler_tell(struct tg_scheduler *scheduler, enum tg_request kind, struct tg_buf *body) {
  if (out_pending(scheduler) < (size_t)TG_WORKER_OUT_BYTES_MAX) {
    struct tg_buf *out = request_begin(scheduler, kind, ++scheduler->request_last);
    tg_buf_put(out, body->data, body->len);
    tg_channel_end(scheduler->channel, NULL);
  }
  tg_buf_deinit(body);
}

// Says why a fiber may not make a request, or NULL.
static const char *request_refusal(const struct tg_fiber *fiber, enum tg_request kind) {
  bool is_source = kind == TG_REQUEST_SOURCE;
  if (fiber && fiber->kind == TG_FIBER_DECISION)
    return "a policy, or the default of a parameter, comes from its input alone and cannot ask "
           "for anything";
  if (fiber && fiber->kind == TG_FIBER_ATTEMPT)
    return is_source ? "sources are read only while the pipeline is loaded" : NULL;
  return fiber && is_source ? NULL
                            : "this cannot be done while a pipeline is loaded; "
                              "do it in a task's `run` function";
}

static void waiting_set(struct tg_fiber *fiber, uint64_t request, tg_world_reply *reply) {
  fiber->request = request;
  fiber->reply = reply;
  if (fiber->meter.deadline_ms != INT64_MAX) fiber->scheduler->waiting_timed_count++;
}

static void waiting_clear(struct tg_fiber *fiber) {
  if (!fiber->request) return;
  tg_map_remove_number(&fiber->scheduler->waiting, fiber->request);
  fiber->request = 0;
  if (fiber->meter.deadline_ms != INT64_MAX) fiber->scheduler->waiting_timed_count--;
}

static int request_send(struct tg_fiber *fiber, enum tg_request kind, tg_world_reply *reply,
                        struct tg_error *err) {
  struct tg_scheduler *scheduler = fiber->scheduler;
  uint64_t request = ++scheduler->request_last;
  if (tg_map_put_number(&scheduler->waiting, request, fiber) != 0)
    return tg_error_set(err, TG_ENOMEM, "the worker has no memory for a request");
  struct tg_buf *out = request_begin(scheduler, kind, request);
  tg_buf_put(out, fiber->body.data, fiber->body.len);
  tg_buf_deinit(&fiber->body);
  int code = tg_channel_end(scheduler->channel, err);
  if (code != TG_OK)
    tg_map_remove_number(&scheduler->waiting, request);
  else
    waiting_set(fiber, request, reply);
  return code;
}

static int reply_push(lua_State *L, int status, lua_KContext context) {
  struct tg_fiber *fiber = (struct tg_fiber *)context;
  struct tg_reader body = tg_reader_of(fiber->body.data, fiber->body.len);
  struct tg_error err;
  (void)status;
  tg_wire_get_error(&body, &err);
  return fiber->reply(L, err.code ? &err : NULL, &body);
}

// The body becomes the fiber's first, so that nothing is lost when a check raises.
static int request_make(struct tg_world *world, lua_State *L, enum tg_request kind,
                        struct tg_buf *body, tg_world_reply *reply) {
  struct tg_fiber *fiber = ((struct tg_scheduler *)world)->current;
  const char *refusal = request_refusal(fiber, kind);
  if (refusal) {
    tg_buf_deinit(body);
    return luaL_error(L, "%s", refusal);
  }
  tg_buf_deinit(&fiber->body);
  fiber->body = *body;
  tg_buf_init(body, body->max);
  tg_script_check_wait(L);
  struct tg_error err;
  if (request_send(fiber, kind, reply, &err) != TG_OK) return tg_lua_fail(L, &err);
  return tg_script_wait(L, (lua_KContext)fiber, reply_push);
}

// --- Turns ---

// After some processor time a signal makes the one that runs look at the clock. The timer stands
// still while the worker waits; the kernel looks at it every 4 ms or so.
enum { INTERRUPT_MS = 4 };

static struct tg_timekeeper *volatile interruptible; // the signal handler has no argument for it

static void on_interrupt(int signal) {
  (void)signal;
  struct tg_timekeeper *timekeeper = interruptible;
  if (timekeeper) tg_slice_interrupt(timekeeper);
}

void tg_scheduler_interrupt(struct tg_scheduler *scheduler) {
  struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
  struct itimerval every = {{.tv_usec = INTERRUPT_MS * 1000}, {.tv_usec = INTERRUPT_MS * 1000}};
  sigaction(SIGPROF, &action, NULL);
  scheduler->has_interrupts = setitimer(ITIMER_PROF, &every, NULL) == 0;
}

void tg_scheduler_init(struct tg_scheduler *scheduler, struct tg_channel *channel,
                       const struct tg_clock *clock) {
  *scheduler =
      (struct tg_scheduler){.world.request = request_make, .channel = channel, .clock = clock};
  TAILQ_INIT(&scheduler->fresh);
  TAILQ_INIT(&scheduler->busy);
  tg_map_init(&scheduler->waiting);
}

void tg_scheduler_deinit(struct tg_scheduler *scheduler) {
  tg_map_deinit(&scheduler->waiting);
}

static void ready_push(struct tg_fiber *fiber, struct tg_fiber_list *queue) {
  fiber->state = TG_FIBER_READY;
  fiber->queue = queue;
  TAILQ_INSERT_TAIL(queue, fiber, link);
}

// Runs C code or a turn on behalf of a fiber: its random numbers are those of the state meanwhile,
// and what is built or decided must come out the same again.
static void current_set(struct tg_scheduler *scheduler, struct tg_fiber *fiber) {
  struct tg_fiber *old = scheduler->current;
  if (old) memcpy(old->random, old->box->random, sizeof old->random);
  if (fiber) memcpy(fiber->box->random, fiber->random, sizeof fiber->random);
  if (fiber) fiber->box->is_deterministic = fiber->kind != TG_FIBER_ATTEMPT;
  scheduler->current = fiber;
  interruptible = fiber ? &fiber->box->slice : NULL;
}

static bool is_late(const struct tg_fiber *fiber) {
  return fiber->meter.deadline_ms != INT64_MAX &&
         tg_clock_mono_ms(fiber->scheduler->clock) >= fiber->meter.deadline_ms;
}

// Gives the first of a queue its turn.
static void turn_give(struct tg_scheduler *scheduler, struct tg_fiber_list *queue) {
  struct tg_fiber *fiber = TAILQ_FIRST(queue);
  int nresults = 0;
  TAILQ_REMOVE(queue, fiber, link);
  fiber->state = TG_FIBER_RUNNING;
  current_set(scheduler, fiber);
  enum tg_turn turn = tg_script_turn(fiber->thread, &fiber->meter, fiber->nargs, &nresults);
  fiber->nargs = 0;
  current_set(scheduler, NULL);
  if (turn == TG_TURN_WAIT) {
    fiber->state = TG_FIBER_WAITING;
  } else if (turn == TG_TURN_SLICE && !is_late(fiber)) {
    ready_push(fiber, &scheduler->busy);
  } else {
    if (turn == TG_TURN_DONE) fiber->state = TG_FIBER_ENDED;
    fiber->finish(fiber, turn, nresults);
  }
}

static bool is_clogged(const struct tg_scheduler *scheduler) {
  return out_pending(scheduler) >= (size_t)TG_WORKER_OUT_BYTES_MAX;
}

bool tg_scheduler_is_runnable(const struct tg_scheduler *scheduler) {
  return !(TAILQ_EMPTY(&scheduler->fresh) && TAILQ_EMPTY(&scheduler->busy)) &&
         !is_clogged(scheduler);
}

int tg_scheduler_run(struct tg_scheduler *scheduler, int64_t ms) {
  int64_t end = tg_clock_mono_ms(scheduler->clock) + ms;
  while (!TAILQ_EMPTY(&scheduler->fresh) && !is_clogged(scheduler) &&
         tg_clock_mono_ms(scheduler->clock) < end)
    turn_give(scheduler, &scheduler->fresh);
  if (TAILQ_EMPTY(&scheduler->busy) || is_clogged(scheduler)) return 0;
  int failure = tg_channel_flush(scheduler->channel);
  if (failure == 0) turn_give(scheduler, &scheduler->busy);
  return failure;
}

int64_t tg_scheduler_expire(struct tg_scheduler *scheduler) {
  int64_t now = tg_clock_mono_ms(scheduler->clock), least = -1;
  const struct tg_map_slot *slot;
  if (scheduler->waiting_timed_count == 0) return -1;
  for (size_t at = 0; (slot = tg_map_next(&scheduler->waiting, &at));) {
    struct tg_fiber *fiber = slot->value;
    if (fiber->meter.deadline_ms == INT64_MAX) continue;
    int64_t left = fiber->meter.deadline_ms - now;
    if (left <= 0) {
      fiber->finish(fiber, TG_TURN_WAIT, 0); // which changes the map
      return 0;
    }
    if (least < 0 || left < least) least = left;
  }
  return least;
}

int tg_scheduler_reply(struct tg_scheduler *scheduler, struct tg_reader *body,
                       struct tg_error *err) {
  uint64_t request = tg_wire_get_u64(body);
  struct tg_reader rest = *body;
  struct tg_error reply_err;
  tg_wire_get_error(&rest, &reply_err);
  if (rest.is_failed) return tg_error_set(err, TG_EPROTOCOL, "a reply is malformed");
  struct tg_fiber *fiber = tg_map_get_number(&scheduler->waiting, request);
  if (!fiber) return TG_OK;
  waiting_clear(fiber);
  tg_buf_init(&fiber->body, (size_t)TG_FRAME_BYTES_MAX);
  if (!tg_buf_put(&fiber->body, body->at, (size_t)(body->end - body->at)))
    return tg_error_set(err, TG_ENOMEM, "the worker has no memory for a reply");
  ready_push(fiber, &fiber->scheduler->fresh);
  return TG_OK;
}

// --- Log ---

static void log_frame(struct tg_scheduler *scheduler, enum tg_log_level level, const char *text,
                      size_t len) {
  struct tg_buf *out = tg_channel_begin(scheduler->channel, TG_MESSAGE_LOG);
  tg_wire_put_u64(out, scheduler->current ? scheduler->current->attempt : 0);
  tg_wire_put_u8(out, (uint8_t)level);
  tg_wire_put_bytes(out, text, len);
  tg_channel_end(scheduler->channel, NULL);
}

static void log_dropped_tell(struct tg_scheduler *scheduler) {
  char text[96];
  int len = snprintf(text, sizeof text, "%llu lines were dropped: they came faster than they leave",
                     (unsigned long long)scheduler->current->log_lines_dropped);
  scheduler->current->log_lines_dropped = 0;
  log_frame(scheduler, TG_LOG_WARN, text, (size_t)len);
}

// Cuts before a byte that continues a character, never inside one.
static size_t log_cut(const char *text, size_t len) {
  size_t max = (size_t)TG_LOG_LINE_BYTES_MAX;
  if (len <= max) return len;
  for (len = max; len > max - 4 && ((unsigned char)text[len] & 0xC0) == 0x80; len--) {
  }
  return len;
}

void tg_scheduler_log(struct tg_scheduler *scheduler, enum tg_log_level level, const char *text,
                      size_t len) {
  struct tg_fiber *fiber = scheduler->current;
  if (fiber && out_pending(scheduler) > 2 * (size_t)TG_WORKER_OUT_BYTES_MAX) {
    fiber->log_lines_dropped++;
    return;
  }
  if (fiber && fiber->log_lines_dropped) log_dropped_tell(scheduler);
  log_frame(scheduler, level, text, log_cut(text, len));
}

// --- Fibers ---

void tg_fiber_init(struct tg_fiber *fiber, struct tg_scheduler *scheduler, struct tg_sandbox *box,
                   struct tg_fiber_list *siblings, enum tg_fiber_kind kind, int64_t deadline_ms) {
  *fiber = (struct tg_fiber){.scheduler = scheduler,
                             .box = box,
                             .siblings = siblings,
                             .kind = kind,
                             .thread_ref = LUA_NOREF};
  TAILQ_INSERT_TAIL(siblings, fiber, sibling_link);
  tg_meter_init(&fiber->meter, deadline_ms);
  tg_buf_init(&fiber->body, (size_t)TG_FRAME_BYTES_MAX);
}

struct start {
  struct tg_fiber *fiber;
  lua_CFunction prepare;
  void *self;
};

static int l_fiber_start(lua_State *L) {
  struct start *start = lua_touserdata(L, 1);
  struct tg_fiber *fiber = start->fiber;
  lua_settop(L, 0);
  fiber->thread = lua_newthread(L);
  fiber->thread_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushcfunction(L, start->prepare);
  lua_pushlightuserdata(L, start->self);
  lua_call(L, 1, LUA_MULTRET);
  fiber->nargs = lua_gettop(L) - 1;
  luaL_checkstack(L, 1, NULL);
  lua_xmove(L, fiber->thread, fiber->nargs + 1);
  return 0;
}

int tg_fiber_call(struct tg_fiber *fiber, lua_CFunction call, void *self, struct tg_error *err) {
  lua_State *L = fiber->box->L;
  lua_pushcfunction(L, call);
  lua_pushlightuserdata(L, self);
  current_set(fiber->scheduler, fiber);
  int status = tg_script_call(L, 1, 0, 0, &fiber->meter);
  current_set(fiber->scheduler, NULL);
  if (status == LUA_OK) return TG_OK;
  tg_fiber_read_error(fiber, L, err);
  lua_pop(L, 1);
  return err->code;
}

int tg_fiber_start(struct tg_fiber *fiber, lua_CFunction prepare, void *self,
                   struct tg_error *err) {
  struct start start = {.fiber = fiber, .prepare = prepare, .self = self};
  int code = tg_fiber_call(fiber, l_fiber_start, &start, err);
  if (code == TG_OK) ready_push(fiber, &fiber->scheduler->fresh);
  return code;
}

// When memory is refused, whoever holds the most is at fault, and not who asked last.
static bool is_hog(const struct tg_fiber *fiber) {
  const struct tg_fiber *other;
  TAILQ_FOREACH(other, fiber->siblings, sibling_link)
  if (other->meter.bytes > fiber->meter.bytes) return false;
  return true;
}

static void memory_error_set(const struct tg_fiber *fiber, struct tg_error *err) {
  if (is_hog(fiber))
    tg_error_set(err, TG_ENOMEM, "it needs more memory than its scripts may use (%lld MiB)",
                 (long long)(fiber->box->allocator.cap / TG_MIB));
  else
    tg_error_set(err, TG_ELOST, "another attempt used up the memory of this pipeline's scripts");
}

static bool is_memory_error(const struct tg_fiber *fiber, lua_State *L) {
  if (fiber->meter.stopped == TG_ENOMEM || lua_status(L) == LUA_ERRMEM) return true;
  return lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "not enough memory") == 0;
}

void tg_fiber_read_error(struct tg_fiber *fiber, lua_State *L, struct tg_error *err) {
  fiber->is_starved = is_memory_error(fiber, L);
  if (fiber->is_starved)
    memory_error_set(fiber, err);
  else
    tg_lua_read_error(L, -1, err);
}

void tg_fiber_place(const struct tg_fiber *fiber, char *text, size_t size) {
  lua_Debug at;
  *text = 0;
  for (int level = 0; lua_getstack(fiber->thread, level, &at); level++) {
    lua_getinfo(fiber->thread, "Sl", &at);
    if (*at.source != '@' || at.currentline <= 0) continue;
    snprintf(text, size, "%s:%d", at.source + 1, at.currentline);
    return;
  }
}

bool tg_fiber_is_open(const struct tg_fiber *fiber) {
  return fiber->scheduler;
}

void tg_fiber_close(struct tg_fiber *fiber) {
  struct tg_scheduler *scheduler = fiber->scheduler;
  waiting_clear(fiber);
  if (fiber->state == TG_FIBER_READY) TAILQ_REMOVE(fiber->queue, fiber, link);
  if (fiber->state != TG_FIBER_NEW && fiber->state != TG_FIBER_ENDED) {
    current_set(scheduler, fiber);
    tg_script_close(fiber->thread, &fiber->meter, TG_WORKER_GRACE_MS / 2);
    current_set(scheduler, NULL);
  }
  luaL_unref(fiber->box->L, LUA_REGISTRYINDEX, fiber->thread_ref);
  // Buffers of strings are refused without a collection: the next fiber must not pay for this one.
  if (fiber->is_starved) lua_gc(fiber->box->L, LUA_GCCOLLECT);
  TAILQ_REMOVE(fiber->siblings, fiber, sibling_link);
  tg_buf_deinit(&fiber->body);
  fiber->scheduler = NULL;
}
