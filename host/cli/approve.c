// SPDX-License-Identifier: Apache-2.0
// approve: a person answers a task that waits for approval. The answer is put into the inbox; this
// ends when it is durable, taken in by the host that is at work or, where there is none, by this
// process.
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/units.h"
#include "cli/answers.h"
#include "cli/exit.h"
#include "cli/records.h"
#include "cli/verbs.h"
#include "cli/waiting.h"

enum { LOOK_MS = 50, LOOKS_A_TRY = 10, GROUPS_MAX = 256, NAMES_BYTES_MAX = 4096 };

struct approver {
  const struct tg_args *args;
  struct tg_records records;
  struct tg_view view;
  const struct tg_step *step; // that is answered
  char by[256];
  char *result;
  bool is_alone; // no host is at work
};

// --- Which step ---

static void unit_name(const struct tg_view *view, const struct tg_step *step, char name[160]) {
  const char *task = tg_view_task_name(view, step->task);
  if (step->item == TG_NO_ITEM)
    snprintf(name, 160, "%.128s", task);
  else
    snprintf(name, 160, "%.128s[%u]", task, step->item);
}

static bool is_approval(const struct tg_step *step) {
  json_t *wait = step->wait ? json_loads(step->wait, 0, NULL) : NULL;
  const char *kind = json_string_value(json_object_get(wait, "kind"));
  bool is_one = kind && strcmp(kind, "approval") == 0;
  json_decref(wait);
  return is_one;
}

// A name may stand for a map, all of whose items it means.
static bool is_named(const struct tg_view *view, const struct tg_step *step, const char *name) {
  char unit[160];
  unit_name(view, step, unit);
  return !name || strcmp(unit, name) == 0 || strcmp(tg_view_task_name(view, step->task), name) == 0;
}

static bool is_over(const struct tg_view *view, const struct tg_step *step) {
  size_t count;
  const struct tg_item *items = tg_view_items(view, step->task, &count);
  for (size_t i = 0; i < count && step->item != TG_NO_ITEM; i++)
    if (items[i].index == step->item) return true;
  return tg_task_state_is_terminal(view->tasks[step->task].state);
}

// Finds out whether there is a task of a name, which may be that of an item: publish[3].
static int task_check(const struct tg_view *view, const char *name, struct tg_error *err) {
  char task[TG_NAME_BYTES_MAX + 1];
  uint32_t index;
  if (!name) return TG_OK;
  snprintf(task, sizeof task, "%.*s", (int)strcspn(name, "["), name);
  return tg_records_find(view->plan, task, &index, err);
}

static int none_error(const struct approver *approver, const struct tg_step *answered,
                      const char *id, struct tg_error *err) {
  const struct tg_view *view = &approver->view;
  const char *name = tg_args_word(approver->args, 1);
  struct tg_buf text;
  if (tg_run_state_is_terminal(view->run.state))
    return tg_error_set(err, TG_EINVALID, "run %s has ended already (%s); nothing waits in it", id,
                        tg_run_state_word(view->run.state));
  if (task_check(view, name, err)) return TG_ENOT_FOUND;
  if (!answered)
    return tg_error_set(err, TG_EINVALID,
                        "%s%s%s does not wait for approval; \"tidegate show "
                        "%.13s\" says what does",
                        name ? name : "run ", name ? " of run " : "", id, id);
  tg_buf_init(&text, NAMES_BYTES_MAX);
  tg_waiting_put_result(&text, answered->result);
  int code = tg_error_set(err, TG_EINVALID, "%s of run %s has its answer: %s",
                          tg_view_task_name(view, answered->task), id, tg_buf_text(&text));
  tg_buf_deinit(&text);
  return code;
}

static int step_find(struct approver *approver, struct tg_error *err) {
  const struct tg_view *view = &approver->view;
  const char *name = tg_args_word(approver->args, 1);
  const struct tg_step *answered = NULL;
  char id[TG_ID_TEXT_LEN + 1], unit[160];
  struct tg_buf names;
  size_t count = 0;
  tg_buf_init(&names, NAMES_BYTES_MAX);
  tg_id_format(view->run.id, id);
  for (size_t i = 0; i < view->step_count; i++) {
    const struct tg_step *step = &view->steps[i];
    if (!is_named(view, step, name) || !is_approval(step)) continue;
    if (step->result) answered = step;
    if (step->result || is_over(view, step)) continue;
    unit_name(view, step, unit);
    if (count < 5) tg_buf_putf(&names, "%s%s", count ? ", " : "", unit);
    approver->step = step;
    count++;
  }
  int code = TG_OK;
  if (tg_run_state_is_terminal(view->run.state) || !count)
    code = none_error(approver, answered, id, err);
  else if (count > 1)
    code = tg_error_set(err, TG_EINVALID,
                        "%zu wait for approval in run %s: %s%s; say which: "
                        "tidegate approve %.13s TASK",
                        count, id, tg_buf_text(&names), count > 5 ? ", ..." : "", id);
  tg_buf_deinit(&names);
  return code;
}

// --- Who ---

static bool is_group(const char *name) {
  gid_t groups[GROUPS_MAX];
  int count = getgroups(GROUPS_MAX, groups);
  const struct group *group = getgrnam(name);
  for (int i = 0; group && i < count; i++)
    if (groups[i] == group->gr_gid) return true;
  return group && group->gr_gid == getegid();
}

// A name that was given is no proof of the groups that the person is in.
static int person_check(struct approver *approver, struct tg_error *err) {
  const char *given = tg_args_text(approver->args, "by");
  const struct passwd *user = given ? NULL : getpwuid(getuid());
  snprintf(approver->by, sizeof approver->by, "%s", given ? given : user ? user->pw_name : "");
  if (!*approver->by)
    return tg_error_set(err, TG_EINVALID, "who approves is not known; say so with --by NAME");
  json_t *wait = json_loads(approver->step->wait, 0, NULL);
  const json_t *list = json_object_get(wait, "by");
  bool may = !json_array_size(list);
  struct tg_buf names;
  tg_buf_init(&names, NAMES_BYTES_MAX);
  for (size_t i = 0; i < json_array_size(list) && !may; i++) {
    const char *name = json_string_value(json_array_get(list, i));
    tg_buf_putf(&names, "%s%s", i ? ", " : "", name);
    may = strcmp(name, approver->by) == 0 || (!given && is_group(name));
  }
  int code = may ? TG_OK
                 : tg_error_set(err, TG_EDENIED, "%s may not answer this; %s may", approver->by,
                                tg_buf_text(&names));
  tg_buf_deinit(&names);
  json_decref(wait);
  return code;
}

// --- The answer ---

static json_t *text_or_null(const char *text) {
  return text ? tg_view_text_json(text) : json_null();
}

static int result_make(struct approver *approver, struct tg_error *err) {
  const char *comment = tg_args_text(approver->args, "comment");
  bool is_rejected = tg_args_has(approver->args, "reject");
  char at[TG_TIME_TEXT_LEN + 1];
  struct tg_buf message;
  tg_time_format(tg_clock_wall_ms(tg_clock_system()), at);
  tg_buf_init(&message, (size_t)TG_WAIT_BYTES_MAX);
  tg_buf_putf(&message, "rejected by %s%s%s", approver->by, comment ? ": " : "",
              comment ? comment : "");
  json_t *said = json_pack("{s:o, s:o, s:s}", "by", tg_view_text_json(approver->by), "comment",
                           text_or_null(comment), "at", at);
  if (is_rejected)
    json_object_update_new(said, json_pack("{s:s, s:s, s:o}", "code", tg_code_word(TG_EREJECTED),
                                           "class", tg_class_word(tg_code_class(TG_EREJECTED)),
                                           "message", tg_view_text_json(tg_buf_text(&message))));
  else
    json_object_set_new(said, "approved", json_true());
  json_t *result = json_pack("{s:o}", is_rejected ? "error" : "value", said);
  approver->result = message.is_failed ? NULL : json_dumps(result, JSON_COMPACT);
  json_decref(result);
  tg_buf_deinit(&message);
  if (approver->result) return TG_OK;
  return tg_error_set(err, TG_EINVALID, "the comment is too long");
}

// --- Giving it ---

static int look(struct approver *approver, struct tg_run *run, struct tg_step *step,
                struct tg_error *err) {
  char id[TG_ID_TEXT_LEN + 1];
  struct tg_history *history = approver->records.history;
  struct tg_arena *arena = &approver->view.arena;
  const struct tg_step *own = approver->step;
  tg_id_format(approver->view.run.id, id);
  int code = tg_history_run(history, id, arena, run, err);
  return code ? code
              : tg_history_step(history, run->number, own->task, own->item, own->position, arena,
                                step, err);
}

// Takes the answer in where no host holds the folder.
static int self_take(struct approver *approver, struct tg_error *err) {
  const char *data = approver->records.project.data;
  struct tg_loop *loop = tg_loop_new(err);
  struct tg_store *store = NULL;
  if (!loop) return TG_EIO;
  int code = tg_store_open_briefly(loop, data, &store, err);
  approver->is_alone = !code;
  struct tg_answers *answers = code ? NULL : tg_answers_new(store, NULL, data, tg_loop_clock(loop));
  if (answers) {
    tg_answers_look(answers);
    while (!tg_answers_is_idle(answers)) tg_loop_turn(loop, true);
    tg_answers_look(answers); // what is done goes
  }
  tg_store_close(store);
  tg_answers_free(answers);
  tg_loop_free(loop);
  return code == TG_EBUSY ? TG_OK : code;
}

static int outcome_check(const struct approver *approver, const struct tg_run *run,
                         const struct tg_step *step, struct tg_error *err) {
  struct tg_buf text;
  if (step->result && strcmp(step->result, approver->result) == 0) return TG_OK;
  tg_buf_init(&text, NAMES_BYTES_MAX);
  if (step->result)
    tg_waiting_put_result(&text, step->result);
  else
    tg_buf_putf(&text, "the run ended as %s", tg_run_state_word(run->state));
  int code = tg_error_set(err, TG_ECONFLICT, "the answer came too late: %s", tg_buf_text(&text));
  tg_buf_deinit(&text);
  return code;
}

static int answer_give(struct approver *approver, struct tg_error *err) {
  const struct tg_step *own = approver->step;
  struct tg_answer answer = {.run = approver->view.run.id,
                             .task = own->task,
                             .item = own->item,
                             .position = own->position,
                             .result = approver->result};
  struct tg_run run = approver->view.run;
  struct tg_step step = *own;
  int code = tg_answer_put(approver->records.project.data, &answer, err);
  for (uint32_t looks = 0; !code && !step.result && !tg_run_state_is_terminal(run.state); looks++) {
    if (looks % LOOKS_A_TRY == 0)
      code = self_take(approver, err);
    else
      nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    if (!code) code = look(approver, &run, &step, err);
  }
  return code ? code : outcome_check(approver, &run, &step, err);
}

static int answer_say(const struct approver *approver) {
  const struct tg_output *output = &approver->records.output;
  char id[TG_ID_TEXT_LEN + 1], unit[160];
  tg_id_format(approver->view.run.id, id);
  unit_name(&approver->view, approver->step, unit);
  const char *word = tg_args_has(approver->args, "reject") ? "rejected" : "approved";
  if (!tg_args_has(approver->args, "quiet"))
    fprintf(stderr, "tidegate: %s of run %s is %s%s%s%s\n", unit, id, word,
            approver->is_alone ? "; no host is at work, \"tidegate run " : "",
            approver->is_alone ? approver->view.run.pipeline : "",
            approver->is_alone ? "\" continues the run" : "");
  if (output->format == TG_FORMAT_TEXT) return TG_EXIT_SUCCESS;
  return tg_output_document(output,
                            json_pack("{s:s, s:s, s:s, s:o}", "run", id, "task", unit, "state",
                                      word, "answer", tg_view_document_json(approver->result)));
}

static int approve_run(const struct tg_args *args) {
  struct approver approver = {.args = args};
  struct tg_error err;
  int exit_code = tg_records_open(&approver.records, args);
  if (!exit_code) exit_code = tg_records_view(&approver.records, args, &approver.view);
  if (!exit_code) {
    int code = step_find(&approver, &err);
    if (!code) code = person_check(&approver, &err);
    if (!code) code = result_make(&approver, &err);
    if (!code) code = answer_give(&approver, &err);
    exit_code = code ? tg_exit_report(&err) : answer_say(&approver);
  }
  free(approver.result);
  tg_view_deinit(&approver.view);
  tg_records_close(&approver.records);
  return exit_code;
}

const struct tg_verb tg_verb_approve = {
    .name = "approve",
    .arguments = "RUN [TASK]",
    .arguments_min = 1,
    .arguments_max = 2,
    .summary = "answer a task that waits for approval",
    .prose =
        "RUN is an id, a unique prefix of one, or \"last\"; TASK may be left out where one waits,\n"
        "and is NAME[ITEM] for an item of a map. Who answered, when and with which comment is\n"
        "kept with the task's step. With 0 the answer is on disk; the first one counts.",
    .options =
        (const struct tg_option[]){
            {"reject", 0, TG_OPTION_FLAG, NULL, "say no: ctx:approve gives nil and an error", NULL,
             NULL},
            {"comment", 'm', TG_OPTION_TEXT, "TEXT", "why", NULL, NULL},
            {"by", 0, TG_OPTION_TEXT, "NAME", "who answers (default: the user)", NULL, NULL},
            {NULL, 0, TG_OPTION_FLAG, NULL, NULL, NULL, NULL},
        },
    .examples =
        (const struct tg_example[]){
            {"approve last", "what the newest run waits for"},
            {"approve last 'publish[3]'", "an item of a map"},
            {"approve 0193c8f2 publish --reject -m \"the totals are wrong\"", "no, and why"},
            {NULL, NULL},
        },
    .run = approve_run,
};
