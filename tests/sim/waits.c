// SPDX-License-Identifier: Apache-2.0
// Waiting for events and for people. Events come at any time, while a host is down, too, and are
// kept; whatever ends a wait is durable before the unit goes on, and never changes.
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "sim/checks.h"

enum { SLACK_MS = 2000, TEXT_MAX = 1024, SUBJECTS = 3, VALUES = 2, FIELDS_FEW = 4 };

static const char *const types[SIM_EVENT_TYPES] = {"go.a", "go.b", "go.c"};

// --- Filters and events, which follow from the seed and from where they are ---

enum subject { SUBJECT_NONE, SUBJECT_ANY, SUBJECT_EXACT, SUBJECT_PATTERN, SUBJECT_KINDS };

struct filter {
  uint32_t type, subject_number, field, value;
  enum subject subject;
  uint32_t fields; // how many of the data are asked for
  bool is_approval, is_since_run, has_source;
};

static struct filter filter_make(const struct sim *sim, uint64_t chance) {
  bool has_many = sim->field_count > FIELDS_FEW; // then all wait for one type
  return (struct filter){
      .is_approval = !has_many && chance % 4 == 0,
      .type = has_many ? 0 : (uint32_t)(chance / 4 % SIM_EVENT_TYPES),
      .subject = (enum subject)((chance >> 20) % SUBJECT_KINDS),
      .subject_number = (uint32_t)(chance >> 24) % SUBJECTS,
      .fields = has_many                 ? 1
                : (chance >> 28) % 4 < 2 ? 0
                                         : (uint32_t)(chance >> 28) % 4 - 1,
      .field = (uint32_t)(chance >> 32) % sim->field_count,
      .value = (uint32_t)(chance >> 40) % VALUES,
      .is_since_run = (chance >> 44) % 3 == 0,
      .has_source = (chance >> 48) % 4 == 0,
  };
}

static struct filter filter_of(const struct sim *sim, const struct sim_run *run, uint32_t task,
                               uint32_t item, uint32_t position) {
  return filter_make(sim, sim_wait_chance(sim, run, task, item, position));
}

static uint64_t event_chance(const struct sim *sim, uint32_t place, uint32_t what) {
  struct sim_random random = {sim->seed * 31 + place * UINT64_C(1000003) + what};
  return sim_random_next(&random);
}

// A field is a number, a text, a boolean, or a number further down, as its own number says.
static void field_put(struct tg_buf *out, uint32_t field, uint32_t value, bool is_filter) {
  if (is_filter && field % 4 == 3) tg_buf_putf(out, "\"o.f%u\":%u", field, value);
  if (!is_filter && field % 4 == 3) tg_buf_putf(out, "\"f%u\":%u.0", field, value);
  if (field % 4 == 0) tg_buf_putf(out, "\"f%u\":%u", field, value);
  if (field % 4 == 1) tg_buf_putf(out, "\"f%u\":\"v%u\"", field, value);
  if (field % 4 == 2) tg_buf_putf(out, "\"f%u\":%s", field, value ? "true" : "false");
}

static void filter_put(const struct sim *sim, const struct filter *filter, struct tg_buf *out) {
  tg_buf_putf(out, "{\"kind\":\"event\",\"type\":\"%s\"", types[filter->type]);
  if (filter->has_source) tg_buf_puts(out, ",\"source\":\"/sim\"");
  if (filter->subject == SUBJECT_EXACT)
    tg_buf_putf(out, ",\"subject\":\"s/%u\"", filter->subject_number);
  if (filter->subject == SUBJECT_PATTERN) tg_buf_puts(out, ",\"subject\":\"s/*\"");
  if (filter->is_since_run) tg_buf_puts(out, ",\"since\":\"run\"");
  for (uint32_t i = 0; i < filter->fields; i++) {
    tg_buf_puts(out, i ? "," : ",\"match\":{");
    field_put(out, (filter->field + i) % sim->field_count, filter->value, true);
  }
  tg_buf_puts(out, filter->fields ? "}}" : "}");
}

const char *sim_wait_text(struct sim *sim, uint64_t chance) {
  struct filter filter = filter_make(sim, chance);
  struct tg_buf text;
  if (filter.is_approval) return "{\"kind\":\"approval\",\"message\":\"may it?\"}";
  tg_buf_init(&text, TEXT_MAX);
  filter_put(sim, &filter, &text);
  const char *kept = tg_arena_strdup(&sim->arena, tg_buf_text(&text));
  tg_buf_deinit(&text);
  return kept;
}

// Of the subjects one is not like the pattern, and some events have none.
static uint32_t subject_of(const struct sim *sim, uint32_t place) {
  return (uint32_t)(event_chance(sim, place, 1) % (SUBJECTS + 2));
}

static bool is_of_other_source(const struct sim *sim, uint32_t place) {
  return event_chance(sim, place, 2) % 4 == 0;
}

static uint32_t value_of(const struct sim *sim, uint32_t place, uint32_t field) {
  return (uint32_t)(event_chance(sim, place, 3 + field) % VALUES);
}

static bool is_for(const struct sim *sim, const struct filter *filter, uint32_t place) {
  uint32_t subject = subject_of(sim, place);
  if (filter->is_approval || sim->arrivals[place].type != filter->type) return false;
  if (filter->has_source && is_of_other_source(sim, place)) return false;
  if (filter->subject == SUBJECT_EXACT && subject != filter->subject_number) return false;
  if (filter->subject == SUBJECT_PATTERN && subject >= SUBJECTS) return false;
  for (uint32_t i = 0; i < filter->fields; i++)
    if (value_of(sim, place, (filter->field + i) % sim->field_count) != filter->value) return false;
  return true;
}

const struct tg_step *sim_open_wait(const struct sim_unit *unit) {
  bool is_there = unit->parked_at < unit->step_count;
  const struct tg_step *step = is_there ? &unit->steps[unit->parked_at] : NULL;
  return step && step->wait && !step->result ? step : NULL;
}

// --- Events ---

static void body_put(const struct sim *sim, uint32_t place, struct tg_buf *out) {
  tg_buf_putf(out, "{\"id\":\"%u\",\"data\":{\"o\":{\"none\":0", place);
  for (uint32_t i = 3; i < sim->field_count; i += 4) {
    tg_buf_putc(out, ',');
    field_put(out, i, value_of(sim, place, i), false);
  }
  tg_buf_putc(out, '}');
  for (uint32_t i = 0; i < sim->field_count; i++) {
    if (i % 4 == 3) continue;
    tg_buf_putc(out, ',');
    field_put(out, i, value_of(sim, place, i), false);
  }
  tg_buf_puts(out, "}}");
}

static void bring(struct sim *sim, uint32_t place) {
  static const char *const subjects[SUBJECTS + 2] = {"s/0", "s/1", "s/2", "t/0", NULL};
  struct sim_arrival *arrival = &sim->arrivals[place];
  struct tg_buf body;
  tg_buf_init(&body, TEXT_MAX);
  body_put(sim, place, &body);
  struct tg_event event = {.number = place + 1,
                           .id = "id",
                           .source = is_of_other_source(sim, place) ? "/other" : "/sim",
                           .type = types[arrival->type],
                           .subject = subjects[subject_of(sim, place)],
                           .received_at = sim->now.wall_ms,
                           .body = tg_buf_text(&body)};
  arrival->host = sim->host;
  arrival->told_mono_ms = sim->now.mono_ms;
  sim_note(sim, types[arrival->type], NULL, NULL, place + 1);
  sim_input(sim, &(struct tg_input){.kind = TG_INPUT_EVENT, .event = &event});
  tg_buf_deinit(&body);
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
  struct filter filter = filter_of(sim, a->run, a->unit->task, a->unit->item, a->at);
  if (!sim_open_wait(a->unit) || !filter.is_approval || sim_random_chance(&sim->random, 300))
    return;
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

// An event that came while it waited has ended it; a later one has not.
static bool is_overtaken(const struct sim *sim, const struct sim_unit *unit,
                         const struct filter *filter, uint64_t after, uint64_t event) {
  for (uint64_t n = after + 1; n < event && unit->is_parked; n++) {
    const struct sim_arrival *arrival = &sim->arrivals[n - 1];
    if (arrival->host == sim->host && arrival->told_mono_ms > unit->parked_mono_ms &&
        is_for(sim, filter, (uint32_t)n - 1))
      return true;
  }
  return false;
}

static const char *end_fault(const struct sim *sim, const struct sim_unit *unit,
                             const struct filter *filter, const struct tg_step *row,
                             const struct tg_step *record) {
  char id[32];
  if (record->event) {
    uint32_t place = (uint32_t)record->event - 1;
    if (record->event > sim->arrival_count) return "is ended by an event that nobody sent";
    if (!is_for(sim, filter, place)) return "is ended by another event";
    snprintf(id, sizeof id, "\"id\":\"%u\"", place);
    if (!strstr(record->result, id)) return "is told another event than ended it";
    if (is_overtaken(sim, unit, filter, row->after, record->event))
      return "is ended by an event that came later";
    return record->event > row->after ? NULL : "is ended by an event that came before it";
  }
  if (strstr(record->result, "approved"))
    return filter->is_approval ? NULL : "is answered by nobody";
  if (!row->wake_at) return "ends for no reason";
  return record->ended_at < row->wake_at ? "is over before its time" : NULL;
}

static const char *intent_fault(const struct sim *sim, const struct sim_run *run,
                                const struct filter *filter, const struct tg_step *record) {
  uint64_t after = filter->is_since_run ? run->events_before : sim->arrival_count;
  if (filter->is_approval) after = 0;
  return record->after == after ? NULL : "waits for events from another moment on";
}

static const char *step_fault(const struct sim *sim, struct sim_run *run,
                              const struct tg_step *record) {
  struct sim_unit *unit = sim_unit_find(run, record->task, record->item);
  const struct tg_step *row =
      unit && record->position < unit->step_count ? &unit->steps[record->position] : NULL;
  struct filter filter = filter_of(sim, run, record->task, record->item, record->position);
  if (row && row->wait && record->result) return end_fault(sim, unit, &filter, row, record);
  return record->wait && !record->result ? intent_fault(sim, run, &filter, record) : NULL;
}

void sim_waits_decided(struct sim *sim, const struct tg_batch *batch) {
  for (size_t i = 0; i < batch->count; i++) {
    const struct tg_record *record = &batch->records[i];
    struct sim_run *run;
    sim_record_unit(sim, record, &run);
    if (run && record->kind == TG_RECORD_RUN && record->run.event_after != run->events_before)
      sim_fail(sim, "run %llu has begun before other events", (unsigned long long)run->row.number);
    const char *fault =
        run && record->kind == TG_RECORD_STEP ? step_fault(sim, run, &record->step) : NULL;
    if (fault)
      sim_fail(sim, "run %llu: step %u of task %u item %d %s", (unsigned long long)run->row.number,
               record->step.position, record->step.task, (int)record->step.item, fault);
  }
}

// A wait whose event came, or whose time is over, does not last.
const char *sim_wait_lasts(const struct sim *sim, const struct sim_run *run,
                           const struct sim_unit *unit) {
  const struct tg_step *step = unit->is_parked ? sim_open_wait(unit) : NULL;
  if (!step || unit->pending) return NULL;
  bool is_deadline_first = unit->deadline_mono_ms && unit->deadline_mono_ms <= unit->wake_mono_ms;
  // It is woken for that, or because the clock went back, and waits for a slot.
  if (is_deadline_first || unit->jumped_ms != sim->jumped_ms) return NULL;
  if (unit->wake_mono_ms + SLACK_MS < sim->now.mono_ms) return "waits and its time is over";
  struct filter filter = filter_of(sim, run, unit->task, unit->item, unit->parked_at);
  for (uint32_t i = (uint32_t)step->after; i < sim->arrival_count; i++) {
    const struct sim_arrival *arrival = &sim->arrivals[i];
    bool is_told =
        arrival->host == sim->host && arrival->told_mono_ms + SLACK_MS < sim->now.mono_ms;
    if (is_told && is_for(sim, &filter, i) && unit->parked_mono_ms + SLACK_MS < sim->now.mono_ms)
      return "waits and its event has come";
  }
  return NULL;
}
