// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "cli/reasons_parts.h"
#include "dag/trigger.h"

enum { VERSION_COLUMNS = 12 };

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

static void upstream_tell(struct tg_teller *teller, uint32_t task, uint32_t upstream) {
  const struct tg_task *other = tg_task_at(teller, upstream);
  int64_t end = tg_cut_at(teller, task);
  bool is_late = end && (!other->ended_at || other->ended_at > end);
  bool is_gate = strcmp(teller->view->plan->tasks[upstream].word, "gate") == 0;
  const char *how = is_late           ? "waited for %s%s, which had not ended"
                    : other->ended_at ? "waited for %s%s: %s%s%s"
                                      : "waits for %s%s, which is %s";
  const char *failure = other->state == TG_TASK_FAILED ? other->failure.text : NULL;
  tg_tell(teller, tg_task_at(teller, task)->name, "upstream", teller->view->run.created_at,
          is_late ? end : other->ended_at, how, is_gate ? "gate " : "", other->name,
          tg_task_state_word(other->state), failure ? ": " : "", failure ? failure : "");
}

void tg_tell_upstreams(struct tg_teller *teller, uint32_t task) {
  struct tg_graph_slice up = tg_upstream_of(teller, task);
  struct wait *waits = calloc((size_t)up.count + 1, sizeof *waits);
  if (!waits) {
    teller->is_failed = true;
    return;
  }
  for (uint32_t i = 0; i < up.count; i++)
    waits[i] = (struct wait){tg_task_at(teller, up.nodes[i])->ended_at, up.nodes[i]};
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

void tg_tell_decisions(struct tg_teller *teller, uint32_t task, uint32_t attempt) {
  for (size_t i = 0; i < teller->view->decision_count; i++) {
    const struct tg_decision *decision = &teller->view->decisions[i];
    if (decision->task == task && (!attempt || decision->attempt == attempt))
      decision_tell(teller, decision);
  }
}

// Tells of the branch that left a task out; false when there is none.
bool tg_tell_branch(struct tg_teller *teller, uint32_t task) {
  struct tg_graph_slice up = tg_upstream_of(teller, task);
  for (uint32_t i = 0; i < up.count; i++) {
    uint32_t branch = up.nodes[i];
    if (!tg_view_is_unchosen(teller->view, branch, task)) continue;
    const struct tg_task *record = tg_task_at(teller, branch);
    tg_tell_decisions(teller, branch, 0);
    tg_tell(teller, tg_task_at(teller, task)->name, "branch", record->ended_at, record->ended_at,
            "branch %s chose %s", record->name, record->chosen);
    return true;
  }
  return false;
}

void tg_tell_rule(struct tg_teller *teller, uint32_t task) {
  static const char *const verdicts[] = {"is still open", "is met", "skips the task",
                                         "cannot be met any more"};
  struct tg_trigger_counts counts = tg_view_counts(teller->view, task);
  if (!counts.upstream || tg_cut_at(teller, task)) return;
  enum tg_trigger_rule rule = teller->view->plan->tasks[task].when;
  enum tg_trigger_verdict verdict = tg_trigger_judge(rule, &counts);
  bool is_open = verdict == TG_TRIGGER_WAIT;
  int64_t since = is_open ? teller->view->run.created_at : tg_ready_at(teller, task);
  tg_tell(teller, tg_task_at(teller, task)->name, "rule", since, is_open ? 0 : since,
          "rule %s %s: of %u upstream%s %u success, %u failed, %u skipped",
          tg_trigger_rule_word(rule), verdicts[verdict], counts.upstream,
          counts.upstream == 1 ? "" : "s", counts.success, counts.failed, counts.skipped);
}

// Tells of the task that this one stands in for; false when there is none, or it is needed.
bool tg_tell_fallback(struct tg_teller *teller, uint32_t task) {
  uint32_t owner = teller->view->plan->tasks[task].fallback_of;
  if (owner == TG_NO_TASK) return false;
  const struct tg_task *other = tg_task_at(teller, owner);
  const char *name = tg_task_at(teller, task)->name;
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
void tg_tell_stand_in(struct tg_teller *teller, uint32_t task) {
  uint32_t stand_in = tg_view_stand_in(teller->view, task);
  if (stand_in == TG_NO_TASK) return;
  const struct tg_task *other = tg_task_at(teller, stand_in);
  size_t count;
  const struct tg_attempt *attempts = tg_attempts_of(teller, task, &count);
  tg_tell(teller, tg_task_at(teller, task)->name, "fallback", attempts[count - 1].ended_at,
          other->ended_at, "its fallback %s stands in for it: %s", other->name,
          tg_task_state_word(other->state));
}
