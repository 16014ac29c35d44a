// SPDX-License-Identifier: Apache-2.0
#include "cli/answers.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "cli/inbox.h"

static const char kind[] = "approval";

struct tg_answers {
  struct tg_store *store;
  struct tg_conductor *conductor;
  const char *data;
  const struct tg_clock *clock;
  bool is_travelling;
};

struct tg_answers *tg_answers_new(struct tg_store *store, struct tg_conductor *conductor,
                                  const char *data, const struct tg_clock *clock) {
  struct tg_answers *answers = calloc(1, sizeof *answers);
  if (answers)
    *answers =
        (struct tg_answers){.store = store, .conductor = conductor, .data = data, .clock = clock};
  return answers;
}

void tg_answers_free(struct tg_answers *answers) {
  free(answers);
}

bool tg_answers_is_idle(const struct tg_answers *answers) {
  return !answers->is_travelling;
}

// --- The request ---

int tg_answer_put(const char *data, const struct tg_answer *answer, struct tg_error *err) {
  char run[TG_ID_TEXT_LEN + 1], name[TG_ID_TEXT_LEN + 1];
  tg_id_format(answer->run, run);
  tg_id_format(tg_id_new(tg_clock_system()), name);
  json_t *object = json_pack("{s:s, s:I, s:I, s:I, s:s}", "run", run, "task",
                             (json_int_t)answer->task, "item", (json_int_t)answer->item, "position",
                             (json_int_t)answer->position, "result", answer->result);
  char *text = json_dumps(object, JSON_COMPACT);
  int code = text ? tg_inbox_put(data, name, kind, text, strlen(text), err)
                  : tg_error_set(err, TG_EINVALID, "the answer is no valid text");
  free(text);
  json_decref(object);
  return code;
}

static int answer_read(const char *path, struct tg_arena *arena, struct tg_answer *answer,
                       struct tg_error *err) {
  struct tg_buf text;
  const char *run, *result;
  json_int_t task, item, position;
  tg_buf_init(&text, (size_t)TG_WAIT_BYTES_MAX * 2);
  int code = tg_file_read(path, &text, err);
  json_t *object = code ? NULL : json_loads(tg_buf_text(&text), 0, NULL);
  bool is_sound = json_unpack(object, "{s:s, s:I, s:I, s:I, s:s}", "run", &run, "task", &task,
                              "item", &item, "position", &position, "result", &result) == 0 &&
                  tg_id_parse(run, &answer->run);
  if (is_sound) {
    answer->task = (uint32_t)task;
    answer->item = (uint32_t)item;
    answer->position = (uint32_t)position;
    answer->result = tg_arena_strdup(arena, result);
  } else if (!code) {
    code = tg_error_set(err, TG_EINVALID, "it is no answer");
  }
  json_decref(object);
  tg_buf_deinit(&text);
  return code;
}

// --- Taking it in ---

static void kept(void *self, struct tg_batch *batch, const struct tg_error *err) {
  struct tg_answers *answers = self;
  answers->is_travelling = false;
  tg_batch_free(batch);
  if (err && err->code != TG_ECANCELLED)
    tg_log(TG_LOG_WARN, "an answer is not taken in: %s", err->text);
}

// Of a run that nobody works on it is a record like any other.
static void record(struct tg_answers *answers, const struct tg_step *step,
                   const struct tg_answer *answer) {
  struct tg_batch *batch = tg_batch_new();
  struct tg_record record = {.kind = TG_RECORD_STEP, .step = *step};
  record.step.result = answer->result;
  record.step.ended_at = tg_clock_wall_ms(answers->clock);
  if (!batch || tg_batch_add(batch, &record) != TG_OK) {
    tg_batch_free(batch); // the request stays
    return;
  }
  answers->is_travelling = true;
  tg_store_commit(answers->store, batch, kept, answers);
}

// Does the next thing with an answer; true when there is nothing left to do.
static bool answer_take(struct tg_answers *answers, struct tg_history *history,
                        const struct tg_answer *answer, struct tg_arena *arena) {
  char id[TG_ID_TEXT_LEN + 1];
  struct tg_run run;
  struct tg_step step;
  tg_id_format(answer->run, id);
  if (tg_history_run(history, id, arena, &run, NULL) || tg_run_state_is_terminal(run.state))
    return true;
  if (tg_history_step(history, run.number, answer->task, answer->item, answer->position, arena,
                      &step, NULL) ||
      !step.wait || step.result)
    return true;
  if (answers->conductor && tg_conductor_find_run(answers->conductor, run.number))
    tg_conductor_input(answers->conductor,
                       &(struct tg_input){.kind = TG_INPUT_APPROVAL,
                                          .approval = {.run = run.number,
                                                       .task = answer->task,
                                                       .item = answer->item,
                                                       .position = answer->position,
                                                       .result = answer->result}});
  else
    record(answers, &step, answer);
  return false;
}

static void request_take(struct tg_answers *answers, struct tg_history *history, const char *name,
                         struct tg_arena *arena) {
  struct tg_answer answer;
  struct tg_error err;
  const char *path = tg_inbox_path(answers->data, name, kind, arena);
  int code = path ? answer_read(path, arena, &answer, &err) : TG_ENOMEM;
  if (code == TG_EINVALID || code == TG_ELIMIT)
    tg_inbox_put_aside(path, &err);
  else if (!code && answer_take(answers, history, &answer, arena))
    tg_inbox_remove(answers->data, name, kind);
}

void tg_answers_look(struct tg_answers *answers) {
  struct tg_arena arena;
  struct tg_history *history = NULL;
  size_t count;
  tg_arena_init(&arena);
  char **names = tg_inbox_list(answers->data, kind, &arena, &count);
  if (count && tg_history_open(answers->data, &history, NULL)) count = 0;
  // Two answers to one step must not be on their way at once.
  for (size_t i = 0; i < count && !answers->is_travelling; i++)
    request_take(answers, history, names[i], &arena);
  tg_history_close(history);
  tg_arena_deinit(&arena);
}
