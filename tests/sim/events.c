// SPDX-License-Identifier: Apache-2.0
// What has happened, as lines for people, and what is to happen, as a heap by instant.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/world.h"

// --- What happened ---

void sim_fail(struct sim *sim, const char *format, ...) {
  if (*sim->failure) return;
  va_list args;
  va_start(args, format);
  vsnprintf(sim->failure, sizeof sim->failure, format, args);
  va_end(args);
}

static void line_write(const struct sim *sim, const char *what, const struct sim_run *run,
                       const struct sim_unit *unit, int64_t value, char line[SIM_LAST_LEN]) {
  char where[64] = "";
  if (run && unit && unit->item != TG_NO_ITEM)
    snprintf(where, sizeof where, "run %llu task %u[%u]", (unsigned long long)run->row.number,
             unit->task, unit->item);
  else if (run && unit)
    snprintf(where, sizeof where, "run %llu task %u", (unsigned long long)run->row.number,
             unit->task);
  else if (run)
    snprintf(where, sizeof where, "run %llu", (unsigned long long)run->row.number);
  snprintf(line, SIM_LAST_LEN, "%12.3f  host %u  %s  %s  %lld",
           (double)(sim->now.mono_ms - sim->begun_ms) / 1000, sim->host, where, what,
           (long long)value);
}

void sim_note(struct sim *sim, const char *what, const struct sim_run *run,
              const struct sim_unit *unit, int64_t value) {
  for (const char *c = what; *c; c++) sim_hash_number(sim, (uint8_t)*c);
  sim_hash_number(sim, (uint64_t)sim->now.mono_ms);
  sim_hash_number(sim, run ? run->row.number : 0);
  sim_hash_number(sim, unit ? (uint64_t)unit->task << 32 | unit->item : 0);
  sim_hash_number(sim, (uint64_t)value);
  if (sim->trace == SIM_TRACE_NONE) return;
  char *line = sim->last[sim->noted++ % SIM_LAST_COUNT];
  line_write(sim, what, run, unit, value, line);
  if (sim->trace == SIM_TRACE_ALL) puts(line);
}

void sim_world_tell(const struct sim *sim) {
  uint64_t first = sim->noted > SIM_LAST_COUNT ? sim->noted - SIM_LAST_COUNT : 0;
  for (uint64_t i = first; i < sim->noted; i++) puts(sim->last[i % SIM_LAST_COUNT]);
}

// --- Events ---

static bool is_before(const struct sim_event *a, const struct sim_event *b) {
  return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void event_put(struct sim *sim, const struct sim_event *event) {
  if (sim->event_count == sim->event_cap) {
    sim->event_cap = sim->event_cap ? sim->event_cap * 2 : 64;
    sim->events = realloc(sim->events, sim->event_cap * sizeof *sim->events);
    if (!sim->events) abort();
  }
  size_t at = sim->event_count++;
  for (; at && is_before(event, &sim->events[(at - 1) / 2]); at = (at - 1) / 2)
    sim->events[at] = sim->events[(at - 1) / 2];
  sim->events[at] = *event;
}

struct sim_event sim_event_take(struct sim *sim) {
  struct sim_event first = sim->events[0], last = sim->events[--sim->event_count];
  size_t at = 0;
  for (size_t child; (child = at * 2 + 1) < sim->event_count; at = child) {
    if (child + 1 < sim->event_count && is_before(&sim->events[child + 1], &sim->events[child]))
      child++;
    if (!is_before(&sim->events[child], &last)) break;
    sim->events[at] = sim->events[child];
  }
  sim->events[at] = last;
  return first;
}

// What is only of this host ends with it.
static bool is_of_host(enum sim_event_kind kind) {
  switch (kind) {
  case SIM_BEGIN:
  case SIM_BACKFILL:
  case SIM_ARRIVE:
  case SIM_APPROVE:
  case SIM_CANCEL:
  case SIM_CUT:
  case SIM_JUMP:
  case SIM_DRAIN:
  case SIM_CRASH:
    return false;
  default:
    return true;
  }
}

void sim_event_add(struct sim *sim, enum sim_event_kind kind, int64_t wait_ms, uint64_t number) {
  event_put(sim, &(struct sim_event){.at_ms = sim->now.mono_ms + wait_ms,
                                     .order = ++sim->last_order,
                                     .kind = kind,
                                     .host = is_of_host(kind) ? sim->host : 0,
                                     .number = number});
}
