// SPDX-License-Identifier: Apache-2.0
#include "engine/resources.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

bool tg_resource_name_is_valid(const char *name) {
  size_t len = strlen(name);
  for (size_t i = 0; i < len; i++)
    if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f) return false;
  return len > 0 && len <= TG_NAME_BYTES_MAX;
}

void tg_resource_rules_init(struct tg_resource_rules *rules) {
  *rules = (struct tg_resource_rules){.has_breaker = true, .has_budget = true};
  tg_breaker_policy_init(&rules->breaker);
  tg_budget_policy_init(&rules->budget);
}

void tg_resources_init(struct tg_resources *resources) {
  *resources = (struct tg_resources){0};
  tg_map_init(&resources->states);
  tg_map_init(&resources->rules);
}

static void state_free(struct tg_resource_state *state) {
  free(state->name);
  free(state->reason);
  free(state);
}

void tg_resources_deinit(struct tg_resources *resources) {
  const struct tg_map_slot *slot;
  for (size_t at = 0; (slot = tg_map_next(&resources->states, &at));) state_free(slot->value);
  for (size_t at = 0; (slot = tg_map_next(&resources->rules, &at));) free(slot->value);
  tg_map_deinit(&resources->states);
  tg_map_deinit(&resources->rules);
}

static void rules_follow(struct tg_resources *resources, struct tg_resource_state *state) {
  const struct tg_resource_rules *said = tg_map_get(&resources->rules, state->name);
  if (said)
    state->rules = *said;
  else
    tg_resource_rules_init(&state->rules);
  state->rules.name = state->name;
}

int tg_resources_rule(struct tg_resources *resources, const struct tg_resource_rules *rules) {
  struct tg_resource_rules *known = tg_map_get(&resources->rules, rules->name);
  if (!known) {
    known = malloc(sizeof *known);
    if (!known || tg_map_put(&resources->rules, rules->name, known)) {
      free(known);
      return TG_ENOMEM;
    }
  }
  *known = *rules;
  struct tg_resource_state *state = tg_map_get(&resources->states, rules->name);
  if (state) rules_follow(resources, state);
  return TG_OK;
}

struct tg_resource_state *tg_resources_get(struct tg_resources *resources, const char *name,
                                           int64_t now_wall_ms) {
  struct tg_resource_state *state = tg_map_get(&resources->states, name);
  if (state) return state;
  state = calloc(1, sizeof *state);
  if (!state) return NULL;
  state->name = strdup(name);
  if (!state->name || tg_map_put(&resources->states, name, state)) {
    state_free(state);
    return NULL;
  }
  rules_follow(resources, state);
  tg_breaker_init(&state->breaker);
  tg_budget_init(&state->budget, &state->rules.budget, now_wall_ms);
  return state;
}

int tg_resources_restore(struct tg_resources *resources, const struct tg_resource *record,
                         int64_t now_wall_ms) {
  struct tg_resource_state *state = tg_resources_get(resources, record->name, now_wall_ms);
  if (!state) return TG_ENOMEM;
  if (tg_budget_decode(&state->budget, record->budget, strlen(record->budget), NULL))
    tg_budget_init(&state->budget, &state->rules.budget, now_wall_ms);
  if (tg_breaker_decode(&state->breaker, record->breaker, strlen(record->breaker), NULL))
    return TG_OK;
  memset(state->breaker.probes, 0, sizeof state->breaker.probes);
  if (state->breaker.phase == TG_BREAKER_CLOSED) return TG_OK;
  state->opened_at = record->opened_at;
  state->reason = record->reason ? strdup(record->reason) : NULL;
  return record->reason && !state->reason ? TG_ENOMEM : TG_OK;
}

static void changed(struct tg_resources *resources, struct tg_resource_state *state) {
  if (!state->is_changed) resources->changed++;
  state->is_changed = true;
}

// Notes what a breaker has become. The successes of a closed one are not worth a record, unless
// its rule is a share.
static void breaker_changed(struct tg_resources *resources, struct tg_resource_state *state,
                            const struct tg_breaker *before) {
  const struct tg_breaker *breaker = &state->breaker;
  bool is_counted = breaker->failures != before->failures ||
                    (state->rules.breaker.share_permille &&
                     memcmp(breaker->buckets, before->buckets, sizeof breaker->buckets) != 0);
  if (breaker->serial != before->serial || is_counted) changed(resources, state);
  if (breaker->phase != before->phase) state->is_turned = true;
}

struct tg_breaker_answer tg_resource_ask(struct tg_resources *resources,
                                         struct tg_resource_state *state, int64_t now_wall_ms) {
  if (!state->rules.has_breaker) return (struct tg_breaker_answer){.verdict = TG_BREAKER_ALLOW};
  struct tg_breaker before = state->breaker;
  struct tg_breaker_answer answer =
      tg_breaker_ask(&state->rules.breaker, &state->breaker, now_wall_ms);
  breaker_changed(resources, state, &before);
  return answer;
}

// A worker's death says nothing about what its task was talking to.
static enum tg_class class_of(const struct tg_error *err) {
  if (!err->code) return TG_CLASS_NONE;
  return err->class == TG_CLASS_LOST ? TG_CLASS_CANCELLED : err->class;
}

int tg_resource_report(struct tg_resources *resources, struct tg_resource_state *state,
                       int64_t now_wall_ms, uint64_t ticket, const struct tg_error *err) {
  if (!state->rules.has_breaker) return TG_OK;
  struct tg_breaker before = state->breaker;
  tg_breaker_report(&state->rules.breaker, &state->breaker, now_wall_ms, ticket, class_of(err),
                    err->retry_after_ms);
  breaker_changed(resources, state, &before);
  bool is_open = state->breaker.phase == TG_BREAKER_OPEN;
  if (!is_open || state->breaker.serial == before.serial) return TG_OK;
  if (before.phase == TG_BREAKER_CLOSED) state->opened_at = now_wall_ms;
  free(state->reason);
  state->reason = strdup(err->text);
  return state->reason ? TG_OK : TG_ENOMEM;
}

void tg_resource_deposit(struct tg_resource_state *state, int64_t now_wall_ms) {
  tg_budget_deposit(&state->rules.budget, &state->budget, now_wall_ms);
}

bool tg_resource_spend(struct tg_resources *resources, struct tg_resource_state *state,
                       int64_t now_wall_ms) {
  if (!state->rules.has_budget) return true;
  changed(resources, state);
  return tg_budget_try(&state->rules.budget, &state->budget, now_wall_ms);
}

void tg_resource_put(const struct tg_resource_state *state, struct tg_resource_record *record) {
  const struct tg_breaker *breaker = &state->breaker;
  bool is_closed = breaker->phase == TG_BREAKER_CLOSED;
  tg_breaker_encode(breaker, record->breaker);
  tg_budget_encode(&state->budget, record->budget);
  record->resource = (struct tg_resource){
      .name = state->name,
      .phase = tg_breaker_phase_word(breaker->phase),
      .opened_at = is_closed ? 0 : state->opened_at,
      .retry_at = breaker->phase == TG_BREAKER_OPEN ? breaker->retry_at : 0,
      .reason = is_closed ? NULL : state->reason,
      .breaker = record->breaker,
      .budget = record->budget,
  };
}
