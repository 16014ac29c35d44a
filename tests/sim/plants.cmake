# SPDX-License-Identifier: Apache-2.0
# Planted bugs: each is a small change of one source file, built into a simulator of its own, which
# must find it within a number of seeds. A few of them were real. A plant whose text is no longer in
# its file is a test that fails; give it the new text.

# tg_plant(<name> FILE <source> SEEDS <at most> FROM <text> TO <text>)
function(tg_plant name)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "FILE;SEEDS;FROM;TO" "")
  set(source ${PROJECT_SOURCE_DIR}/host/${ARG_FILE})
  set(planted ${CMAKE_CURRENT_BINARY_DIR}/plants/${name}.c)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
  file(READ ${source} text)
  string(FIND "${text}" "${ARG_FROM}" place)
  if(place EQUAL -1)
    add_test(NAME sim/plants/${name} COMMAND ${CMAKE_COMMAND} -E cat "${name}: not in ${ARG_FILE}")
    set_tests_properties(sim/plants/${name} PROPERTIES LABELS sim)
    return()
  endif()
  string(REPLACE "${ARG_FROM}" "${ARG_TO}" text "${text}")
  set(before "")
  if(EXISTS ${planted})
    file(READ ${planted} before)
  endif()
  if(NOT text STREQUAL before)
    file(WRITE ${planted} "${text}")
  endif()
  add_executable(sim_${name} ${planted} $<TARGET_OBJECTS:sim_parts>)
  target_link_libraries(sim_${name} PRIVATE tg_engine)
  target_compile_definitions(sim_${name} PRIVATE _GNU_SOURCE)
  add_test(NAME sim/plants/${name} COMMAND sim_${name} --until-caught ${ARG_SEEDS})
  set_tests_properties(sim/plants/${name} PROPERTIES LABELS sim TIMEOUT 300)
endfunction()

# --- Durability ---

tg_plant(result_before_commit FILE engine/finish.c SEEDS 100
  FROM [[  json_decref(items);
}]]
  TO [[  json_decref(items);
  for (size_t i = 0; i < batch->count; i++) tg_live_apply(run, &batch->records[i]);
}]])
tg_plant(run_before_commit FILE engine/dispatch.c SEEDS 100
  FROM [[return run->is_durable && ]] TO [[return ]])
tg_plant(step_before_commit FILE engine/steps.c SEEDS 1000
  FROM [[  int64_t now = engine->now.wall_ms;]]
  TO [[  answer(engine, place->run, input->step.attempt, input->step.request, result);
  int64_t now = engine->now.wall_ms;]])
tg_plant(step_done_again FILE engine/steps.c SEEDS 1000
  FROM [[input->step.request, step->result);]] TO [[input->step.request, NULL);]])

# --- Attempts ---

tg_plant(late_result_counts FILE engine/finish.c SEEDS 1000
  FROM [[  if (!flight) return; //]]
  TO [[  size_t at = 0;
  const struct tg_map_slot *other = flight ? NULL : tg_map_next(&engine->flights, &at);
  if (other) flight = tg_map_remove_number(&engine->flights, handle = other->number);
  if (!flight) return; //]])
tg_plant(double_dispatch FILE engine/engine.c SEEDS 1000
  FROM [[if (t && t->state == TG_TASK_WAITING && tg_live_notes(t)->retry_at && !t->is_deciding)]]
  TO [[if (t && !t->is_deciding) tg_engine_check(engine, tg_live_make_ready(run, timer->unit));
    if (!t)]])
tg_plant(retry_after_last_resort FILE engine/finish.c SEEDS 1000
  FROM [[if (t->is_fallback) return true;]] TO [[]])
tg_plant(one_retry_too_many FILE engine/finish.c SEEDS 1000
  FROM [[t->attempts - notes->lost, err->class]] TO [[t->attempts - notes->lost - (t->attempts > 2), err->class]])
tg_plant(lost_counts_as_try FILE engine/live.c SEEDS 1000 FROM [[notes->lost++;]] TO [[]])
tg_plant(retry_after_ignored FILE engine/finish.c SEEDS 1000
  FROM [[err->retry_after_ms, elapsed]] TO [[0, elapsed]])
tg_plant(number_used_again FILE engine/live.c SEEDS 1000
  FROM [[if (record->number > t->attempts) t->attempts = record->number;]] TO [[]])
tg_plant(cancel_not_told FILE engine/stop.c SEEDS 1000
  FROM [[if (run->tasks[i].attempt && !tg_live_plan(run, i)->is_teardown)]]
  TO [[if (run->tasks[i].attempt > 9 && !tg_live_plan(run, i)->is_teardown)]])

tg_plant(loses_for_ever FILE engine/finish.c SEEDS 5000
  FROM [[notes->worker_losses < TG_LOST_ATTEMPTS_MAX]]
  TO [[notes->worker_losses <= TG_LOST_ATTEMPTS_MAX]])
tg_plant(bystander_blamed FILE engine/finish.c SEEDS 5000
  FROM [[err->class == TG_CLASS_LOST && !is_bystander]] TO [[err->class == TG_CLASS_LOST]])
tg_plant(losses_never_forgotten FILE engine/finish.c SEEDS 5000
  FROM [[if (err->class != TG_CLASS_LOST) notes->worker_losses = 0;]] TO [[]])
tg_plant(total_time_ignored FILE engine/finish.c SEEDS 2000
  FROM [[elapsed > 0 ? elapsed : 0);]] TO [[0);]])
tg_plant(fallback_never FILE engine/finish.c SEEDS 1000
  FROM [[if (is_last) last_resort]]
  TO [[if (is_last && run->tasks[unit].attempts > 1) last_resort]])
tg_plant(seed_of_memory FILE engine/effects.c SEEDS 100
  FROM [[  seed ^= seed >> 29;]] TO [[  seed ^= (uint64_t)(uintptr_t)run;]])
tg_plant(seed_of_time FILE engine/dispatch.c SEEDS 2000
  FROM [[.seed = tg_engine_seed(run, unit, t->attempts)}]]
  TO [[.seed = tg_engine_seed(run, unit, t->attempts) ^ handle}]])

# --- Timers ---

tg_plant(retry_timer_lost FILE engine/begin.c SEEDS 1000
  FROM [[      tg_engine_retry_arm(engine, run, i);]] TO [[      continue;]])
tg_plant(sleep_timer_lost FILE engine/finish.c SEEDS 1000
  FROM [[  t->state = TG_TASK_WAITING;
  tg_engine_retry_arm(engine, run, unit);]]
  TO [[  t->state = TG_TASK_WAITING;]])
tg_plant(run_timer_lost FILE engine/begin.c SEEDS 2000
  FROM [[.kind = TG_TIMER_RUN,]] TO [[.kind = TG_TIMER_ATTEMPT,]])
tg_plant(sleep_too_short FILE engine/steps.c SEEDS 2000
  FROM [[if (wake_at > engine->now.wall_ms)]] TO [[if (wake_at > engine->now.wall_ms + 60000)]])

# --- Limits ---

tg_plant(slot_leak FILE engine/finish.c SEEDS 100
  FROM [[  if (!t->is_idle) {
    run->running--;]]
  TO [[  if (!t->is_idle && !outcome->err.code) {
    run->running--;]])
tg_plant(slot_of_the_idle FILE engine/finish.c SEEDS 2000
  FROM [[  if (!t->is_idle) {
    run->running--;]]
  TO [[  {
    run->running--;]])
tg_plant(pool_over_full FILE engine/dispatch.c SEEDS 1000
  FROM [[slots - taken < wanted]] TO [[slots == taken]])
tg_plant(pool_of_the_idle FILE engine/dispatch.c SEEDS 2000
  FROM [[if (flight->run->tasks[flight->unit].is_idle) continue;]] TO [[]])
tg_plant(map_over_limit FILE engine/live_map.c SEEDS 1000
  FROM [[map->running < limit)]] TO [[map->running <= limit)]])
tg_plant(map_over_key FILE engine/live_map.c SEEDS 2000
  FROM [[key->running >= per_key)]] TO [[key->running > per_key)]])
tg_plant(less_urgent_first FILE dag/ready.c SEEDS 100
  FROM [[a->priority > b->priority]] TO [[a->priority < b->priority]])
tg_plant(critical_path_ignored FILE engine/live.c SEEDS 1000
  FROM [[live->priorities[i] += (int64_t)]] TO [[live->priorities[i] = (int64_t)]])
tg_plant(priority_ignored FILE engine/live.c SEEDS 1000
  FROM [[(int64_t)plan->tasks[i].priority * INT64_C(0x100000000)]]
  TO [[plan->tasks[i].priority % 2]])
tg_plant(youngest_run_first FILE engine/begin.c SEEDS 2000
  FROM [[while (*at) at]] TO [[while (false) at]])
tg_plant(overtaken_in_pool FILE engine/dispatch.c SEEDS 2000
  FROM [[if (is_stuck[i] || is_stuck_elsewhere(engine, pool->name)) return i;]] TO [[]])
tg_plant(overtaken_in_other_pool FILE engine/dispatch.c SEEDS 5000
  FROM [[  places_keep(run, &run->plan->tasks[task], lacking, is_stuck);]]
  TO [[  (void)places_keep, is_stuck[lacking] = true;]])
tg_plant(pool_of_project_ignored FILE engine/dispatch.c SEEDS 1000
  FROM [[pool->slots ? pool->slots : tg_pools_slots(&engine->pools, pool->name);]] TO [[pool->slots;]])
tg_plant(overtaken_by_younger FILE engine/dispatch.c SEEDS 5000
  FROM [[if (is_stuck[i] || is_stuck_elsewhere(engine, pool->name)) return i;]]
  TO [[(void)is_stuck_elsewhere;
    if (is_stuck[i]) return i;]])
tg_plant(stuck_for_good FILE engine/engine.c SEEDS 1000
  FROM [[  engine->stuck_count = 0;]] TO [[]])
tg_plant(held_for_ever FILE engine/dispatch.c SEEDS 1000
  FROM [[if (held->count && !is_stuck[i] &&]] TO [[if (held->count > 1 && !is_stuck[i] &&]])
tg_plant(time_limit_lost FILE engine/dispatch.c SEEDS 1000
  FROM [[.kind = TG_TIMER_ATTEMPT,]] TO [[.kind = TG_TIMER_STARTS,]])
tg_plant(time_limit_renewed FILE engine/dispatch.c SEEDS 5000
  FROM [[if (!t->is_parked) attempt_renew(engine, t, plan);]]
  TO [[if (!t->is_parked) attempt_renew(engine, t, plan);
  if (t->notes && plan->timeout_ms) t->notes->deadline_at = engine->now.mono_ms + plan->timeout_ms;]])
tg_plant(map_goes_on_after_failures FILE engine/live_map.c SEEDS 2000
  FROM [[if (!map->is_stopped && (is_enough || is_share)) map_stop(live, map);]]
  TO [[map->is_stopped |= is_enough || is_share;]])
tg_plant(map_share_ignored FILE engine/live_map.c SEEDS 2000
  FROM [[(is_enough || is_share)]] TO [[is_enough]])
tg_plant(drain_ignored FILE engine/dispatch.c SEEDS 2000
  FROM [[!engine->is_draining &&]] TO [[]])

# --- Batches that may wait ---

tg_plant(all_may_wait FILE engine/finish.c SEEDS 100
  FROM [[return may_wait ? tg_engine_record_later : tg_engine_record;]]
  TO [[(void)may_wait;
  return tg_engine_record_later;]])
tg_plant(last_may_wait FILE engine/finish.c SEEDS 5000
  FROM [[enum { AWAITED_MAX = 64 };]] TO [[enum { AWAITED_MAX = 0 };]])
tg_plant(chain_may_wait FILE engine/finish.c SEEDS 5000
  FROM [[is_item ? next && next->over == t->task : is_awaited_by]]
  TO [[is_item ? next && next->over == t->task && next->limit : is_awaited_by]])
tg_plant(place_may_wait FILE engine/finish.c SEEDS 5000
  FROM [[if (is_item && (plan->map->limit || plan->map->limit_per_key)) return true;]]
  TO [[if (is_item && plan->map->limit) return true;]])
tg_plant(intent_may_wait FILE engine/cut.c SEEDS 1000
  FROM [[  tg_engine_record(engine, &record);]] TO [[  tg_engine_record_later(engine, &record);]])

# --- States ---

tg_plant(skip_forgotten FILE dag/trigger.c SEEDS 1000
  FROM [[if (all_done) return skipped ? TG_TRIGGER_SKIP : TG_TRIGGER_READY;]]
  TO [[if (all_done) return TG_TRIGGER_READY;]])
tg_plant(unchosen_runs FILE engine/live.c SEEDS 1000
  FROM [[if (!is_chosen) live]] TO [[if (!is_chosen && !task->to_count) live]])
tg_plant(settled_twice FILE engine/finish.c SEEDS 2000
  FROM [[if (tg_task_state_is_terminal((enum tg_task_state)run->tasks[task].state)) continue;]] TO [[]])
tg_plant(chain_too_early FILE engine/live.c SEEDS 2000
  FROM [[if (waits_for_items(live, task)) return early_judge(live, task);]] TO [[]])
tg_plant(chain_skipped_too_early FILE engine/live.c SEEDS 20000
  FROM [[return may_begin ? TG_TRIGGER_READY : TG_TRIGGER_WAIT;]]
  TO [[(void)may_begin;
  return tg_trigger_judge(live->plan->tasks[task].when, &counts);]])
tg_plant(chain_without_items FILE engine/dispatch.c SEEDS 2000
  FROM [[struct tg_map_items items = {.count = (uint32_t)json_array_size(list)};]]
  TO [[struct tg_map_items items = {.count = 0};]])
tg_plant(chain_judged_too_early FILE engine/live_map.c SEEDS 20000
  FROM [[tg_live_judge(live, task) != TG_TRIGGER_WAIT &&]] TO [[]])
tg_plant(one_kind_of_failure FILE engine/finish.c SEEDS 2000
  FROM [[if (is_mixed && ]] TO [[if (!text && is_mixed && ]])

tg_plant(told_too_early FILE engine/finish.c SEEDS 1000
  FROM [[  t->is_deciding = true;
  end_decide(engine, run, unit, outcome);]]
  TO [[  t->is_deciding = true;
  end_decide(engine, run, unit, outcome);
  if (!outcome->err.code && t->item == TG_NO_ITEM && !tg_live_plan(run, unit)->map) {
    uint8_t state = t->state;
    t->state = TG_TASK_SUCCESS;
    tg_engine_effect(engine, &(struct tg_effect){.kind = TG_EFFECT_TASK, .run = run, .unit = unit});
    (void)state;
  }]])

# --- Teardowns ---

tg_plant(teardown_skipped FILE engine/stop.c SEEDS 2000
  FROM [[if (may_have_begun(run, up.nodes[i])) return true;]] TO [[]])
tg_plant(teardown_of_teardown FILE engine/stop.c SEEDS 20000
  FROM [[(run->plan->tasks[task].is_teardown &&]] TO [[(false && run->plan->tasks[task].is_teardown &&]])
tg_plant(teardown_woken_never FILE engine/finish.c SEEDS 20000
  FROM [[if (t->is_parked && !tg_live_is_cut(run, unit)) {]]
  TO [[if (t->is_parked && !run->stopped.code) {]])
tg_plant(teardown_forgotten FILE engine/live.c SEEDS 20000
  FROM [[if (record->attempts > t->attempts) t->attempts = record->attempts;]] TO [[]])
tg_plant(teardown_cut FILE engine/live.c SEEDS 20000
  FROM [[return live->stopped.code && !live->plan->tasks[task].is_teardown;]]
  TO [[return live->stopped.code && (live->tasks[task].map || !live->plan->tasks[task].is_teardown);]])

# --- Recovery ---

tg_plant(step_forgotten FILE engine/begin.c SEEDS 1000
  FROM [[i < input->resume.step_count]] TO [[i + 1 < input->resume.step_count]])
tg_plant(attempts_forgotten FILE engine/begin.c SEEDS 1000
  FROM [[i < input->resume.attempt_count]] TO [[i + 1 < input->resume.attempt_count]])
tg_plant(cancel_forgotten FILE engine/begin.c SEEDS 5000
  FROM [[run->stopped = run->run.failure;]] TO [[return;]])
tg_plant(cancel_not_recorded FILE engine/stop.c SEEDS 5000
  FROM [[  record.run.state = TG_RUN_CANCELLING;]] TO [[]])
tg_plant(item_let_in_twice FILE engine/live.c SEEDS 5000
  FROM [[if (t->item != TG_NO_ITEM && tg_live_map_tried(live, unit)) return TG_ENOMEM;]] TO [[]])
tg_plant(map_never_ends FILE engine/live.c SEEDS 1000
  FROM [[if (t->map) return TG_OK;]] TO [[]])

# --- Reruns ---

tg_plant(carried_map_cancelled_twice FILE engine/begin.c SEEDS 5000
  FROM [[live->tasks[record.map_items.task].is_deciding = true;]] TO [[]])
tg_plant(carried_task_runs FILE engine/begin.c SEEDS 1000
  FROM [[    tg_engine_record(engine, &record);
  }
}

static void apply]]
  TO [[    if (i) tg_engine_record(engine, &record);
  }
}

static void apply]])
tg_plant(carried_items_forgotten FILE engine/begin.c SEEDS 1000
  FROM [[i < input->run.carried_item_count]] TO [[i + 1 < input->run.carried_item_count]])
tg_plant(carried_chain_too_early FILE engine/live_map.c SEEDS 5000
  FROM [[!tg_live_is_cut(live, map->task) && follows_rule(live, map->task);]]
  TO [[!tg_live_is_cut(live, map->task);]])
tg_plant(carried_chain_never FILE engine/live.c SEEDS 5000
  FROM [[if (!code) code = tg_live_map_admit(live, down.nodes[i]);]] TO [[]])
tg_plant(resumed_to_cancel_goes_on FILE engine/begin.c SEEDS 1000
  FROM [[!run->stopped.code && reason)]] TO [[!run->stopped.code && reason && !*reason)]])

tg_plant(kept_map_goes_on FILE engine/live.c SEEDS 2000
  FROM [[  tg_live_map_close(live, record->index);]] TO [[]])
tg_plant(kept_chain_grows FILE engine/live_map.c SEEDS 5000
  FROM [[plan->over == task && map && item < map->count;]] TO [[plan->over == task && map;]])
tg_plant(kept_choice_forgotten FILE engine/begin.c SEEDS 2000
  FROM [[.task = input->run.carried[i]};]] TO [[.task = input->run.carried[i]};
    record.task.chosen = NULL;]])

# --- Resources and budgets ---

tg_plant(breaker_not_asked_again FILE engine/guard.c SEEDS 2000
  FROM [[if (!state || (t->is_parked &&]] TO [[if (!state || t->attempts || (t->is_parked &&]])
tg_plant(breaker_not_recorded FILE engine/resources.c SEEDS 2000
  FROM [[if (breaker->serial != before->serial || is_counted) changed(resources, state);]]
  TO [[if (is_counted) changed(resources, state);]])
tg_plant(breaker_forgotten FILE engine/guard.c SEEDS 5000
  FROM [[i < input->resources.record_count]] TO [[i + 1 < input->resources.record_count]])
tg_plant(breaker_timer_lost FILE engine/guard.c SEEDS 5000
  FROM [[if (state->timer_at != retry_at)]] TO [[if (!state->timer_at && state->breaker.serial < 3)]])
tg_plant(breaker_rung_in_vain FILE engine/guard.c SEEDS 20000
  FROM [[((struct tg_resource_state *)slot->value)->timer_at = 0;]] TO [[(void)slot;]])
tg_plant(breaker_since_forgotten FILE engine/resources.c SEEDS 2000
  FROM [[  state->opened_at = record->opened_at;]] TO [[]])
tg_plant(breaker_blames_the_lost FILE engine/resources.c SEEDS 2000
  FROM [[return err->class == TG_CLASS_LOST ? TG_CLASS_CANCELLED : err->class;]]
  TO [[return err->class;]])
tg_plant(share_ignored FILE retry/breaker.c SEEDS 2000
  FROM [[return policy->share_permille && is_share_reached(policy, breaker);]]
  TO [[return policy->share_permille == 100 && is_share_reached(policy, breaker);]])
tg_plant(share_of_too_few FILE retry/breaker.c SEEDS 2000
  FROM [[return calls >= policy->calls_min &&]] TO [[return calls + 1 >= policy->calls_min &&]])
tg_plant(share_without_successes FILE retry/breaker.c SEEDS 5000
  FROM [[  count(&breaker->buckets[0].successes);]] TO [[]])
tg_plant(share_without_window FILE retry/breaker.c SEEDS 5000
  FROM [[  if (age < (uint64_t)width) return;]] TO [[  if (age < 20 * (uint64_t)width) return;]])
tg_plant(breaker_not_told FILE engine/finish.c SEEDS 2000
  FROM [[  tg_engine_guard_report(engine, run, unit, ticket, &outcome->err);]]
  TO [[  if (!outcome->err.code) tg_engine_guard_report(engine, run, unit, ticket, &outcome->err);]])
tg_plant(probes_without_end FILE retry/breaker.c SEEDS 2000
  FROM [[return out < policy->probes_max ? place : NULL;]] TO [[return place;]])
tg_plant(probe_too_few FILE retry/breaker.c SEEDS 5000
  FROM [[++breaker->successes >= policy->successes_to_close]] TO [[++breaker->successes > policy->successes_to_close]])
tg_plant(late_report_counts FILE retry/breaker.c SEEDS 5000
  FROM [[breaker->phase == TG_BREAKER_CLOSED && ticket == breaker->serial]]
  TO [[breaker->phase == TG_BREAKER_CLOSED]])
tg_plant(given_up_asleep FILE engine/guard.c SEEDS 30000
  FROM [[!t->is_deciding && !t->is_parked;]] TO [[!t->is_deciding;]])
tg_plant(held_for_good FILE engine/guard.c SEEDS 5000
  FROM [[    give_up(engine, run, unit, state);
    return TG_GUARD_ENDS;]] TO [[    return TG_GUARD_ENDS;]])
tg_plant(retries_on_their_way FILE engine/guard.c SEEDS 2000
  FROM [[run->retries + run->retries_deciding >= max]] TO [[run->retries >= max]])
tg_plant(retries_not_replayed FILE engine/live.c SEEDS 5000
  FROM [[if (tg_live_is_retried(record)) live->retries++;]]
  TO [[if (tg_live_is_retried(record) && !live->is_replaying) live->retries++;]])
tg_plant(budget_of_run_ignored FILE engine/guard.c SEEDS 1000
  FROM [[if (max && run->retries]] TO [[if (max > 1 && run->retries]])
tg_plant(budget_of_resource_ignored FILE engine/guard.c SEEDS 2000
  FROM [[if (state && !tg_resource_spend(]] TO [[if (state && max && !tg_resource_spend(]])

# --- Places of runs ---

tg_plant(place_given_twice FILE engine/overlap.c SEEDS 1000
  FROM [[places_taken(engine, run, false) >= run->plan->runs_max;]]
  TO [[places_taken(engine, run, false) > run->plan->runs_max;]])
tg_plant(place_of_the_ending FILE engine/overlap.c SEEDS 2000
  FROM [[other != run && other->is_admitted && (!by]] TO [[other != run && other->is_admitted && !other->is_ending && (!by]])
tg_plant(place_never_freed FILE engine/engine.c SEEDS 1000
  FROM [[engine->is_queue_due = true;]] TO [[]])
tg_plant(queued_run_starts FILE engine/dispatch.c SEEDS 1000
  FROM [[run->is_durable && run->run.state != TG_RUN_QUEUED &&]] TO [[run->is_durable &&]])
tg_plant(queue_by_number FILE engine/overlap.c SEEDS 5000
  FROM [[if (a->run.logical_at != b->run.logical_at) return a->run.logical_at < b->run.logical_at;]]
  TO [[]])
tg_plant(backfill_takes_all FILE engine/overlap.c SEEDS 5000
  FROM [[true) < tg_plan_backfill_places(]] TO [[true) <= tg_plan_backfill_places(]])
tg_plant(backfill_takes_last_slot FILE engine/dispatch.c SEEDS 2000
  FROM [[engine->slots > 1 ? engine->slots - 1]] TO [[engine->slots > 1 ? engine->slots]])
tg_plant(backfill_goes_first FILE engine/engine.c SEEDS 5000
  FROM [[if (!run->run.backfill) run_advance(engine, run);]] TO [[run_advance(engine, run);]])
tg_plant(newer_run_is_stopped FILE engine/overlap.c SEEDS 5000
  FROM [[if (!*oldest || other->run.number < (*oldest)->run.number) *oldest = other;]]
  TO [[*oldest = other;]])
tg_plant(begins_while_draining FILE engine/overlap.c SEEDS 5000
  FROM [[!engine->queue || engine->is_draining) return;]] TO [[!engine->queue) return;]])
tg_plant(ring_for_ever FILE engine/overlap.c SEEDS 10000
  FROM [[if (engine->queue) ring_break(engine);]] TO [[(void)ring_break;]])
tg_plant(ring_of_a_teardown FILE engine/overlap.c SEEDS 60000
  FROM [[if (tg_live_is_cut(run, run->tasks[flight->unit].task)) continue;]]
  TO [[if (run->stopped.code) continue;]])

# --- What is told and shown ---

tg_plant(end_not_told FILE engine/engine.c SEEDS 100
  FROM [[tg_engine_tell(engine, run, record->task.index);]] TO [[(void)run;]])
tg_plant(beginning_not_told FILE engine/engine.c SEEDS 100
  FROM [[  if (!was_durable && run->is_durable)]] TO [[  if (!was_durable && run->is_durable && record->run.rerun)]])
tg_plant(starts_not_recorded FILE engine/dispatch.c SEEDS 1000
  FROM [[    if (t->is_recorded) continue;]] TO [[    if (t->is_recorded || t->item != TG_NO_ITEM) continue;]])
tg_plant(traceback_lost FILE engine/finish.c SEEDS 100
  FROM [[outcome->traceback && *outcome->traceback ? outcome->traceback : NULL]] TO [[NULL]])
tg_plant(reason_lost FILE engine/finish.c SEEDS 1000
  FROM [[if (state == TG_TASK_CANCELLED) record.item.failure = tg_engine_cancel_reason(run);]]
  TO [[if (state == TG_TASK_CANCELLED) record.item.failure = (struct tg_failure){0};]])
tg_plant(parked_end_lost FILE engine/stop.c SEEDS 5000
  FROM [[  record.attempt.ended_at = engine->now.wall_ms;]] TO [[]])
tg_plant(parent_lost FILE engine/live.c SEEDS 1000
  FROM [[live->run.parent = tg_arena_strdup(&live->arena, run->parent);]]
  TO [[live->run.parent = NULL;]])
tg_plant(item_began_never FILE engine/stop.c SEEDS 1000
  FROM [[.started_at = tg_live_first_started_at(t),
                                                        .ended_at]] TO [[.ended_at]])

# --- Tasks that stand in ---

tg_plant(spare_not_held FILE engine/live.c SEEDS 1000
  FROM [[if (task->fallback != TG_NO_TASK) live->tasks[task->fallback].branches++;]] TO [[]])
tg_plant(spare_output_lost FILE engine/finish.c SEEDS 1000
  FROM [[if (tg_live_has_fallen(run, task)) fallen_fill(run, task, &record.task);]] TO [[(void)fallen_fill;]])
tg_plant(stood_in_never FILE engine/live.c SEEDS 1000
  FROM [[if (plan->fallback_of != TG_NO_TASK) stood_in(live, plan->fallback_of);]] TO [[]])
tg_plant(stood_in_not_recovered FILE engine/live.c SEEDS 5000
  FROM [[  stood_in(live, unit); // in recovery]] TO [[  // in recovery]])
tg_plant(spare_of_the_sound FILE engine/live.c SEEDS 1000
  FROM [[return is_held ? fallback_release(live, task, false) : TG_OK;]]
  TO [[return is_held ? fallback_release(live, task, true) : TG_OK;]])

# --- Waits ---

tg_plant(event_not_looked_for FILE engine/waits.c SEEDS 20000
  FROM [[if (after < engine->last_event) look(]] TO [[if (after > engine->last_event) look(]])
tg_plant(event_found_by_type_only FILE engine/waits.c SEEDS 2000
  FROM [[  if (event->subject) {
    tg_buf_clear(key);]] TO [[  if (event->subject && !*event->subject) {
    tg_buf_clear(key);]])
tg_plant(event_field_not_noted FILE engine/waits.c SEEDS 2000
  FROM [[  for (const struct field *field = type->fields; field; field = field->next) {
    const json_t]] TO [[  for (const struct field *field = type->fields; field; field = NULL) {
    const json_t]])
tg_plant(event_of_many_fields FILE engine/waits.c SEEDS 10000
  FROM [[if (count == FIELDS_MAX) return false;]] TO [[if (count == FIELDS_MAX) return true;]])
tg_plant(event_source_ignored FILE model/event.c SEEDS 2000
  FROM [[if (filter->source && strcmp(filter->source, event->source) != 0) return false;]] TO [[]])
tg_plant(event_number_by_form FILE model/event.c SEEDS 5000
  FROM [[  if (json_is_number(a) && json_is_number(b)) return json_number_value(a) == json_number_value(b);]] TO [[]])
tg_plant(event_second_field_ignored FILE model/event.c SEEDS 2000
  FROM [[    if (!is_same(value, tg_event_data_get(data, path))) return false;]]
  TO [[    return is_same(value, tg_event_data_get(data, path));]])
tg_plant(event_list_gone FILE engine/waits.c SEEDS 10000
  FROM [[  if (list->first || list->references) return;]] TO [[  if (list->first) return;]])
tg_plant(since_run_ignored FILE engine/waits.c SEEDS 2000
  FROM [[strcmp(since, "run") == 0 ? run->event_after]] TO [[strcmp(since, "run") == 0 ? engine->last_event]])
tg_plant(since_run_forgotten FILE engine/begin.c SEEDS 2000
  FROM [[  run.event_after = engine->last_event;]] TO [[]])
tg_plant(event_of_before FILE engine/waits.c SEEDS 5000
  FROM [[if (step->after >= arrival->event->number) return false;]] TO [[]])
tg_plant(wait_ends_before_commit FILE engine/waits.c SEEDS 2000
  FROM [[  step->is_decided = true;
  tg_engine_wait_forget(engine, run, unit);]]
  TO [[  step->is_decided = true;
  tg_engine_wait_forget(engine, run, unit);
  tg_engine_wait_over(engine, run, unit);]])
tg_plant(wait_over_before_commit FILE engine/waits.c SEEDS 20000
  FROM [[if (step->is_decided) return true;]] TO [[if (step->is_decided) return false;]])
tg_plant(wait_ends_twice FILE engine/waits.c SEEDS 5000
  FROM [[  step->is_decided = true;]] TO [[]])
tg_plant(wait_timer_lost FILE engine/steps.c SEEDS 2000
  FROM [[park(engine, place, attempt, wake_at ? wake_at : INT64_MAX)]]
  TO [[park(engine, place, attempt, INT64_MAX)]])
tg_plant(old_timer_cuts_short FILE engine/engine.c SEEDS 20000
  FROM [[if (is_another || tg_engine]] TO [[if (tg_engine]])
tg_plant(wait_forgotten_by_host FILE engine/steps.c SEEDS 30000
  FROM [[    tg_engine_wait_enter(engine, place->run, place->unit, position);]]
  TO [[    if (place->notes->steps[position].after) tg_engine_wait_enter(engine, place->run, place->unit, position);]])

# --- Units that are cancelled ---

tg_plant(cut_intent_forgotten FILE engine/cut.c SEEDS 2000
  FROM [[if (t->attempt || t->map) intent_record]] TO [[if (t->map) intent_record]])
tg_plant(cut_of_map_forgotten FILE engine/cut.c SEEDS 5000
  FROM [[if (t->attempt || t->map) intent_record]] TO [[if (t->attempt) intent_record]])
tg_plant(cuts_not_resumed FILE engine/begin.c SEEDS 5000
  FROM [[  tg_engine_cuts_resume(engine, run);]] TO [[]])
tg_plant(cut_lost_with_its_attempt FILE engine/begin.c SEEDS 60000
  FROM [[if (run->tasks[unit].is_cut && attempt->item != TG_NO_ITEM)]]
  TO [[if (false && run->tasks[unit].is_cut && attempt->item != TG_NO_ITEM)]])
tg_plant(cut_of_first_item_only FILE engine/cut.c SEEDS 2000
  FROM [[for (uint32_t i = 0; t->map && i < t->map->count; i++)
    attempt_end]] TO [[for (uint32_t i = 0; t->map && i < 1 && i < t->map->count; i++)
    attempt_end]])
tg_plant(cut_is_no_failure FILE engine/live_map.c SEEDS 2000
  FROM [[if (!tg_live_is_cut(live, map->task)) failure_count(live, map);]] TO [[]])
tg_plant(cut_unit_starts FILE engine/live.c SEEDS 2000
  FROM [[if (live->tasks[unit].is_cut || live->tasks[task].is_cut) return true;]]
  TO [[if (live->tasks[unit].is_cut) return true;]])
tg_plant(cut_of_what_decides FILE engine/cut.c SEEDS 2000
  FROM [[if (t->attempt || t->is_deciding || is_over(t)) return;]]
  TO [[if (t->attempt || is_over(t)) return;]])
tg_plant(cut_after_the_map FILE engine/cut.c SEEDS 10000
  FROM [[map->map && (map->is_deciding || is_over(map))]] TO [[map->map && is_over(map)]])
tg_plant(cut_item_not_waited_for FILE engine/live_map.c SEEDS 30000
  FROM [[return is_over(live, task) && !has_deciding(live, live->tasks[task].map);]]
  TO [[(void)has_deciding;
  return is_over(live, task);]])
tg_plant(cut_item_stays_skipped FILE engine/live.c SEEDS 20000
  FROM [[bool was_derived = t->state == TG_TASK_SKIPPED;]] TO [[bool was_derived = false;]])
tg_plant(cut_run_succeeds FILE engine/finish.c SEEDS 1000
  FROM [[if (t->state != TG_TASK_FAILED && !(t->is_cut && t->state == TG_TASK_CANCELLED)) continue;]]
  TO [[if (t->state != TG_TASK_FAILED) continue;]])
tg_plant(cut_keeps_its_spare FILE engine/live.c SEEDS 5000
  FROM [[bool is_known = !live->is_replaying || live->tasks[task].state != TG_TASK_CANCELLED;]]
  TO [[bool is_known = live->tasks[task].state != TG_TASK_CANCELLED;]])
tg_plant(cut_spare_not_replayed FILE engine/live.c SEEDS 40000
  FROM [[if (is_held) code = fallback_release(live, i, live->tasks[i].is_fallback);]]
  TO [[if (is_held) code = fallback_release(live, i, false);]])

# --- Policies for retries ---

tg_plant(policy_not_followed FILE engine/retries.c SEEDS 1000
  FROM [[if (!input->decision.code && input->decision.is_retry) {]] TO [[if (!input->decision.code) {]])
tg_plant(policy_failure_retries FILE engine/retries.c SEEDS 1000
  FROM [[if (!input->decision.code && input->decision.is_retry) {]] TO [[if (input->decision.is_retry) {]])
tg_plant(policy_delay_ignored FILE engine/retries.c SEEDS 1000
  FROM [[int64_t delay_ms = asked_ms >= 0 ? asked_ms : asking->delay_ms;]]
  TO [[int64_t delay_ms = asked_ms >= 0 ? asking->delay_ms : asking->delay_ms;]])
tg_plant(fallen_not_known FILE engine/live.c SEEDS 30000
  FROM [[!live->tasks[task].is_fallback && is_known;]]
  TO [[!live->tasks[task].is_fallback && (is_known || true);]])
tg_plant(wake_by_wall_clock FILE engine/waits.c SEEDS 60000
  FROM [[t->notes->retry_at = 1;]] TO [[t->notes->retry_at = engine->now.wall_ms;]])
