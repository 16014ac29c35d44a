// SPDX-License-Identifier: Apache-2.0
#include "model/state.h"

#include <stddef.h>
#include <string.h>

struct state_row {
  const char *word;
  bool is_terminal;
};

#define X(name, word, is_terminal) {word, is_terminal},
static const struct state_row run_states[] = {TG_RUN_STATES(X)};
static const struct state_row task_states[] = {TG_TASK_STATES(X)};
static const struct state_row attempt_states[] = {TG_ATTEMPT_STATES(X)};
static const struct state_row fill_states[] = {TG_FILL_STATES(X)};
#undef X

static int row_find(const struct state_row *rows, int count, const char *word) {
  for (int i = 0; i < count; i++)
    if (strcmp(rows[i].word, word) == 0) return i;
  return -1;
}

const char *tg_run_state_word(enum tg_run_state state) {
  return run_states[state].word;
}

const char *tg_task_state_word(enum tg_task_state state) {
  return task_states[state].word;
}

const char *tg_attempt_state_word(enum tg_attempt_state state) {
  return attempt_states[state].word;
}

int tg_run_state_parse(const char *word) {
  return row_find(run_states, TG_RUN_STATE_COUNT, word);
}

int tg_task_state_parse(const char *word) {
  return row_find(task_states, TG_TASK_STATE_COUNT, word);
}

int tg_attempt_state_parse(const char *word) {
  return row_find(attempt_states, TG_ATTEMPT_STATE_COUNT, word);
}

bool tg_run_state_is_terminal(enum tg_run_state state) {
  return run_states[state].is_terminal;
}

bool tg_task_state_is_terminal(enum tg_task_state state) {
  return task_states[state].is_terminal;
}

const char *tg_fill_state_word(enum tg_fill_state state) {
  return fill_states[state].word;
}

int tg_fill_state_parse(const char *word) {
  return row_find(fill_states, TG_FILL_STATE_COUNT, word);
}

bool tg_fill_state_is_terminal(enum tg_fill_state state) {
  return fill_states[state].is_terminal;
}
