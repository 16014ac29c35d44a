// SPDX-License-Identifier: Apache-2.0
#include "cli/select.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"

static bool has_tag(const struct tg_plan_task *task, const char *tag) {
  for (const char *const *at = task->tags; *at; at++)
    if (fnmatch(tag, *at, 0) == 0) return true;
  return false;
}

static bool has_failed(const struct tg_earlier *earlier, uint32_t task) {
  enum tg_task_state state = earlier->tasks[task].state;
  return state == TG_TASK_FAILED || state == TG_TASK_UPSTREAM_FAILED;
}

// What `failed` selects of a task.
static enum tg_mark failed_mark(const struct tg_earlier *earlier, uint32_t task) {
  bool has_ended = has_failed(earlier, task) || earlier->tasks[task].state == TG_TASK_SUCCESS;
  if (has_ended && earlier->has_failed_items[task]) return TG_MARK_ITEMS;
  return has_failed(earlier, task) ? TG_MARK_TASK : TG_MARK_NONE;
}

// The name nearest to one that names nothing, or NULL.
static const char *nearest(const struct tg_plan *plan, const char *name) {
  const char **names = malloc(plan->count * sizeof *names);
  if (!names) return NULL;
  for (uint32_t i = 0; i < plan->count; i++) names[i] = plan->tasks[i].name;
  const char *found = tg_suggest(name, names, plan->count);
  free(names);
  return found;
}

static int nothing_error(const struct tg_plan *plan, const char *term, struct tg_error *err) {
  bool is_state = tg_task_state_parse(term) >= 0;
  const char *near = strchr(term, ':') || is_state ? NULL : nearest(plan, term);
  const char *meant = is_state ? term : near ? near : "";
  return tg_error_set(err, TG_EINVALID, "'%s' selects no task of %s%s%s%s%s", term, plan->name,
                      *meant ? "; did you mean '" : "", is_state ? "result:" : "", meant,
                      *meant ? "'?" : "");
}

// Reads the state of "result:cancelled"; -1 for another term.
static int result_parse(const char *term, int *state, struct tg_error *err) {
  static const char form[] = "result:";
  *state = -1;
  if (strncmp(term, form, sizeof form - 1) != 0) return TG_OK;
  const char *word = term + sizeof form - 1;
  *state = tg_task_state_parse(word);
  if (*state >= 0 && tg_task_state_is_terminal((enum tg_task_state) * state)) return TG_OK;
  return tg_error_set(err, TG_EINVALID,
                      "'%s' is no state that a task ends in; they are success, failed, "
                      "upstream_failed, skipped and cancelled",
                      word);
}

static enum tg_mark task_mark(const struct tg_plan *plan, const struct tg_earlier *earlier,
                              const char *term, int result, uint32_t task) {
  bool is_known = earlier && earlier->tasks[task].name;
  if (strncmp(term, "tag:", 4) == 0) return has_tag(&plan->tasks[task], term + 4);
  if (strcmp(term, "failed") == 0) return is_known ? failed_mark(earlier, task) : TG_MARK_NONE;
  if (strcmp(term, "skipped") == 0) result = TG_TASK_SKIPPED;
  if (result >= 0) return is_known && (int)earlier->tasks[task].state == result;
  return fnmatch(term, plan->tasks[task].name, 0) == 0;
}

// Adds the tasks before and after those that are marked, which stay as they are.
static int ways_mark(const struct tg_plan *plan, bool has_upstream, bool has_downstream,
                     uint8_t *marks, struct tg_error *err) {
  uint8_t *up = malloc(plan->count * 2u);
  if (!up) return tg_error_set(err, TG_ENOMEM, "no memory for a selection");
  uint8_t *down = up + plan->count;
  memcpy(up, marks, plan->count);
  memcpy(down, marks, plan->count);
  if (has_upstream) tg_graph_mark_ancestors(&plan->graph, up);
  if (has_downstream) tg_graph_mark_descendants(&plan->graph, down);
  for (uint32_t i = 0; i < plan->count; i++)
    if (!marks[i] && (up[i] || down[i])) marks[i] = TG_MARK_TASK;
  free(up);
  return TG_OK;
}

// Marks what one term selects: "+gold_*", "tag:nightly", "failed".
static int term_mark(const struct tg_plan *plan, const struct tg_earlier *earlier, char *term,
                     uint8_t *marks, struct tg_error *err) {
  size_t len = strlen(term);
  bool has_upstream = term[0] == '+', has_downstream = len > 1 && term[len - 1] == '+';
  if (has_downstream) term[len - 1] = 0;
  if (has_upstream) term++;
  int result, code = result_parse(term, &result, err);
  if (code) return code;
  bool is_of_run = result >= 0 || strcmp(term, "failed") == 0 || strcmp(term, "skipped") == 0;
  bool found = false;
  for (uint32_t i = 0; i < plan->count; i++) {
    marks[i] = (uint8_t)task_mark(plan, earlier, term, result, i);
    found |= marks[i] != TG_MARK_NONE;
  }
  if (!found && !is_of_run) return nothing_error(plan, term, err);
  return has_upstream || has_downstream ? ways_mark(plan, has_upstream, has_downstream, marks, err)
                                        : TG_OK;
}

// Both: the narrower of the two. Either: the wider.
static uint8_t mark_and(uint8_t a, uint8_t b) {
  return a && b ? (a > b ? a : b) : TG_MARK_NONE;
}

static uint8_t mark_or(uint8_t a, uint8_t b) {
  return !a || (b && b < a) ? b : a;
}

// Marks the intersection of the terms between the commas.
static int terms_mark(const struct tg_plan *plan, const struct tg_earlier *earlier, char *terms,
                      uint8_t *marks, struct tg_error *err) {
  memset(marks, strspn(terms, ",") < strlen(terms), plan->count); // commas alone are no terms
  uint8_t *own = calloc(plan->count, 1);
  if (!own) return tg_error_set(err, TG_ENOMEM, "no memory for a selection");
  char *save = NULL;
  int code = TG_OK;
  for (char *term = strtok_r(terms, ",", &save); term && !code; term = strtok_r(NULL, ",", &save)) {
    code = term_mark(plan, earlier, term, own, err);
    for (uint32_t i = 0; i < plan->count; i++) marks[i] = mark_and(marks[i], own[i]);
  }
  free(own);
  return code;
}

// Marks the union of the words between the blanks. `own` has room for the marks of a word.
static int words_mark(const struct tg_plan *plan, const struct tg_earlier *earlier, char *words,
                      uint8_t *own, uint8_t *marks, struct tg_error *err) {
  char *save = NULL;
  int code = TG_OK;
  memset(marks, 0, plan->count);
  for (char *terms = strtok_r(words, " \t\n", &save); terms && !code;
       terms = strtok_r(NULL, " \t\n", &save)) {
    code = terms_mark(plan, earlier, terms, own, err);
    for (uint32_t i = 0; i < plan->count && !code; i++) marks[i] = mark_or(marks[i], own[i]);
  }
  return code;
}

int tg_select(const struct tg_plan *plan, const struct tg_earlier *earlier, const char *selection,
              uint8_t *marks, struct tg_error *err) {
  char *text = strdup(selection);
  uint8_t *own = malloc(plan->count);
  int code = text && own ? words_mark(plan, earlier, text, own, marks, err)
                         : tg_error_set(err, TG_ENOMEM, "no memory for a selection");
  bool found = false;
  for (uint32_t i = 0; i < plan->count && !code; i++) found |= marks[i] != TG_MARK_NONE;
  if (!code && !found)
    code = tg_error_set(err, TG_EINVALID, "the selection '%s' selects no task", selection);
  free(own);
  free(text);
  return code;
}
