// SPDX-License-Identifier: Apache-2.0
// Resources that tasks of all pipelines share: while a breaker is open nothing starts that needs
// it, a failed probe opens it again, and retries stay within their budgets, whatever hosts end
// meanwhile. What the engine says of a resource in its records is held against what its attempts
// told.
#include <string.h>

#include "sim/checks.h"

enum { MINUTE_MS = 60000, SLACK_MS = 1000 };

static const char *const names[SIM_RESOURCES] = {"lake", "mail"};

struct sim_resource *sim_resource_of(struct sim *sim, const struct sim_task *task) {
  return task->resource == SIM_NONE ? NULL : &sim->resources[task->resource];
}

static void share_make(struct sim_random *random, struct tg_breaker_policy *policy) {
  policy->share_permille = 100 + 100 * sim_random_below(random, 9);
  policy->calls_min = 2 + sim_random_below(random, 5);
  policy->window_ms = sim_random_time(random, 1000, 60 * MINUTE_MS);
  if (sim_random_chance(random, 500)) policy->failures_max = 0;
}

void sim_resources_make(struct sim *sim) {
  struct sim_random *random = &sim->random;
  for (uint32_t i = 0; i < SIM_RESOURCES; i++) {
    struct sim_resource *r = &sim->resources[i];
    r->rules = (struct tg_resource_rules){.name = names[i]};
    r->rules.has_breaker = sim_random_chance(random, 800);
    r->rules.has_budget = sim_random_chance(random, 500);
    tg_breaker_policy_init(&r->rules.breaker);
    r->rules.breaker.failures_max = 1 + sim_random_below(random, 4);
    if (sim_random_chance(random, 300)) share_make(random, &r->rules.breaker);
    r->rules.breaker.open_ms = sim_random_time(random, 1, 10 * MINUTE_MS);
    r->rules.breaker.probes_max = 1 + sim_random_below(random, 3);
    r->rules.breaker.successes_to_close = 1 + sim_random_below(random, 3);
    r->rules.breaker.lease_ms = sim_random_time(random, 1000, 60 * MINUTE_MS);
    r->rules.budget =
        (struct tg_budget_policy){.ratio_milli = sim_random_below(random, 500),
                                  .reserve_milli = sim_random_below(random, 2) * 10,
                                  .cap_milli = 1000 + 1000 * (int64_t)sim_random_below(random, 5)};
    r->phase = "closed";
    r->is_known = r->is_share_known = true;
  }
}

// --- A host begins ---

static bool is_phase(const struct sim_resource *r, const char *phase) {
  return strcmp(r->phase, phase) == 0;
}

// Gives the latest instant at which somebody asks again: by the clock that was right at any time.
static int64_t asked_by(const struct sim *sim, const struct sim_resource *r) {
  int64_t left = r->retry_at - sim->now.wall_ms;
  return sim->now.mono_ms + (left > 0 ? left : 0);
}

void sim_resources_clock_set(struct sim *sim) {
  for (uint32_t i = 0; i < SIM_RESOURCES; i++) {
    struct sim_resource *r = &sim->resources[i];
    int64_t by = asked_by(sim, r);
    if (by > r->asked_by_mono_ms) r->asked_by_mono_ms = by;
  }
}

void sim_resources_give(struct sim *sim) {
  struct tg_resource_rules rules[SIM_RESOURCES];
  struct tg_resource records[SIM_RESOURCES];
  size_t count = 0;
  for (uint32_t i = 0; i < SIM_RESOURCES; i++) {
    struct sim_resource *r = &sim->resources[i];
    rules[i] = r->rules;
    r->epoch++;
    r->successes = r->failures = 0;
    r->phase = r->row.name ? r->row.phase : "closed";
    r->retry_at = r->row.retry_at;
    r->opened_at = r->row.opened_at;
    r->asked_by_mono_ms = asked_by(sim, r);
    r->call_count = 0;
    r->is_known = r->is_share_known =
        !r->row.name; // how many have failed in a row stands in no field of the row
    if (r->row.name) records[count++] = r->row;
  }
  sim_input(sim, &(struct tg_input){.kind = TG_INPUT_RESOURCES,
                                    .resources = {.rules = rules,
                                                  .rule_count = SIM_RESOURCES,
                                                  .records = records,
                                                  .record_count = count}});
}

// --- What the engine says ---

static struct sim_resource *find(struct sim *sim, const char *name) {
  for (uint32_t i = 0; i < SIM_RESOURCES; i++)
    if (strcmp(names[i], name) == 0) return &sim->resources[i];
  return NULL;
}

// It says since when it is not closed, through all its probes and all hosts.
static const char *since_fault(const struct sim *sim, const struct sim_resource *r,
                               const struct tg_resource *record) {
  bool is_closed = strcmp(record->phase, "closed") == 0;
  if (is_closed) return record->opened_at ? "is closed and says since when it is not" : NULL;
  int64_t since = is_phase(r, "closed") ? sim->now.wall_ms : r->opened_at;
  return record->opened_at == since ? NULL : "says another instant since when it is not closed";
}

void sim_resources_decided(struct sim *sim, const struct tg_batch *batch) {
  for (size_t i = 0; i < batch->count; i++) {
    if (batch->records[i].kind != TG_RECORD_RESOURCE) continue;
    const struct tg_resource *record = &batch->records[i].resource;
    struct sim_resource *r = find(sim, record->name);
    if (!r) {
      sim_fail(sim, "a record of a resource that nobody names");
      return;
    }
    bool is_turned = !is_phase(r, record->phase) || r->retry_at != record->retry_at;
    const char *fault = since_fault(sim, r, record);
    if (fault) sim_fail(sim, "the breaker of %s %s", record->name, fault);
    r->opened_at = record->opened_at;
    r->phase = tg_arena_strdup(&sim->arena, record->phase);
    r->retry_at = record->retry_at;
    if (!is_turned) continue;
    sim_note(sim, r->phase, NULL, NULL, r->retry_at);
    r->epoch++;
    r->asked_by_mono_ms = asked_by(sim, r);
    if (is_phase(r, "open") && sim_random_chance(&sim->random, 50))
      sim_event_add(sim, SIM_JUMP, sim_random_below(&sim->random, MINUTE_MS), 0);
    r->successes = r->failures = r->call_count = 0;
    r->is_known = r->is_share_known = true;
    if (!r->rules.has_breaker) sim_fail(sim, "resource %s turns and has no breaker", record->name);
  }
}

void sim_resource_apply(struct sim *sim, const struct tg_resource *record) {
  struct sim_resource *r = find(sim, record->name);
  if (!r) return;
  r->row = *record;
  r->row.name = r->rules.name;
  r->row.phase = tg_arena_strdup(&sim->arena, record->phase);
  r->row.reason = tg_arena_strdup(&sim->arena, record->reason);
  r->row.breaker = tg_arena_strdup(&sim->arena, record->breaker);
  r->row.budget = tg_arena_strdup(&sim->arena, record->budget);
}

// --- Starts ---

// Says whether a probe surely has its place still: while the wall clock was ahead it may have been
// given to another one.
static bool is_probe_out(const struct sim *sim, const struct sim_attempt *a,
                         const struct sim_resource *r) {
  return a->resource_epoch == r->epoch && a->jumped_ms == sim->jumped_ms &&
         sim->now.mono_ms - a->started_mono_ms < r->rules.breaker.lease_ms;
}

static uint32_t probes_out(struct sim *sim, const struct sim_resource *r) {
  uint32_t out = 0;
  for (size_t i = 0; i < sim->flight_count; i++) {
    const struct sim_attempt *a = sim->flights[i];
    bool is_one = sim_resource_of(sim, sim_task_of(a->run, a->unit)) == r && !a->is_fallback;
    out += is_one && !a->has_slept && is_probe_out(sim, a, r);
  }
  return out;
}

void sim_resource_start(struct sim *sim, struct sim_attempt *a) {
  struct sim_resource *r = sim_resource_of(sim, sim_task_of(a->run, a->unit));
  if (!r || a->is_fallback) return;
  a->resource_epoch = r->epoch;
  r->firsts += a->number == 1;
  if (!r->rules.has_breaker || a->has_slept) return;
  if (is_phase(r, "open") && sim->now.wall_ms < r->retry_at)
    sim_fail(sim, "run %llu: task %u starts while the breaker of %s is open",
             (unsigned long long)a->run->row.number, a->unit->task, r->rules.name);
  if (is_phase(r, "half_open") && probes_out(sim, r) > r->rules.breaker.probes_max)
    sim_fail(sim, "run %llu: task %u is a probe too many of %s",
             (unsigned long long)a->run->row.number, a->unit->task, r->rules.name);
}

bool sim_resource_may_hold(struct sim *sim, const struct sim_unit *unit,
                           const struct sim_task *task) {
  const struct sim_resource *r = sim_resource_of(sim, task);
  if (!r || !r->rules.has_breaker || sim_is_fallback_due(unit)) return false;
  if (is_phase(r, "open")) return sim->now.mono_ms <= r->asked_by_mono_ms + SLACK_MS;
  return !is_phase(r, "closed");
}

// --- Results ---

static void call_add(struct sim *sim, struct sim_resource *r, bool is_failure) {
  if (r->call_count == SIM_CALLS_MAX) {
    memmove(r->calls, r->calls + 1, --r->call_count * sizeof *r->calls);
    r->is_share_known = false;
  }
  r->calls[r->call_count++] = (struct sim_call){sim->now.wall_ms, sim->jumped_ms, is_failure};
}

static bool is_share(const struct tg_breaker_policy *policy, const struct sim_resource *r,
                     uint32_t from) {
  uint32_t failures = 0, calls = r->call_count - from;
  for (uint32_t i = from; i < r->call_count; i++) failures += r->calls[i].is_failure;
  return calls >= policy->calls_min && failures * 1000.0 >= (double)policy->share_permille * calls;
}

enum share { SHARE_NO, SHARE_OPEN, SHARE_YES };

// The window ends somewhere between nine tenths of it ago and all of it, by a clock that nobody has
// set meanwhile.
static enum share share_say(const struct sim *sim, const struct sim_resource *r) {
  const struct tg_breaker_policy *policy = &r->rules.breaker;
  int64_t width = policy->window_ms / TG_BREAKER_BUCKETS, now = sim->now.wall_ms;
  bool may = false, must = true;
  if (!policy->share_permille) return SHARE_NO;
  if (!r->is_share_known) return SHARE_OPEN;
  for (uint32_t i = 0; i <= r->call_count; i++) {
    bool is_first_in = i == r->call_count || now - r->calls[i].at_ms <= TG_BREAKER_BUCKETS * width;
    bool is_last_out = !i || now - r->calls[i - 1].at_ms >= (TG_BREAKER_BUCKETS - 1) * width;
    if (i < r->call_count && r->calls[i].jumped_ms != sim->jumped_ms) return SHARE_OPEN;
    if (!is_first_in || !is_last_out) continue;
    bool is_reached = is_share(policy, r, i);
    may |= is_reached;
    must &= is_reached;
  }
  return must ? SHARE_YES : may ? SHARE_OPEN : SHARE_NO;
}

struct sim_expected sim_resource_expect(struct sim *sim, const struct sim_attempt *a,
                                        const struct tg_error *err) {
  struct sim_resource *r = sim_resource_of(sim, sim_task_of(a->run, a->unit));
  struct sim_expected expected = {.resource = r};
  if (!r || a->is_fallback || !r->rules.has_breaker) return (struct sim_expected){0};
  bool is_failure = err->class == TG_CLASS_TRANSIENT || err->class == TG_CLASS_THROTTLED;
  bool is_success = !err->code, is_of_phase = a->resource_epoch == r->epoch;
  expected.may_open = expected.must_open =
      err->class == TG_CLASS_THROTTLED && err->retry_after_ms > 0;
  if (is_phase(r, "closed") && is_of_phase) {
    if (is_success) r->failures = 0, r->is_known = true;
    if (is_failure) r->failures++;
    if (is_success || is_failure) call_add(sim, r, is_failure);
    uint32_t max = r->rules.breaker.failures_max;
    enum share share = share_say(sim, r);
    bool is_over = is_failure && ((max && r->failures >= max) || share == SHARE_YES);
    bool is_unknown = share == SHARE_OPEN || (max && !r->is_known);
    expected.may_open |= is_over || (is_failure && is_unknown);
    expected.must_open |= is_over;
  } else if (is_phase(r, "half_open") && is_of_phase) {
    bool counts = is_probe_out(sim, a, r) && !a->has_slept;
    if (is_success && counts) r->successes++;
    expected.may_open |= is_failure;
    expected.must_open |= is_failure && counts;
    expected.must_close = is_success && r->successes >= r->rules.breaker.successes_to_close;
  } else {
    expected.may_open |= is_phase(r, "open");
  }
  return expected;
}

void sim_check_expected(struct sim *sim, const struct sim_expected *expected) {
  const struct sim_resource *r = expected->resource;
  if (!r || sim->is_down) return;
  bool is_open = is_phase(r, "open");
  if (expected->must_open && !is_open)
    sim_fail(sim, "the breaker of %s should open and is %s", r->rules.name, r->phase);
  if (!expected->may_open && is_open)
    sim_fail(sim, "the breaker of %s opens and should not", r->rules.name);
  if (expected->must_close && !is_phase(r, "closed"))
    sim_fail(sim, "the breaker of %s should close and is %s", r->rules.name, r->phase);
}

// --- Budgets ---

static bool is_over_budget(const struct sim *sim, const struct sim_resource *r) {
  double seconds = (double)(sim->now.mono_ms - sim->begun_ms + sim->jumped_ms + SLACK_MS) / 1000;
  const struct tg_budget_policy *budget = &r->rules.budget;
  double most = (double)budget->cap_milli + (double)budget->ratio_milli * (double)r->firsts +
                (double)budget->reserve_milli * seconds;
  return r->rules.has_budget && (double)r->granted * 1000 > most;
}

const char *sim_budget_fault(struct sim *sim, struct sim_run *run, const struct sim_unit *unit,
                             const struct tg_attempt *record) {
  struct sim_resource *r = sim_resource_of(sim, sim_task_of(run, unit));
  uint32_t max = run->pipeline->retries_max;
  bool is_used_up = max && run->granted >= max;
  if (record->stop)
    return is_used_up || sim_task_of(run, unit)->retry.asks || (r && r->rules.has_budget) ||
                   sim_run_end(run) != INT64_MAX
               ? NULL
               : "is refused a retry without a budget or a time limit";
  if (record->state != TG_ATTEMPT_FAILED || !record->retry_at || record->is_fallback_next)
    return NULL;
  if (is_used_up) return "is a retry too many of its run";
  run->granted++;
  if (!r) return NULL;
  r->granted++;
  return is_over_budget(sim, r) ? "is a retry too many of its resource" : NULL;
}
