// SPDX-License-Identifier: Apache-2.0
// What is checked, file by file; world.h says which file is for what.
#pragma once

#include "sim/world.h"

// --- check.c ---

/// Says what a task's durable upstreams make of it: as sim_rule_verdict.
char sim_check_verdict(struct sim_run *run, uint32_t task);

/// Says whether so many items of a map have failed that it is not to go on.
bool sim_check_is_broken(const struct sim_map *map, uint32_t count, uint32_t failed);

/// Says whether a run is to end without running what is left of it.
bool sim_check_is_stopped(const struct sim *sim, const struct sim_run *run);

void sim_check_start(struct sim *sim, const struct tg_effect *effect, struct sim_run *run,
                     struct sim_unit *unit);
void sim_check_cancel(struct sim *sim, const struct tg_effect *effect,
                      const struct sim_attempt *attempt);
void sim_check_end(struct sim *sim, struct sim_run *run, struct sim_unit *unit,
                   enum tg_task_state state);
void sim_check_answer(struct sim *sim, const struct sim_attempt *attempt,
                      const struct tg_effect *effect);

/// Gives how many slots of the host a run may use.
uint32_t sim_slots_for(const struct sim *sim, const struct sim_run *run);

/// Gives the size of a pool for a run: what its pipeline says, or else the project.
uint32_t sim_pool_slots(const struct sim *sim, const struct sim_run *run, uint32_t pool);

/// Says whether a task has failed and left the rest to the one that stands in for it.
bool sim_has_fallen(const struct sim_run *run, const struct sim_unit *unit);

// --- later.c ---

/// Checks that nothing follows soon from a batch that may wait.
void sim_check_later(struct sim *sim, const struct tg_batch *batch);

// --- fields.c ---

void sim_check_fields(struct sim *sim, const struct tg_record *record);

// --- tries.c ---

void sim_check_attempt(struct sim *sim, struct sim_run *run, struct sim_unit *unit,
                       const struct tg_attempt *record);

/// Says whether the next try of a unit is its last resort, by what is durable.
bool sim_is_fallback_due(const struct sim_unit *unit);
uint32_t sim_last_number(const struct sim_unit *unit);

/// Gives the wall instant by which a run has to end, INT64_MAX for none.
int64_t sim_run_end(const struct sim_run *run);

// --- places.c ---

void sim_places_decided(struct sim *sim, const struct tg_batch *batch);
void sim_place_resume(struct sim_run *run);

/// Says what is wrong with a run that waits for its place, or NULL.
const char *sim_place_fault(const struct sim *sim, const struct sim_run *run);

/// Says what is wrong with a run that ended without having begun, or NULL.
const char *sim_never_begun_fault(const struct sim_run *run);

// --- policies.c ---

void sim_policy_asked(struct sim *sim, const struct tg_effect *effect, struct sim_run *run);
void sim_policy_answers(struct sim *sim, uint64_t question);

/// Says what is wrong with what followed the answer of a policy, or NULL.
const char *sim_policy_fault(const struct sim_told *told, const struct tg_attempt *record);

// --- waits.c ---

/// Gives what a step waits for.
const char *sim_wait_text(struct sim *sim, uint64_t chance);

/// Gives the step at which a unit is parked, if it waits there and has no result, or NULL.
const struct tg_step *sim_open_wait(const struct sim_unit *unit);

void sim_event_arrive(struct sim *sim, uint64_t type);
void sim_events_look(struct sim *sim, uint64_t asked);
void sim_events_asked(struct sim *sim, const struct tg_effect *effect);
void sim_person_asked(struct sim *sim, const struct sim_attempt *attempt);
void sim_person_answers(struct sim *sim, uint64_t place);

/// Checks what is decided of waits: from when on, and by what they end.
void sim_waits_decided(struct sim *sim, const struct tg_batch *batch);

/// Says what is wrong with a wait that goes on, or NULL.
const char *sim_wait_lasts(const struct sim *sim, const struct sim_run *run,
                           const struct sim_unit *unit);

// --- resources.c ---

struct sim_resource *sim_resource_of(struct sim *sim, const struct sim_task *task);
void sim_resources_make(struct sim *sim);
void sim_resources_give(struct sim *sim);
void sim_resources_clock_set(struct sim *sim);
void sim_resources_decided(struct sim *sim, const struct tg_batch *batch);
void sim_resource_apply(struct sim *sim, const struct tg_resource *record);
void sim_resource_start(struct sim *sim, struct sim_attempt *attempt);

/// Says whether a unit may be held up by a breaker.
bool sim_resource_may_hold(struct sim *sim, const struct sim_unit *unit,
                           const struct sim_task *task);

/// Says what a result is to make of a breaker, and checks that it has.
struct sim_expected sim_resource_expect(struct sim *sim, const struct sim_attempt *attempt,
                                        const struct tg_error *err);
void sim_check_expected(struct sim *sim, const struct sim_expected *expected);

/// Says what is wrong with the retry that a record grants or refuses, or NULL.
const char *sim_budget_fault(struct sim *sim, struct sim_run *run, const struct sim_unit *unit,
                             const struct tg_attempt *record);

// --- order.c ---

/// Checks after a step of the engine, whose effects were all carried out, that what it started was
/// the most urgent, and that nothing that could run is left lying.
void sim_check_order(struct sim *sim, const struct tg_effect *effects, size_t count);

/// Checks that nothing is left lying that waits for no start. For an instant when no batch is on
/// its way.
void sim_check_idle(struct sim *sim);

// --- mirror.c ---

/// Checks that the engine knows of a run what the books know, when it has been told of all.
void sim_check_mirror(struct sim *sim, struct sim_run *run);

/// Checks that those who watch are told of nothing that is not durable.
void sim_check_told(struct sim *sim, const struct tg_effect *effect, struct sim_run *run);

// --- oracle.c ---

/// Judges a run whose end is durable.
void sim_oracle_judge(struct sim *sim, struct sim_run *run);

/// Gives what is derived and not recorded of an item: skipped by the one before it in a chain.
enum tg_task_state sim_item_state(struct sim_run *run, uint32_t task, uint32_t item);
