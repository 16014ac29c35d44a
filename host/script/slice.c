// SPDX-License-Identifier: Apache-2.0
#include "script/slice.h"

#include <lauxlib.h>
#include <string.h>

#include "base/limits.h"
#include "script/lua_error.h"

enum {
  INSTRUCTIONS_WHEN_DUE = 97, // prime, so that it does not keep step with a loop
  STEPS_PER_LOOK = 100000,    // work of C functions between two looks at the clock
};

// The extra space that Lua keeps in front of each thread holds the address of the time keeper,
// which a new thread inherits from the main one, and two marks of the thread itself in its lowest
// bits.
enum { MARK_OWNED = 1, MARK_WAITING = 2, MARKS = MARK_OWNED | MARK_WAITING };

static uintptr_t thread_word(lua_State *L) {
  uintptr_t word;
  memcpy(&word, lua_getextraspace(L), sizeof word);
  return word;
}

static void thread_mark(lua_State *L, uintptr_t mark, bool is_set) {
  uintptr_t word = thread_word(L);
  word = is_set ? word | mark : word & ~mark;
  memcpy(lua_getextraspace(L), &word, sizeof word);
}

struct tg_timekeeper *tg_slice_of(lua_State *L) {
  return (struct tg_timekeeper *)(thread_word(L) & ~(uintptr_t)MARKS);
}

void tg_script_own(lua_State *co) {
  thread_mark(co, MARK_OWNED, true);
}

bool tg_script_is_owned(lua_State *co) {
  return thread_word(co) & MARK_OWNED;
}

bool tg_script_is_waiting(lua_State *co) {
  return thread_word(co) & MARK_WAITING;
}

void tg_meter_init(struct tg_meter *meter, int64_t deadline_ms) {
  *meter = (struct tg_meter){.deadline_ms = deadline_ms};
}

static void hook(lua_State *L, lua_Debug *at);

// Setting a hook walks all calls of the coroutine, so it is done only when something changes. With
// 0 instructions there is none.
static void arm(lua_State *L, int instructions) {
  lua_Hook wanted = instructions ? hook : NULL;
  if (lua_gethook(L) == wanted && lua_gethookcount(L) == instructions) return;
  lua_sethook(L, wanted, wanted ? LUA_MASKCOUNT : 0, instructions);
}

static void arm_for_turn(struct tg_timekeeper *slice, lua_State *L) {
  bool is_urgent = slice->is_due || (slice->meter && slice->meter->stopped);
  arm(L, is_urgent ? 1 : slice->instructions);
}

// Setting the hook here, in the middle of an allocation, is what lua_sethook allows: it may be
// called from a signal handler.
static void on_pressure(void *self, int is_final) {
  struct tg_timekeeper *slice = self;
  if (!slice->meter) return;
  if (is_final) slice->meter->refusals++;
  arm(slice->running, 1);
}

void tg_slice_interrupt(struct tg_timekeeper *slice) {
  if (slice->meter) arm(slice->running, 1);
}

void tg_slice_init(struct tg_timekeeper *slice, lua_State *L, const struct tg_clock *clock,
                   struct tg_allocator *allocator, bool has_interrupts) {
  *slice = (struct tg_timekeeper){.clock = clock,
                                  .allocator = allocator,
                                  .running = L,
                                  .instructions = has_interrupts ? 0 : TG_SLICE_INSTRUCTIONS};
  uintptr_t word = (uintptr_t)slice;
  memcpy(lua_getextraspace(L), &word, sizeof word);
  if (!allocator) return;
  allocator->churn_max = TG_SLICE_BYTES;
  allocator->on_pressure = on_pressure;
  allocator->self = slice;
}

static int64_t now_ms(const struct tg_timekeeper *slice) {
  return tg_clock_mono_ms(slice->clock);
}

static void stop(struct tg_meter *meter, int code, const char *reason) {
  meter->stopped = code;
  meter->reason = reason;
}

// Stops the attempt if it used up what cannot be used again.
static void stop_if_over(struct tg_timekeeper *slice, int64_t now) {
  struct tg_meter *meter = slice->meter;
  if (meter->stopped) return;
  if (atomic_load(&meter->is_cancelled))
    stop(meter, TG_ECANCELLED, "cancelled");
  else if (now >= meter->deadline_ms)
    stop(meter, TG_ELIMIT, "it used up the time it may take");
  else if (now >= slice->pinned_end_ms)
    stop(meter, TG_ELIMIT,
         "a call that cannot be interrupted (a sort comparator, a gsub callback, a metamethod or a "
         "library function on large data) took too long");
  else if (meter->refusals > TG_SCRIPT_REFUSALS_MAX)
    stop(meter, TG_ENOMEM, "it ran out of memory again and again");
}

static int raise_stopped(lua_State *L) {
  struct tg_timekeeper *slice = tg_slice_of(L);
  lua_Debug at = {.currentline = -1};
  struct tg_error err;
  if (lua_getstack(L, 0, &at)) lua_getinfo(L, "Sl", &at);
  if (at.currentline > 0)
    tg_error_set(&err, slice->meter->stopped, "%s:%d: %s", at.short_src, at.currentline,
                 slice->meter->reason);
  else
    tg_error_set(&err, slice->meter->stopped, "%s", slice->meter->reason);
  arm(L, 1);
  luaL_checkstack(L, 8, NULL);
  tg_lua_push_error(L, &err);
  return lua_error(L);
}

static void forget_work(struct tg_timekeeper *slice) {
  slice->steps = 0;
  if (slice->allocator) slice->allocator->churn = 0;
}

static bool may_yield(const struct tg_timekeeper *slice, lua_State *L) {
  return lua_isyieldable(L) && slice->pinned == 0;
}

static void hook(lua_State *L, lua_Debug *at) {
  (void)at;
  struct tg_timekeeper *slice = tg_slice_of(L);
  struct tg_meter *meter = slice->meter;
  if (!meter) return;
  if (meter->stopped) {
    raise_stopped(L);
    return;
  }
  forget_work(slice);
  int64_t now = now_ms(slice);
  bool is_over = now >= slice->turn_end_ms || now >= meter->deadline_ms;
  if (may_yield(slice, L) && (is_over || atomic_load(&meter->is_cancelled))) {
    slice->suspend = TG_SUSPEND_SLICE;
    lua_yield(L, 0);
    return;
  }
  stop_if_over(slice, now);
  if (meter->stopped) raise_stopped(L);
  slice->is_due = now >= slice->turn_end_ms;
  arm(L, slice->is_due ? INSTRUCTIONS_WHEN_DUE : slice->instructions);
}

bool tg_slice_work(lua_State *L, int64_t steps) {
  struct tg_timekeeper *slice = tg_slice_of(L);
  slice->steps += steps;
  if (slice->steps < STEPS_PER_LOOK || !slice->meter) return false;
  slice->steps = 0;
  int64_t now = now_ms(slice);
  stop_if_over(slice, now);
  if (slice->meter->stopped) raise_stopped(L);
  if (now < slice->turn_end_ms) return false;
  slice->is_due = true;
  arm(L, 1);
  return may_yield(slice, L);
}

int tg_slice_yield(lua_State *L, lua_KContext context, lua_KFunction again) {
  tg_slice_of(L)->suspend = TG_SUSPEND_SLICE;
  return lua_yieldk(L, 0, context, again);
}

void tg_slice_leave(lua_State *L) {
  if (tg_slice_of(L)->is_due) arm(L, 1);
}

int tg_script_resume(lua_State *co, lua_State *from, int nargs, int *nresults) {
  struct tg_timekeeper *slice = tg_slice_of(co);
  lua_State *outer = slice->running;
  slice->running = co;
  slice->suspend = TG_SUSPEND_NONE;
  thread_mark(co, MARK_WAITING, false);
  arm_for_turn(slice, co);
  int status = lua_resume(co, from, nargs, nresults);
  thread_mark(co, MARK_WAITING, status == LUA_YIELD && slice->suspend != TG_SUSPEND_NONE);
  slice->running = outer;
  if (from) arm_for_turn(slice, from);
  return status;
}

int tg_script_reset(lua_State *co, lua_State *from) {
  struct tg_timekeeper *slice = tg_slice_of(co);
  lua_State *outer = slice->running;
  slice->running = co;
  slice->pinned++;
  thread_mark(co, MARK_WAITING, false);
  arm_for_turn(slice, co);
#if LUA_VERSION_RELEASE_NUM >= 50406
  int status = lua_closethread(co, from);
#else
  int status = lua_resetthread(co);
#endif
  slice->pinned--;
  slice->running = outer;
  if (from) arm_for_turn(slice, from);
  return status;
}

// Begins a turn and gives the time keeper as it was, for the end of the turn: a call may be made
// while another one runs.
static struct tg_timekeeper turn_begin(struct tg_timekeeper *slice, struct tg_meter *meter,
                                       int64_t turn_end_ms, int64_t pinned_end_ms) {
  struct tg_timekeeper before = *slice;
  slice->meter = meter;
  slice->turn_end_ms = turn_end_ms;
  slice->pinned_end_ms = pinned_end_ms;
  slice->is_due = false;
  slice->depth = slice->pinned = 0;
  forget_work(slice);
  if (slice->allocator) slice->allocator->charge = &meter->bytes;
  return before;
}

static void turn_end(struct tg_timekeeper *slice, const struct tg_timekeeper *before) {
  *slice = *before;
  if (slice->allocator) slice->allocator->charge = before->meter ? &before->meter->bytes : NULL;
}

enum tg_turn tg_script_turn(lua_State *co, struct tg_meter *meter, int nargs, int *nresults) {
  struct tg_timekeeper *slice = tg_slice_of(co);
  int64_t now = now_ms(slice);
  struct tg_timekeeper before =
      turn_begin(slice, meter, now + TG_SLICE_MS, now + TG_UNYIELDABLE_MS);
  int status = tg_script_resume(co, NULL, nargs, nresults);
  enum tg_suspend suspend = slice->suspend;
  turn_end(slice, &before);
  if (status == LUA_OK) return TG_TURN_DONE;
  if (status != LUA_YIELD) return TG_TURN_FAILED;
  return suspend == TG_SUSPEND_HOST ? TG_TURN_WAIT : TG_TURN_SLICE;
}

int tg_script_call(lua_State *L, int nargs, int nresults, int handler, struct tg_meter *meter) {
  struct tg_timekeeper *slice = tg_slice_of(L);
  struct tg_timekeeper before = turn_begin(slice, meter, INT64_MAX, INT64_MAX);
  slice->pinned = 1;
  slice->running = L;
  arm_for_turn(slice, L);
  int status = lua_pcall(L, nargs, nresults, handler);
  turn_end(slice, &before);
  if (slice->meter)
    arm_for_turn(slice, L);
  else
    lua_sethook(L, NULL, 0, 0);
  return status;
}

int tg_script_close(lua_State *co, struct tg_meter *meter, int64_t budget_ms) {
  struct tg_timekeeper *slice = tg_slice_of(co);
  meter->stopped = TG_OK;
  meter->refusals = 0;
  meter->deadline_ms = now_ms(slice) + budget_ms;
  atomic_store(&meter->is_cancelled, false);
  struct tg_timekeeper before = turn_begin(slice, meter, INT64_MAX, INT64_MAX);
  int status = tg_script_reset(co, NULL);
  turn_end(slice, &before);
  return status;
}

void tg_script_check_wait(lua_State *L) {
  struct tg_timekeeper *slice = tg_slice_of(L);
  if (slice->meter && slice->meter->stopped) raise_stopped(L);
  if (may_yield(slice, L)) return;
  if (slice->running == L && !slice->pinned)
    luaL_error(L, "cannot wait for the host inside a call from C (a sort comparator, a gsub "
                  "callback, a metamethod): do it before, and use the result there");
  luaL_error(L, "cannot wait for the host here: only tasks can");
}

int tg_script_wait(lua_State *L, lua_KContext context, lua_KFunction reply) {
  tg_slice_of(L)->suspend = TG_SUSPEND_HOST;
  return lua_yieldk(L, 0, context, reply);
}
