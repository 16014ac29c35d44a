// SPDX-License-Identifier: Apache-2.0
// Waiting for events and for people. Events come at any time, while a host is down, too, and are
// kept; whatever ends a wait is durable before the unit goes on, and never changes.
#include <stdio.h>
#include <string.h>

#include "sim/world.h"

enum { SLACK_MS = 2000, TEXT_MAX = 96 };

static const char *const types[SIM_EVENT_TYPES] = {"go.a", "go.b", "go.c"};

const char *sim_wait_text(struct sim *sim, uint64_t chance) {
  char text[TEXT_MAX];
  if (chance % 4 == 0) return "{\"kind\":\"approval\",\"message\":\"may it?\"}";
  snprintf(text, sizeof text, "{\"kind\":\"event\",\"type\":\"%s\"}",
           types[chance / 4 % SIM_EVENT_TYPES]);
  return tg_arena_strdup(&sim->arena, text);
}

static bool is_for(const struct tg_step *step, uint32_t type) {
  return step->wait && strstr(step->wait, types[type]) != NULL;
}

static bool is_approval(const struct tg_step *step) {
  return step->wait && strstr(step->wait, "approval") != NULL;
}

const struct tg_step *sim_open_wait(const struct sim_unit *unit) {
  bool is_there = unit->parked_at < unit->step_count;
  const struct tg_step *step = is_there ? &unit->steps[unit->parked_at] : NULL;
  return step && step->wait && !step->result ? step : NULL;
}

// --- Events ---

static void bring(struct sim *sim, uint32_t place) {
  struct sim_arrival *arrival = &sim->arrivals[place];
  char body[TEXT_MAX];
  snprintf(body, sizeof body, "{\"type\":\"%s\",\"id\":\"%u\"}", types[arrival->type], place);
  struct tg_event event = {.number = place + 1,
                           .id = "id",
                           .source = "/sim",
                           .type = types[arrival->type],
                           .received_at = sim->now.wall_ms,
                           .body = body};
  arrival->host = sim->host;
  arrival->told_mono_ms = sim->now.mono_ms;
  sim_note(sim, types[arrival->type], NULL, NULL, place + 1);
  sim_input(sim, &(struct tg_input){.kind = TG_INPUT_EVENT, .event = &event});
}

void sim_event_arrive(struct sim *sim, uint64_t type) {
  if (sim->arrival_count == SIM_ARRIVALS_MAX) return;
  uint32_t place = sim->arrival_count++;
  sim->arrivals[place] = (struct sim_arrival){.type = (uint32_t)type};
  if (!sim->is_down) bring(sim, place);
}

void sim_events_look(struct sim *sim, uint64_t asked) {
  uint32_t after = (uint32_t)(asked / SIM_EVENT_TYPES), type = (uint32_t)(asked % SIM_EVENT_TYPES);
  for (uint32_t i = after; i < sim->arrival_count && !sim->is_down; i++)
    if (sim->arrivals[i].type == type) bring(sim, i);
}

void sim_events_asked(struct sim *sim, const struct tg_effect *effect) {
  for (uint32_t i = 0; i < SIM_EVENT_TYPES; i++)
    if (strcmp(types[i], effect->text) == 0)
      sim_event_add(sim, SIM_LOOK, sim_random_below(&sim->random, 50),
                    effect->after * SIM_EVENT_TYPES + i);
}

// --- People ---

void sim_person_asked(struct sim *sim, const struct sim_attempt *a) {
  const struct tg_step *step = sim_open_wait(a->unit);
  if (!step || !is_approval(step) || sim_random_chance(&sim->random, 300)) return;
  sim_event_add(sim, SIM_APPROVE, sim_random_time(&sim->random, 1, 3600000),
                sim_place(a->run, a->unit->task, a->unit->item));
}

// He may answer what is answered already, or what nobody asks any more.
void sim_person_answers(struct sim *sim, uint64_t place) {
  struct sim_unit *unit;
  struct sim_run *run = sim_place_find(sim, place, &unit);
  if (!unit || !run->is_live || !unit->step_count) return;
  sim_note(sim, "approved", run, unit, 0);
  sim_input(sim, &(struct tg_input){.kind = TG_INPUT_APPROVAL,
                                    .approval = {.run = run->row.number,
                                                 .task = unit->task,
                                                 .item = unit->item,
                                                 .position = unit->step_count - 1,
                                                 .result = "{\"value\":{\"approved\":true}}"}});
}

// --- Checks ---

const char *sim_wait_fault(const struct sim *sim, const struct tg_step *row,
                           const struct tg_step *record) {
  if (!row->wait || !record->result) return NULL;
  if (record->event) {
    if (record->event > sim->arrival_count) return "is ended by an event that nobody sent";
    if (!is_for(row, sim->arrivals[record->event - 1].type)) return "is ended by another event";
    return record->event > row->after ? NULL : "is ended by an event that came before it";
  }
  if (strstr(record->result, "approved")) return is_approval(row) ? NULL : "is answered by nobody";
  if (!row->wake_at) return "ends for no reason";
  bool is_early = record->ended_at < row->wake_at;
  return is_early ? "is over before its time" : NULL;
}

// A wait whose event came, or whose time is over, does not last.
const char *sim_wait_lasts(const struct sim *sim, const struct sim_unit *unit) {
  const struct tg_step *step = unit->is_parked ? sim_open_wait(unit) : NULL;
  if (!step || unit->pending) return NULL;
  bool is_deadline_first = unit->deadline_mono_ms && unit->deadline_mono_ms <= unit->wake_mono_ms;
  // It is woken for that, or because the clock went back, and waits for a slot.
  if (is_deadline_first || unit->jumped_ms != sim->jumped_ms) return NULL;
  if (unit->wake_mono_ms + SLACK_MS < sim->now.mono_ms) return "waits and its time is over";
  for (uint32_t i = (uint32_t)step->after; i < sim->arrival_count; i++) {
    const struct sim_arrival *arrival = &sim->arrivals[i];
    bool is_told =
        arrival->host == sim->host && arrival->told_mono_ms + SLACK_MS < sim->now.mono_ms;
    if (is_told && is_for(step, arrival->type) &&
        unit->parked_mono_ms + SLACK_MS < sim->now.mono_ms)
      return "waits and its event has come";
  }
  return NULL;
}
