// SPDX-License-Identifier: Apache-2.0
// Waiting for events and for people. A wait is a step whose record says what it is for:
//
//   {"kind": "event", "type", "source", "subject", "match"}   a filter (model/event.h)
//   {"kind": "approval", "message", "by": [name]}
//
// and whose result says what became of it, which every later attempt is given:
//
//   {"value": the event, or {"approved", "by", "comment", "at"}}
//   {"error": {"code", "class", "message", ...}}
//
// While a unit is parked at a wait for an event, it stands in a list that an event finds by its
// type, and by one field of its data or its subject if the filter asks for exactly one: thousands
// that wait for one order each do not look at the orders of the others. An event that came between
// the intent and the moment when the unit stands in the list is brought once more (LOOK). Whatever
// ends a wait, the result is durable before the unit goes on.
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "engine/engine_parts.h"
#include "model/json.h"

enum { FIELDS_MAX = 16 }; // of the data that are looked at for one type

struct tg_wait_list;

struct tg_wait {
  struct tg_live_run *run;
  uint32_t unit, position;
  struct tg_wait_list *list;
  struct tg_wait *before, *after;
};

// A field of the data that filters of a type ask for.
struct field {
  char *path;
  struct field *next;
};

struct tg_wait_list {
  char *key;
  struct tg_wait *first;
  struct field *fields;      // of the list of a type; they stay as long as it does
  struct tg_wait_list *type; // the list of the type, which stays while others refer to it; or NULL
  uint32_t references;
};

// --- What is waited for ---

static int event_wait_check(json_t *document, struct tg_error *err) {
  struct tg_event_filter filter;
  return tg_event_filter_parse(document, &filter, err);
}

static int approval_wait_check(const json_t *document, struct tg_error *err) {
  const json_t *by = json_object_get(document, "by");
  bool is_sound = json_is_string(json_object_get(document, "message")) &&
                  (!by || json_is_array(by)) && json_array_size(by) <= TG_APPROVERS_MAX;
  for (size_t i = 0; i < json_array_size(by); i++)
    is_sound &= json_is_string(json_array_get(by, i));
  return is_sound ? TG_OK : tg_error_set(err, TG_EINVALID, "an approval has a message");
}

static bool is_kind(const json_t *document, const char *kind) {
  const char *word = json_string_value(json_object_get(document, "kind"));
  return word && strcmp(word, kind) == 0;
}

// By default the events count that come from now on.
static uint64_t after_of(const struct tg_engine *engine, const struct tg_run *run,
                         const json_t *document) {
  const char *since = json_string_value(json_object_get(document, "since"));
  return since && strcmp(since, "run") == 0 ? run->event_after : engine->last_event;
}

char *tg_engine_wait_check(const struct tg_engine *engine, const struct tg_run *run,
                           const char *text, uint64_t *after, struct tg_error *err) {
  json_t *document = json_loads(text, 0, NULL);
  int code = is_kind(document, "event")      ? event_wait_check(document, err)
             : is_kind(document, "approval") ? approval_wait_check(document, err)
                                             : tg_error_set(err, TG_EINVALID, "no such wait");
  *after = is_kind(document, "event") ? after_of(engine, run, document) : 0;
  json_object_del(document, "since");
  char *kept = code ? NULL : json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(17));
  if (!code && !kept) tg_error_set(err, TG_ENOMEM, "no memory for a wait");
  json_decref(document);
  return kept;
}

// --- Lists ---

// A key is a type, or a type with one more condition in a second line. Numbers that are equal give
// one key, and unequal ones may.
static void condition_put(struct tg_buf *key, const char *path, const json_t *value) {
  tg_buf_putf(key, "\n%s\n", path);
  if (json_is_number(value))
    tg_buf_putf(key, "%.17g", json_number_value(value));
  else if (json_is_boolean(value))
    tg_buf_puts(key, json_is_true(value) ? "true" : "false");
  else
    tg_buf_put_json(key, json_string_value(value), json_string_length(value));
}

static void subject_put(struct tg_buf *key, const char *subject) {
  tg_buf_putf(key, "\n\n%s", subject);
}

static struct tg_wait_list *list_of(struct tg_engine *engine, const char *key,
                                    struct tg_wait_list *type) {
  struct tg_wait_list *list = tg_map_get(&engine->waits, key);
  if (list) return list;
  list = calloc(1, sizeof *list);
  char *own = strdup(key);
  if (!list || !own || tg_map_put(&engine->waits, key, list) != 0) {
    free(list);
    free(own);
    tg_engine_fail(engine, TG_ENOMEM, "out of memory");
    return NULL;
  }
  *list = (struct tg_wait_list){.key = own, .type = type};
  if (type) type->references++;
  return list;
}

static void list_free(struct tg_wait_list *list) {
  while (list->fields) {
    struct field *field = list->fields;
    list->fields = field->next;
    free(field->path);
    free(field);
  }
  free(list->key);
  free(list);
}

static void list_let_go(struct tg_engine *engine, struct tg_wait_list *list) {
  struct tg_wait_list *type = list->type;
  if (list->first || list->references) return;
  tg_map_remove(&engine->waits, list->key);
  list_free(list);
  if (!type) return;
  type->references--;
  list_let_go(engine, type);
}

// Notes that filters of a type ask for a field; false when there are too many fields already to
// look at each at each event.
static bool field_note(struct tg_engine *engine, struct tg_wait_list *type, const char *path) {
  uint32_t count = 0;
  for (const struct field *field = type->fields; field; field = field->next, count++)
    if (strcmp(field->path, path) == 0) return true;
  if (count == FIELDS_MAX) return false;
  struct field *field = malloc(sizeof *field);
  char *own = strdup(path);
  if (field && own) {
    *field = (struct field){own, type->fields};
    type->fields = field;
    return true;
  }
  free(field);
  free(own);
  tg_engine_fail(engine, TG_ENOMEM, "out of memory");
  return false;
}

// Gives the list where a filter belongs, or NULL when memory is out.
static struct tg_wait_list *list_for(struct tg_engine *engine,
                                     const struct tg_event_filter *filter) {
  struct tg_wait_list *type = list_of(engine, filter->type, NULL);
  void *first = json_object_iter(filter->match);
  bool is_exact = filter->subject && !strpbrk(filter->subject, "*?");
  struct tg_buf key;
  if (!type || (!first && !is_exact)) return type;
  if (first && !field_note(engine, type, json_object_iter_key(first))) return type;
  tg_buf_init(&key, SIZE_MAX / 2);
  tg_buf_puts(&key, filter->type);
  if (first)
    condition_put(&key, json_object_iter_key(first), json_object_iter_value(first));
  else
    subject_put(&key, filter->subject);
  struct tg_wait_list *list = list_of(engine, tg_buf_text(&key), type);
  tg_buf_deinit(&key);
  if (!list) list_let_go(engine, type);
  return list;
}

static void look(struct tg_engine *engine, const char *type, uint64_t after,
                 struct tg_live_run *run) {
  tg_engine_effect(engine, &(struct tg_effect){.kind = TG_EFFECT_LOOK,
                                               .run = run,
                                               .text = tg_arena_strdup(&run->arena, type),
                                               .after = after});
}

static void enter(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                  uint32_t position, const struct tg_event_filter *filter) {
  struct tg_live_notes *notes = run->tasks[unit].notes;
  struct tg_wait_list *list = list_for(engine, filter);
  struct tg_wait *wait = list ? malloc(sizeof *wait) : NULL;
  if (!wait) {
    tg_engine_fail(engine, TG_ENOMEM, "out of memory");
    return;
  }
  *wait = (struct tg_wait){
      .run = run, .unit = unit, .position = position, .list = list, .after = list->first};
  if (list->first) list->first->before = wait;
  list->first = wait;
  notes->wait = wait;
  uint64_t after = notes->steps[position].after;
  if (after < engine->last_event) look(engine, filter->type, after, run);
}

// What is waited for was checked when it was recorded.
static json_t *wait_read(struct tg_engine *engine, const char *text) {
  json_t *document;
  tg_engine_check(engine, tg_json_read(text, strlen(text), 0, &document, NULL));
  return document;
}

void tg_engine_wait_enter(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                          uint32_t position) {
  const struct tg_live_step *step = &run->tasks[unit].notes->steps[position];
  struct tg_event_filter filter;
  if (step->is_decided) return;
  json_t *document = wait_read(engine, step->wait);
  if (is_kind(document, "event") && tg_event_filter_parse(document, &filter, NULL) == TG_OK)
    enter(engine, run, unit, position, &filter);
  json_decref(document);
}

void tg_engine_wait_forget(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit) {
  struct tg_live_notes *notes = run->tasks[unit].notes;
  struct tg_wait *wait = notes ? notes->wait : NULL;
  if (!wait) return;
  if (wait->before)
    wait->before->after = wait->after;
  else
    wait->list->first = wait->after;
  if (wait->after) wait->after->before = wait->before;
  list_let_go(engine, wait->list);
  notes->wait = NULL;
  free(wait);
}

void tg_engine_waits_free(struct tg_engine *engine) {
  size_t at = 0;
  const struct tg_map_slot *slot;
  while ((slot = tg_map_next(&engine->waits, &at))) {
    struct tg_wait_list *list = slot->value;
    while (list->first) {
      struct tg_wait *wait = list->first;
      list->first = wait->after;
      free(wait);
    }
    list_free(list);
  }
  tg_map_deinit(&engine->waits);
}

// --- What ends a wait ---

static void decide(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit,
                   uint32_t position, const char *result, uint64_t event) {
  const struct tg_live_task *t = &run->tasks[unit];
  struct tg_live_step *step = &t->notes->steps[position];
  step->is_decided = true;
  tg_engine_wait_forget(engine, run, unit);
  tg_engine_record(engine, &(struct tg_record){.kind = TG_RECORD_STEP,
                                               .step = {.run = run->run.number,
                                                        .task = t->task,
                                                        .item = t->item,
                                                        .position = position,
                                                        .name = step->name,
                                                        .result = result,
                                                        .intended_at = engine->now.wall_ms,
                                                        .ended_at = engine->now.wall_ms,
                                                        .event = event}});
}

// Gives the step at which a unit is parked, if it waits for something that has not come.
static struct tg_live_step *open_step(const struct tg_live_task *t, uint32_t *position) {
  struct tg_live_notes *notes = t->notes;
  if (!notes || !notes->step_count) return NULL;
  *position = notes->step_count - 1; // nothing comes after a step that is open
  struct tg_live_step *step = &notes->steps[*position];
  return step->wait && !step->result ? step : NULL;
}

bool tg_engine_wait_timeout(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit) {
  static const char result[] = "{\"error\":{\"code\":\"timeout\",\"class\":\"permanent\","
                               "\"message\":\"what was waited for did not come in time\"}}";
  const struct tg_live_task *t = &run->tasks[unit];
  uint32_t position;
  const struct tg_live_step *step = t->is_parked ? open_step(t, &position) : NULL;
  if (!step) return false;
  if (step->is_decided) return true; // it is woken as soon as that is durable
  if (!step->wake_at || step->wake_at > engine->now.wall_ms) return false;
  decide(engine, run, unit, position, result, 0);
  return true;
}

void tg_engine_wait_over(struct tg_engine *engine, struct tg_live_run *run, uint32_t unit) {
  struct tg_live_task *t = &run->tasks[unit];
  if (!t->is_parked) return;
  t->notes->retry_at = 1; // it is due, whatever becomes of the wall clock
  if (t->state == TG_TASK_WAITING && !t->is_deciding)
    tg_engine_check(engine, tg_live_make_ready(run, unit));
}

// --- Events ---

struct arrival {
  struct tg_engine *engine;
  const struct tg_event *event;
  const json_t *data;
  char *result;     // of the waits that it ends
  const char *text; // the filter that was read last: many wait for the same
  json_t *document;
  struct tg_event_filter filter;
};

static bool is_waited_for(struct arrival *arrival, const struct tg_live_step *step) {
  if (step->after >= arrival->event->number) return false;
  if (!arrival->text || strcmp(arrival->text, step->wait) != 0) {
    json_decref(arrival->document);
    arrival->text = step->wait;
    arrival->document = wait_read(arrival->engine, step->wait);
    if (tg_event_filter_parse(arrival->document, &arrival->filter, NULL) != TG_OK) {
      arrival->text = NULL;
      return false;
    }
  }
  return tg_event_filter_matches(&arrival->filter, arrival->event, arrival->data);
}

static void list_try(struct arrival *arrival, const char *key) {
  const struct tg_wait_list *list = tg_map_get(&arrival->engine->waits, key);
  struct tg_wait *next = list ? list->first : NULL;
  while (next) {
    const struct tg_wait wait = *next;
    const struct tg_live_notes *notes = wait.run->tasks[wait.unit].notes;
    if (is_waited_for(arrival, &notes->steps[wait.position]))
      decide(arrival->engine, wait.run, wait.unit, wait.position, arrival->result,
             arrival->event->number);
    next = wait.after;
  }
}

// The list of the type comes last: it may go when the last of the others has gone.
static void lists_try(struct arrival *arrival, struct tg_buf *key) {
  const struct tg_event *event = arrival->event;
  struct tg_wait_list *type = tg_map_get(&arrival->engine->waits, event->type);
  if (!type) return;
  type->references++;
  for (const struct field *field = type->fields; field; field = field->next) {
    const json_t *value = tg_event_data_get(arrival->data, field->path);
    if (!json_is_string(value) && !json_is_number(value) && !json_is_boolean(value)) continue;
    tg_buf_clear(key);
    tg_buf_puts(key, event->type);
    condition_put(key, field->path, value);
    list_try(arrival, tg_buf_text(key));
  }
  if (event->subject) {
    tg_buf_clear(key);
    tg_buf_puts(key, event->type);
    subject_put(key, event->subject);
    list_try(arrival, tg_buf_text(key));
  }
  list_try(arrival, event->type);
  type->references--;
  list_let_go(arrival->engine, type);
}

// A body that is no JSON has no data to match.
static int body_read(const char *text, json_t **body) {
  int code = tg_json_read(text, strlen(text), JSON_ALLOW_NUL, body, NULL);
  return code == TG_ENOMEM ? code : TG_OK;
}

void tg_engine_event(struct tg_engine *engine, const struct tg_event *event) {
  if (event->number > engine->last_event) engine->last_event = event->number;
  if (!tg_map_get(&engine->waits, event->type)) return;
  struct tg_buf result, key;
  json_t *body = NULL;
  tg_engine_check(engine, body_read(event->body, &body));
  tg_buf_init(&result, SIZE_MAX / 2);
  tg_buf_init(&key, SIZE_MAX / 2);
  tg_buf_putf(&result, "{\"value\":%s}", event->body);
  struct arrival arrival = {.engine = engine,
                            .event = event,
                            .data = json_object_get(body, "data"),
                            .result = result.data};
  if (result.is_failed)
    tg_engine_fail(engine, TG_ENOMEM, "out of memory");
  else
    lists_try(&arrival, &key);
  json_decref(arrival.document);
  json_decref(body);
  tg_buf_deinit(&key);
  tg_buf_deinit(&result);
}

// --- People ---

void tg_engine_approval(struct tg_engine *engine, const struct tg_input *input) {
  struct tg_live_run *run = tg_engine_find_run(engine, input->approval.run);
  uint32_t unit = run ? tg_live_unit(run, input->approval.task, input->approval.item) : UINT32_MAX;
  uint32_t position;
  if (unit == UINT32_MAX) return;
  const struct tg_live_task *t = &run->tasks[unit];
  const struct tg_live_step *step = open_step(t, &position);
  if (!step || step->is_decided || position != input->approval.position) return;
  if (tg_task_state_is_terminal((enum tg_task_state)t->state) || tg_live_is_cut(run, unit)) return;
  json_t *document = wait_read(engine, step->wait);
  if (is_kind(document, "approval")) decide(engine, run, unit, position, input->approval.result, 0);
  json_decref(document);
}
