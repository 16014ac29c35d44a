// SPDX-License-Identifier: Apache-2.0
#include "cli/reasons.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "cli/reasons_parts.h"
#include "cli/resource.h"
#include "dag/trigger.h"
#include "retry/policy.h"

enum {
  SLOT_MS_MIN = 100,   // a shorter wait is the ordinary way to a start
  NAMES_SHOWN_MAX = 5, // of tasks in one sentence
  VERSION_COLUMNS = 12,
  TEXT_BYTES_MAX = 4096,
};

json_t *tg_tell(struct tg_teller *teller, const char *task, const char *kind, int64_t since,
                int64_t until, const char *format, ...) {
  char text[TEXT_BYTES_MAX];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (until && until < since) since = until; // carried over from an earlier run
  json_t *reason =
      json_pack("{s:s?, s:s, s:o, s:o, s:o, s:o}", "task", task, "kind", kind, "since",
                tg_view_time_json(since), "until", tg_view_time_json(until), "duration_ms",
                until ? json_integer(until - since) : json_null(), "text", tg_view_text_json(text));
  if (reason && json_array_append_new(teller->list, reason) == 0) return reason;
  teller->is_failed = true;
  return NULL;
}

static const struct tg_task *task_at(const struct tg_teller *teller, uint32_t task) {
  return &teller->view->tasks[task];
}

static struct tg_graph_slice upstream_of(const struct tg_teller *teller, uint32_t task) {
  return tg_graph_upstream(&teller->view->plan->graph, task);
}

// Gives the place of the first attempt of a task, or of a later one where it has none. Attempts
// stand in the order of tasks.
static size_t attempts_begin(const struct tg_view *view, uint32_t task) {
  size_t low = 0, high = view->attempt_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (view->attempts[middle].task < task)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// Those of the items of a map follow its own.
const struct tg_attempt *tg_attempts_of(const struct tg_teller *teller, uint32_t task,
                                        size_t *count) {
  const struct tg_view *view = teller->view;
  size_t begin = attempts_begin(view, task);
  *count = 0;
  while (begin + *count < view->attempt_count && view->attempts[begin + *count].task == task &&
         view->attempts[begin + *count].item == TG_NO_ITEM)
    ++*count;
  return *count ? &view->attempts[begin] : NULL;
}

// Gives the first attempt of a task, or NULL.
static const struct tg_attempt *first_attempt(const struct tg_teller *teller, uint32_t task) {
  size_t count;
  return tg_attempts_of(teller, task, &count);
}

// Gives when a task was past waiting: its first attempt, or its end without one; else 0.
static int64_t settled_at(const struct tg_teller *teller, uint32_t task) {
  const struct tg_attempt *first = first_attempt(teller, task);
  return first ? first->started_at : task_at(teller, task)->ended_at;
}

// Finds the upstream that ended last before a task was settled, or UINT32_MAX.
static uint32_t last_upstream(const struct tg_teller *teller, uint32_t task) {
  struct tg_graph_slice up = upstream_of(teller, task);
  int64_t settled = settled_at(teller, task);
  uint32_t last = UINT32_MAX;
  for (uint32_t i = 0; i < up.count; i++) {
    int64_t ended = task_at(teller, up.nodes[i])->ended_at;
    if (!ended || (settled && ended > settled)) continue;
    if (last == UINT32_MAX || ended > task_at(teller, last)->ended_at) last = up.nodes[i];
  }
  return last;
}

int64_t tg_ready_at(const struct tg_teller *teller, uint32_t task) {
  uint32_t last = last_upstream(teller, task);
  const struct tg_run *run = &teller->view->run;
  if (last != UINT32_MAX) return task_at(teller, last)->ended_at;
  return run->started_at ? run->started_at : run->created_at;
}

struct wait {
  int64_t ended_at;
  uint32_t task;
};

// Orders by end; what has not ended comes last.
static int by_end(const void *a, const void *b) {
  const struct wait *x = a, *y = b;
  uint64_t x_end = (uint64_t)x->ended_at - 1, y_end = (uint64_t)y->ended_at - 1;
  if (x_end != y_end) return x_end < y_end ? -1 : 1;
  return x->task < y->task ? -1 : x->task > y->task;
}

// Gives when a task ended that had not begun, 0 for any other: an upstream may have ended later.
static int64_t cut_at(const struct tg_teller *teller, uint32_t task) {
  const struct tg_task *record = task_at(teller, task);
  bool is_cut = record->state == TG_TASK_CANCELLED && !first_attempt(teller, task);
  return is_cut ? record->ended_at : 0;
}

static void upstream_tell(struct tg_teller *teller, uint32_t task, uint32_t upstream) {
  const struct tg_task *other = task_at(teller, upstream);
  int64_t end = cut_at(teller, task);
  bool is_late = end && (!other->ended_at || other->ended_at > end);
  bool is_gate = strcmp(teller->view->plan->tasks[upstream].word, "gate") == 0;
  const char *how = is_late           ? "waited for %s%s, which had not ended"
                    : other->ended_at ? "waited for %s%s: %s%s%s"
                                      : "waits for %s%s, which is %s";
  const char *failure = other->state == TG_TASK_FAILED ? other->failure.text : NULL;
  tg_tell(teller, task_at(teller, task)->name, "upstream", teller->view->run.created_at,
          is_late ? end : other->ended_at, how, is_gate ? "gate " : "", other->name,
          tg_task_state_word(other->state), failure ? ": " : "", failure ? failure : "");
}

static void upstreams_tell(struct tg_teller *teller, uint32_t task) {
  struct tg_graph_slice up = upstream_of(teller, task);
  struct wait *waits = calloc((size_t)up.count + 1, sizeof *waits);
  if (!waits) {
    teller->is_failed = true;
    return;
  }
  for (uint32_t i = 0; i < up.count; i++)
    waits[i] = (struct wait){task_at(teller, up.nodes[i])->ended_at, up.nodes[i]};
  qsort(waits, up.count, sizeof *waits, by_end);
  for (uint32_t i = 0; i < up.count; i++) upstream_tell(teller, task, waits[i].task);
  free(waits);
}

static void decision_tell(struct tg_teller *teller, const struct tg_decision *decision) {
  tg_tell(teller, tg_view_task_name(teller->view, decision->task), "decision", decision->decided_at,
          decision->decided_at, "policy %s (version %.*s) decided %s: %s", decision->policy,
          VERSION_COLUMNS, decision->version, decision->action ? decision->action : "nothing",
          decision->reason ? decision->reason : "it gave no reason");
}

static void decisions_tell(struct tg_teller *teller, uint32_t task, uint32_t attempt) {
  for (size_t i = 0; i < teller->view->decision_count; i++) {
    const struct tg_decision *decision = &teller->view->decisions[i];
    if (decision->task == task && (!attempt || decision->attempt == attempt))
      decision_tell(teller, decision);
  }
}

// Tells of the branch that left a task out; false when there is none.
static bool branch_tell(struct tg_teller *teller, uint32_t task) {
  struct tg_graph_slice up = upstream_of(teller, task);
  for (uint32_t i = 0; i < up.count; i++) {
    uint32_t branch = up.nodes[i];
    if (!tg_view_is_unchosen(teller->view, branch, task)) continue;
    const struct tg_task *record = task_at(teller, branch);
    decisions_tell(teller, branch, 0);
    tg_tell(teller, task_at(teller, task)->name, "branch", record->ended_at, record->ended_at,
            "branch %s chose %s", record->name, record->chosen);
    return true;
  }
  return false;
}

static void rule_tell(struct tg_teller *teller, uint32_t task) {
  static const char *const verdicts[] = {"is still open", "is met", "skips the task",
                                         "cannot be met any more"};
  struct tg_trigger_counts counts = tg_view_counts(teller->view, task);
  if (!counts.upstream || cut_at(teller, task)) return;
  enum tg_trigger_rule rule = teller->view->plan->tasks[task].when;
  enum tg_trigger_verdict verdict = tg_trigger_judge(rule, &counts);
  bool is_open = verdict == TG_TRIGGER_WAIT;
  int64_t since = is_open ? teller->view->run.created_at : tg_ready_at(teller, task);
  tg_tell(teller, task_at(teller, task)->name, "rule", since, is_open ? 0 : since,
          "rule %s %s: of %u upstream%s %u success, %u failed, %u skipped",
          tg_trigger_rule_word(rule), verdicts[verdict], counts.upstream,
          counts.upstream == 1 ? "" : "s", counts.success, counts.failed, counts.skipped);
}

// Says what a task needs besides a place among those that run at once.
static void needs_put(const struct tg_plan_task *plan, char text[256]) {
  size_t used = 0;
  text[0] = 0;
  for (uint32_t i = 0; i < plan->pool_count && used < 200; i++)
    used += (size_t)snprintf(text + used, 256 - used, "%s%u slot%s of pool %.64s",
                             i ? " and " : " and for ", plan->pools[i].slots,
                             plan->pools[i].slots == 1 ? "" : "s", plan->pools[i].name);
}

static void slot_tell(struct tg_teller *teller, uint32_t task) {
  const struct tg_attempt *first = first_attempt(teller, task);
  const char *name = task_at(teller, task)->name;
  int64_t ready = tg_ready_at(teller, task);
  char needs[256];
  needs_put(&teller->view->plan->tasks[task], needs);
  if (first && !first->was_held && first->started_at - ready >= SLOT_MS_MIN &&
      !tg_tell_lacked(teller, task, ready, first->started_at))
    tg_tell(teller, name, "slot", ready, first->started_at, "waited for a free place to run%s",
            needs);
}

// Tells of the task that this one stands in for; false when there is none, or it is needed.
static bool fallback_tell(struct tg_teller *teller, uint32_t task) {
  uint32_t owner = teller->view->plan->tasks[task].fallback_of;
  if (owner == TG_NO_TASK) return false;
  const struct tg_task *other = task_at(teller, owner);
  const char *name = task_at(teller, task)->name;
  size_t count;
  const struct tg_attempt *attempts = tg_attempts_of(teller, owner, &count);
  bool is_needed = tg_view_stand_in(teller->view, owner) != TG_NO_TASK;
  int64_t created_at = teller->view->run.created_at;
  if (is_needed)
    tg_tell(teller, name, "fallback", created_at, attempts[count - 1].ended_at,
            "stands in for %s, which failed: %s", other->name,
            attempts[count - 1].failure.text ? attempts[count - 1].failure.text : "");
  else if (other->ended_at)
    tg_tell(teller, name, "fallback", other->ended_at, other->ended_at,
            "is the fallback of %s, which ended %s without it", other->name,
            tg_task_state_word(other->state));
  else
    tg_tell(teller, name, "fallback", created_at, 0,
            "is the fallback of %s and starts only if that fails", other->name);
  return !is_needed;
}

// Tells what stands in for a task that has failed.
static void stand_in_tell(struct tg_teller *teller, uint32_t task) {
  uint32_t stand_in = tg_view_stand_in(teller->view, task);
  if (stand_in == TG_NO_TASK) return;
  const struct tg_task *other = task_at(teller, stand_in);
  size_t count;
  const struct tg_attempt *attempts = tg_attempts_of(teller, task, &count);
  tg_tell(teller, task_at(teller, task)->name, "fallback", attempts[count - 1].ended_at,
          other->ended_at, "its fallback %s stands in for it: %s", other->name,
          tg_task_state_word(other->state));
}

// Tells of the breaker that keeps a task from its next attempt.
static void held_tell(struct tg_teller *teller, uint32_t task) {
  const struct tg_resource *resource = tg_view_held_by(teller->view, task);
  char text[TG_RESOURCE_TEXT_MAX];
  if (!resource) return;
  int64_t ready = tg_ready_at(teller, task);
  tg_resource_say(resource, text);
  tg_tell(teller, task_at(teller, task)->name, "resource",
          ready > resource->opened_at ? ready : resource->opened_at, 0, "waits for %s", text);
}

// Tells that an attempt was held by a breaker, from the instant at which it could have begun.
static void was_held_tell(struct tg_teller *teller, const struct tg_attempt *attempt,
                          const struct tg_attempt *before) {
  const struct tg_plan *plan = teller->view->plan;
  uint32_t resource = plan->tasks[attempt->task].resource;
  int64_t since =
      before && before->retry_at ? before->retry_at : tg_ready_at(teller, attempt->task);
  if (!attempt->was_held || resource == TG_NO_RESOURCE || since >= attempt->started_at) return;
  tg_tell(teller, task_at(teller, attempt->task)->name, "resource", since, attempt->started_at,
          "waited for resource %s, whose breaker was not closed", plan->resources[resource]);
}

static void checks_tell(struct tg_teller *teller, const struct tg_attempt *attempt) {
  const struct tg_view *view = teller->view;
  for (size_t i = 0; i < view->check_count; i++) {
    if (view->checks[i].task != attempt->task || view->checks[i].attempt != attempt->number)
      continue;
    const char *rule = "?", *column = NULL, *outcome = "?", *action = "?", *message = NULL;
    json_t *check = tg_view_check_json(view, &view->checks[i]);
    json_unpack(check, "{s?s, s?s, s?s, s?s, s?s}", "rule", &rule, "column", &column, "outcome",
                &outcome, "action", &action, "message", &message);
    if (strcmp(outcome, "passed") != 0)
      tg_tell(teller, tg_view_task_name(view, attempt->task), "check", attempt->ended_at,
              attempt->ended_at, "check %s%s%s ended %s, its action is %s%s%s", rule,
              column ? " of " : "", column ? column : "", outcome, action, message ? ": " : "",
              message ? message : "");
    json_decref(check);
  }
}

static void attempt_tell(struct tg_teller *teller, const struct tg_attempt *attempt) {
  const char *name = tg_view_task_name(teller->view, attempt->task);
  const struct tg_failure *failure = &attempt->failure;
  const char *state = tg_attempt_state_word(attempt->state);
  const char *kind = tg_view_is_fallback(teller->view, attempt) ? " (the fallback)" : "";
  if (failure->code)
    tg_tell(teller, name, "attempt", attempt->started_at, attempt->ended_at,
            "attempt %u%s: %s (%s, class %s): %s", attempt->number, kind, state,
            tg_code_word(failure->code), tg_class_word(failure->class),
            failure->text ? failure->text : "");
  else
    tg_tell(teller, name, "attempt", attempt->started_at, attempt->ended_at, "attempt %u%s: %s",
            attempt->number, kind, state);
}

// Counts the tries up to an attempt, which is what its policy goes by.
static uint32_t tries_to(const struct tg_attempt *first, const struct tg_attempt *last) {
  uint32_t tries = 0;
  for (; first <= last; first++) tries += first->state == TG_ATTEMPT_FAILED;
  return tries;
}

// Says what gave the delay to the next attempt: the task's policy, its backoff, or the remote.
static void delay_say(const struct tg_teller *teller, const struct tg_attempt *attempt,
                      char text[TG_ERROR_TEXT_MAX]) {
  const struct tg_plan_task *plan = &teller->view->plan->tasks[attempt->task];
  char backoff[TG_DURATION_TEXT_MAX], delay[TG_DURATION_TEXT_MAX];
  int64_t given = attempt->retry_at - attempt->ended_at;
  const struct tg_attempt *first = first_attempt(teller, attempt->task);
  struct tg_retry_decision own =
      tg_retry_decide(plan->retry, tries_to(first, attempt), attempt->failure.class, attempt->seed,
                      0, attempt->ended_at - first->started_at);
  tg_duration_format(own.delay_ms, backoff);
  tg_duration_format(given, delay);
  text[0] = 0;
  bool is_decided = attempt->state == TG_ATTEMPT_FAILED && own.stop == TG_RETRY_STOP_NOT;
  if (!is_decided || attempt->is_fallback_next) return;
  if (plan->retry_decide)
    snprintf(text, TG_ERROR_TEXT_MAX, ": %s by policy %s", delay, plan->retry_decide);
  else if (given > own.delay_ms)
    snprintf(text, TG_ERROR_TEXT_MAX, ": the remote asked for %s, the backoff gives %s", delay,
             backoff);
  else if (given == own.delay_ms)
    snprintf(text, TG_ERROR_TEXT_MAX, ": %s by its backoff (%s)", backoff,
             tg_backoff_word(plan->retry->backoff));
}

// Tells of a next attempt that has no record yet; when its instant has come it only waits for room.
static void next_tell(struct tg_teller *teller, const struct tg_attempt *attempt) {
  char why[TG_ERROR_TEXT_MAX], time[TG_TIME_TEXT_LEN + 1];
  bool is_due = teller->takers && teller->takers->now >= attempt->retry_at;
  tg_time_format(attempt->retry_at, time);
  delay_say(teller, attempt, why);
  json_t *reason = tg_tell(teller, task_at(teller, attempt->task)->name, "retry", attempt->ended_at,
                           is_due ? attempt->retry_at : 0, "%s for attempt %u until %s%s",
                           is_due ? "waited" : "waits", attempt->number + 1, time, why);
  json_object_set_new(reason, "retry_at", tg_view_time_json(attempt->retry_at));
}

// A next attempt that was due and had no room waited for that as well.
static void retried_tell(struct tg_teller *teller, const struct tg_attempt *attempt,
                         const struct tg_attempt *next, const char *why) {
  int64_t due = attempt->retry_at;
  bool had_room = !due || next->was_held || next->started_at - due < SLOT_MS_MIN;
  tg_tell(teller, task_at(teller, attempt->task)->name, "retry", attempt->ended_at,
          had_room ? next->started_at : due, "waited for attempt %u%s", next->number, why);
  if (!had_room) tg_tell_lacked(teller, attempt->task, due, next->started_at);
}

// Tells of the time between an attempt and the next; `next` is NULL for the last.
static void retry_tell(struct tg_teller *teller, const struct tg_attempt *attempt,
                       const struct tg_attempt *next) {
  const struct tg_task *task = task_at(teller, attempt->task);
  char why[TG_ERROR_TEXT_MAX] = "";
  if (next && attempt->retry_at) delay_say(teller, attempt, why);
  if (next && attempt->is_fallback_next) return; // it is told as what it is
  if (next)
    retried_tell(teller, attempt, next, why);
  else if (attempt->retry_at && !tg_task_state_is_terminal(task->state))
    next_tell(teller, attempt);
}

static void attempts_tell(struct tg_teller *teller, uint32_t task) {
  size_t count;
  const struct tg_attempt *attempts = tg_attempts_of(teller, task, &count);
  for (size_t i = 0; i < count; i++) {
    was_held_tell(teller, &attempts[i], i ? &attempts[i - 1] : NULL);
    decisions_tell(teller, task, attempts[i].number);
    checks_tell(teller, &attempts[i]);
    attempt_tell(teller, &attempts[i]);
    if (attempts[i].ended_at)
      retry_tell(teller, &attempts[i], i + 1 < count ? &attempts[i + 1] : NULL);
  }
}

// Tells what is left of a task that was carried over; false when it was not.
static bool carried_tell(struct tg_teller *teller, uint32_t task) {
  const struct tg_run *run = &teller->view->run;
  const struct tg_task *record = task_at(teller, task);
  if (!tg_view_is_carried(teller->view, task)) return false;
  tg_tell(teller, record->name, "carried", record->ended_at, record->ended_at,
          "carried over: %s in %s%s", tg_task_state_word(record->state),
          run->rerun_of ? "run " : "an earlier run", run->rerun_of ? run->rerun_of : "");
  return true;
}

// Says whether a class is tried again unless the script says otherwise.
static bool is_usual_class(enum tg_class class) {
  return class == TG_CLASS_TRANSIENT || class == TG_CLASS_THROTTLED;
}

// Says why a failed task got no further attempt.
static const char *stop_text(const struct tg_teller *teller, uint32_t task,
                             char text[TG_ERROR_TEXT_MAX]) {
  const struct tg_retry_policy *policy = teller->view->plan->tasks[task].retry;
  size_t count;
  const struct tg_attempt *first = tg_attempts_of(teller, task, &count);
  const struct tg_attempt *last = count ? &first[count - 1] : NULL;
  if (!last || last->state != TG_ATTEMPT_FAILED) return "";
  if (last->stop) {
    snprintf(text, TG_ERROR_TEXT_MAX, "; %s", last->stop);
    return text;
  }
  if (tg_view_is_fallback(teller->view, last)) return "; its fallback failed as well";
  switch (tg_retry_decide(policy, tries_to(first, last), last->failure.class, last->seed, 0,
                          last->ended_at - first->started_at)
              .stop) {
  case TG_RETRY_STOP_CLASS:
    snprintf(text, TG_ERROR_TEXT_MAX, "; the class %s is not %s",
             tg_class_word(last->failure.class),
             is_usual_class(last->failure.class) ? "among those of its retry.on" : "tried again");
    return text;
  case TG_RETRY_STOP_ATTEMPTS:
    if (policy->attempts_max <= 1) return "; it has no retry";
    snprintf(text, TG_ERROR_TEXT_MAX, "; its %u attempts were used up", policy->attempts_max);
    return text;
  case TG_RETRY_STOP_TOTAL:
    return "; its time for retries was used up";
  default: // the policy would go on, were it not for the Retry-After of the failure
    return policy->total_ms ? "; what the remote asked to wait is longer than its time for retries"
                            : "";
  }
}

static void task_end_tell(struct tg_teller *teller, uint32_t task) {
  const struct tg_task *record = task_at(teller, task);
  char text[TG_ERROR_TEXT_MAX];
  if (!tg_task_state_is_terminal(record->state)) return;
  bool is_failed = record->state == TG_TASK_FAILED;
  bool has_attempt = first_attempt(teller, task) != NULL;
  tg_tell(teller, record->name, "end", record->ended_at, record->ended_at, "ended %s%s%s%s",
          tg_task_state_word(record->state), is_failed ? stop_text(teller, task, text) : "",
          !has_attempt && record->failure.code ? ": " : "",
          !has_attempt && record->failure.code ? record->failure.text : "");
}

static json_t *finish(struct tg_teller *teller) {
  if (!teller->is_failed) return teller->list;
  json_decref(teller->list);
  return NULL;
}

// Tells what a task did, once it had begun.
static void work_tell(struct tg_teller *teller, uint32_t task) {
  slot_tell(teller, task);
  attempts_tell(teller, task);
  int64_t since = tg_ready_at(teller, task);
  if (tg_is_ready(teller, task, &since)) tg_tell_lacks(teller, task, since);
  stand_in_tell(teller, task);
  held_tell(teller, task);
  tg_tell_work(teller, task, tg_ready_at(teller, task));
}

json_t *tg_reasons_of_task(const struct tg_view *view, struct tg_takers *takers, uint32_t task) {
  struct tg_teller teller = {.view = view, .takers = takers, .list = json_array()};
  if (carried_tell(&teller, task)) return finish(&teller);
  tg_tell_overlap(&teller);
  upstreams_tell(&teller, task);
  if (!branch_tell(&teller, task) && !fallback_tell(&teller, task)) rule_tell(&teller, task);
  work_tell(&teller, task);
  task_end_tell(&teller, task);
  return finish(&teller);
}

// Tells of the tasks that led to a task, the first of them first, and of itself.
static void chain_tell(struct tg_teller *teller, uint32_t task) {
  uint32_t *chain = calloc((size_t)teller->view->task_count + 1, sizeof *chain);
  size_t count = 0;
  if (!chain) {
    teller->is_failed = true;
    return;
  }
  for (; task != UINT32_MAX; task = last_upstream(teller, task)) chain[count++] = task;
  while (count) {
    task = chain[--count];
    if (carried_tell(teller, task)) continue;
    if (!first_attempt(teller, task) && !branch_tell(teller, task) && !fallback_tell(teller, task))
      rule_tell(teller, task);
    work_tell(teller, task);
    if (task_at(teller, task)->state != TG_TASK_SUCCESS) task_end_tell(teller, task);
  }
  free(chain);
}

// Finds the first task that failed, or UINT32_MAX.
static uint32_t first_failed(const struct tg_view *view) {
  uint32_t found = UINT32_MAX;
  for (uint32_t i = 0; i < view->task_count; i++)
    if (view->tasks[i].state == TG_TASK_FAILED &&
        (found == UINT32_MAX || view->tasks[i].ended_at < view->tasks[found].ended_at))
      found = i;
  return found;
}

static uint32_t last_ended(const struct tg_view *view) {
  uint32_t found = UINT32_MAX;
  for (uint32_t i = 0; i < view->task_count; i++)
    if (view->tasks[i].ended_at &&
        (found == UINT32_MAX || view->tasks[i].ended_at > view->tasks[found].ended_at))
      found = i;
  return found;
}

static void open_tell(struct tg_teller *teller) {
  uint32_t ready_count = 0;
  int64_t since = teller->view->run.created_at;
  for (uint32_t i = 0; i < teller->view->task_count; i++) {
    enum tg_task_state state = teller->view->tasks[i].state;
    // One that went to rest at once has no record of its attempt.
    size_t step_count;
    bool was_begun = first_attempt(teller, i) || tg_view_steps(teller->view, i, &step_count);
    bool is_held = tg_view_held_by(teller->view, i) != NULL;
    int64_t ready_since = teller->view->run.created_at;
    bool is_ready = !was_begun && !is_held && tg_is_ready(teller, i, &ready_since);
    ready_count += is_ready;
    if (is_ready) since = ready_since;
    if (state == TG_TASK_RUNNING || is_held || (state == TG_TASK_WAITING && was_begun) ||
        (is_ready && ready_count <= NAMES_SHOWN_MAX))
      chain_tell(teller, i);
  }
  if (ready_count > NAMES_SHOWN_MAX)
    tg_tell(teller, NULL, "slot", since, 0, "%u more task%s could start but did not yet",
            ready_count - NAMES_SHOWN_MAX, ready_count - NAMES_SHOWN_MAX == 1 ? "" : "s");
}

// Tells of the tasks that failed beside the one whose way was told.
static void failed_tell(struct tg_teller *teller, uint32_t told) {
  const struct tg_view *view = teller->view;
  uint32_t count = 0;
  for (uint32_t i = 0; i < view->task_count; i++) {
    const struct tg_task *task = &view->tasks[i];
    if (task->state != TG_TASK_FAILED || i == told || ++count > NAMES_SHOWN_MAX) continue;
    tg_tell(teller, task->name, "end", task->ended_at, task->ended_at, "ended failed too%s%s",
            task->failure.text ? ": " : "", task->failure.text ? task->failure.text : "");
  }
  if (count > NAMES_SHOWN_MAX)
    tg_tell(teller, NULL, "end", view->run.ended_at, view->run.ended_at, "%u more task%s failed",
            count - NAMES_SHOWN_MAX, count - NAMES_SHOWN_MAX == 1 ? "" : "s");
}

// Tells what did not run because something else failed.
static void blocked_tell(struct tg_teller *teller) {
  const struct tg_view *view = teller->view;
  struct tg_buf names;
  uint32_t count = 0;
  tg_buf_init(&names, TEXT_BYTES_MAX);
  for (uint32_t i = 0; i < view->task_count; i++) {
    if (view->tasks[i].state != TG_TASK_UPSTREAM_FAILED) continue;
    if (count < NAMES_SHOWN_MAX)
      tg_buf_putf(&names, "%s%s", count ? ", " : "", view->tasks[i].name);
    count++;
  }
  if (count)
    tg_tell(teller, NULL, "end", view->run.ended_at, view->run.ended_at,
            "%u task%s did not run because of a failed upstream: %s%s", count,
            count == 1 ? "" : "s", tg_buf_text(&names), count > NAMES_SHOWN_MAX ? ", ..." : "");
  tg_buf_deinit(&names);
}

json_t *tg_reasons_of_run(const struct tg_view *view, struct tg_takers *takers) {
  struct tg_teller teller = {.view = view, .takers = takers, .list = json_array()};
  const struct tg_run *run = &view->run;
  uint32_t failed = first_failed(view);
  tg_tell_overlap(&teller);
  if (!tg_run_state_is_terminal(run->state)) {
    open_tell(&teller);
    return finish(&teller);
  }
  chain_tell(&teller, failed != UINT32_MAX ? failed : last_ended(view));
  failed_tell(&teller, failed);
  blocked_tell(&teller);
  tg_tell(&teller, NULL, "end", run->ended_at, run->ended_at, "the run ended %s%s%s",
          tg_run_state_word(run->state), run->failure.code ? ": " : "",
          run->failure.code ? run->failure.text : "");
  return finish(&teller);
}
