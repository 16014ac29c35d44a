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

static bool is_state(const struct tg_task *earlier, uint32_t task, const char *word) {
  if (!earlier) return false;
  enum tg_task_state state = earlier[task].state;
  if (strcmp(word, "failed") == 0)
    return state == TG_TASK_FAILED || state == TG_TASK_UPSTREAM_FAILED;
  return strcmp(word, "skipped") == 0 && state == TG_TASK_SKIPPED;
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

// Marks what one term selects: "+gold_*", "tag:nightly", "failed".
static int term_mark(const struct tg_plan *plan, const struct tg_task *earlier, char *term,
                     uint8_t *marks, struct tg_error *err) {
  size_t len = strlen(term);
  bool has_upstream = term[0] == '+', has_downstream = len > 1 && term[len - 1] == '+';
  if (has_downstream) term[len - 1] = 0;
  if (has_upstream) term++;
  bool is_tag = strncmp(term, "tag:", 4) == 0, found = false;
  bool is_word = strcmp(term, "failed") == 0 || strcmp(term, "skipped") == 0;
  for (uint32_t i = 0; i < plan->count; i++) {
    const struct tg_plan_task *task = &plan->tasks[i];
    marks[i] = is_tag    ? has_tag(task, term + 4)
               : is_word ? is_state(earlier, i, term)
                         : fnmatch(term, task->name, 0) == 0;
    found |= marks[i];
  }
  if (!found && !is_word) {
    const char *near = is_tag ? NULL : nearest(plan, term);
    return tg_error_set(err, TG_EINVALID, "'%s' selects no task of %s%s%s%s", term, plan->name,
                        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
  }
  if (!has_upstream && !has_downstream) return TG_OK;
  uint8_t *down = malloc(plan->count);
  if (!down) return tg_error_set(err, TG_ENOMEM, "no memory for a selection");
  memcpy(down, marks, plan->count);
  if (has_upstream) tg_graph_mark_ancestors(&plan->graph, marks);
  if (has_downstream) tg_graph_mark_descendants(&plan->graph, down);
  for (uint32_t i = 0; has_downstream && i < plan->count; i++) marks[i] |= down[i];
  free(down);
  return TG_OK;
}

// Marks the intersection of the terms between the commas.
static int terms_mark(const struct tg_plan *plan, const struct tg_task *earlier, char *terms,
                      uint8_t *marks, struct tg_error *err) {
  memset(marks, strspn(terms, ",") < strlen(terms), plan->count); // commas alone are no terms
  uint8_t *own = malloc(plan->count);
  if (!own) return tg_error_set(err, TG_ENOMEM, "no memory for a selection");
  char *save = NULL;
  int code = TG_OK;
  for (char *term = strtok_r(terms, ",", &save); term && !code; term = strtok_r(NULL, ",", &save)) {
    code = term_mark(plan, earlier, term, own, err);
    for (uint32_t i = 0; i < plan->count; i++) marks[i] &= own[i];
  }
  free(own);
  return code;
}

// Marks the union of the words between the blanks. `own` has room for the marks of a word.
static int words_mark(const struct tg_plan *plan, const struct tg_task *earlier, char *words,
                      uint8_t *own, uint8_t *marks, struct tg_error *err) {
  char *save = NULL;
  int code = TG_OK;
  memset(marks, 0, plan->count);
  for (char *terms = strtok_r(words, " \t\n", &save); terms && !code;
       terms = strtok_r(NULL, " \t\n", &save)) {
    code = terms_mark(plan, earlier, terms, own, err);
    for (uint32_t i = 0; i < plan->count && !code; i++) marks[i] |= own[i];
  }
  return code;
}

int tg_select(const struct tg_plan *plan, const struct tg_task *earlier, const char *selection,
              uint8_t *marks, struct tg_error *err) {
  char *text = strdup(selection);
  uint8_t *own = malloc(plan->count);
  int code = text && own ? words_mark(plan, earlier, text, own, marks, err)
                         : tg_error_set(err, TG_ENOMEM, "no memory for a selection");
  if (!code && !memchr(marks, 1, plan->count))
    code = tg_error_set(err, TG_EINVALID, "the selection '%s' selects no task", selection);
  free(own);
  free(text);
  return code;
}
