// SPDX-License-Identifier: Apache-2.0
#include "worker/commands.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/map.h"
#include "base/must.h"
#include "base/units.h"
#include "engine/context.h"
#include "model/params.h"
#include "worker/attempt_log.h"

// A command for which there are no descriptors or processes left is held, and started when others
// have ended; it fails when that takes too long.
enum { HELD_LOOK_MS = 100, HELD_MS_MAX = 60000 };

struct command {
  struct tg_commands *commands;
  uint64_t attempt;
  struct tg_start start;              // without its context
  const struct tg_plan_command *plan; // of the run, which outlives the attempt
  int64_t held_until;                 // monotonic; 0 when it is not held
  struct tg_child *child;
  struct tg_attempt_log *log;
  int cancel_code;
  struct tg_error failed; // why it could not be started
  struct tg_deferred tell;
};

struct tg_commands {
  const struct tg_services *services;
  struct tg_map running; // struct command by attempt
  struct tg_timer *look; // after those that are held; made when one is
};

struct tg_commands *tg_commands_new(const struct tg_services *services) {
  struct tg_commands *commands = tg_must(calloc(1, sizeof *commands));
  commands->services = services;
  tg_map_init(&commands->running);
  return commands;
}

static void command_free(struct command *command) {
  tg_loop_undefer(command->commands->services->loop, &command->tell);
  tg_attempt_log_free(command->log);
  free(command);
}

void tg_commands_free(struct tg_commands *commands) {
  if (!commands) return;
  size_t at = 0;
  const struct tg_map_slot *slot;
  while ((slot = tg_map_next(&commands->running, &at))) command_free(slot->value);
  tg_map_deinit(&commands->running);
  tg_timer_free(commands->look);
  free(commands);
}

// The environment of a child.
struct env {
  struct tg_arena arena;
  const char **items;
  size_t count, cap;
};

// A later item of the same name replaces the earlier one.
static void env_put(struct env *env, const char *name, size_t name_len, const char *value) {
  size_t size = name_len + strlen(value) + 2, at = 0;
  char *item = tg_arena_alloc(&env->arena, size);
  if (!item) abort();
  snprintf(item, size, "%.*s=%s", (int)name_len, name, value);
  while (at < env->count && strncmp(env->items[at], item, name_len + 1) != 0) at++;
  if (at == env->count) {
    if (env->count + 2 > env->cap) {
      env->cap = env->cap ? env->cap * 2 : 32;
      env->items = realloc(env->items, env->cap * sizeof *env->items);
      if (!env->items) abort();
    }
    env->count++;
  }
  env->items[at] = item;
  env->items[env->count] = NULL;
}

static void env_set(struct env *env, const char *name, const char *value) {
  env_put(env, name, strlen(name), value);
}

// A command gets the value of a secret parameter, where scripts get a handle.
static void env_params(struct env *env, const struct tg_services *services,
                       const struct tg_plan *plan, const char *params) {
  const struct tg_secret_source *secrets = &services->secrets;
  json_t *all = json_loads(params, 0, NULL), *places = tg_params_secrets(plan->params, params);
  const char *name;
  json_t *value;
  env_set(env, "TIDEGATE_PARAMS", params);
  json_object_foreach(all, name, value) {
    char variable[TG_NAME_BYTES_MAX + 32];
    snprintf(variable, sizeof variable, "TIDEGATE_PARAM_%.*s", TG_NAME_BYTES_MAX, name);
    for (char *c = variable; *c; c++) *c = (char)toupper((unsigned char)*c);
    const char *place = json_string_value(json_object_get(places, name));
    const char *secret = place ? secrets->find(secrets->self, place, NULL) : NULL;
    const char *known = secret ? secret : json_string_value(value);
    char *text = known ? strdup(known) : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    if (text) env_set(env, variable, text);
    free(text);
  }
  json_decref(places);
  json_decref(all);
}

static void env_make(struct env *env, const struct tg_services *services,
                     const struct tg_start *start) {
  const struct tg_plan_task *task = &start->run->plan->tasks[start->task];
  const struct tg_run *run = &start->run->run;
  char id[TG_ID_TEXT_LEN + 1], key[TG_KEY_TEXT_LEN + 1], number[16], date[TG_TIME_TEXT_LEN + 1];
  tg_id_format(run->id, id);
  tg_context_key(start->run, start->unit, key);
  tg_time_format(run->logical_at, date);
  snprintf(number, sizeof number, "%u", start->number);
  tg_arena_init(&env->arena);
  for (const char *const *name = task->command->env_pass; *name; name++) {
    const char *value = getenv(*name);
    if (value) env_set(env, *name, value);
  }
  for (const char *const *pair = task->command->env_set; *pair; pair++) {
    const char *equals = strchr(*pair, '=');
    env_put(env, *pair, (size_t)(equals - *pair), equals + 1);
  }
  env_params(env, services, start->run->plan, run->params);
  env_set(env, "TIDEGATE_RUN_ID", id);
  env_set(env, "TIDEGATE_PIPELINE", start->run->plan->name);
  env_set(env, "TIDEGATE_TASK", task->name);
  env_set(env, "TIDEGATE_ATTEMPT", number);
  env_set(env, "TIDEGATE_KEY", key);
  env_set(env, "TIDEGATE_LOGICAL_DATE", date);
  if (run->partition) env_set(env, "TIDEGATE_PARTITION", run->partition);
  if (!start->deadline_at) return;
  tg_time_format(start->deadline_at, date);
  env_set(env, "TIDEGATE_DEADLINE", date);
}

static void env_free(struct env *env) {
  free(env->items);
  tg_arena_deinit(&env->arena);
}

static const char *env_find(const struct env *env, const char *prefix) {
  for (size_t i = 0; i < env->count; i++)
    if (strncmp(env->items[i], prefix, strlen(prefix)) == 0) return env->items[i];
  return NULL;
}

static void output(void *self, enum tg_child_stream stream, const char *bytes, size_t len) {
  struct command *command = self;
  tg_attempt_log_output(command->log, stream == TG_CHILD_STDERR, bytes, len);
}

static bool is_ok(const struct tg_plan_command *plan, int code) {
  if (!plan->ok_code_count) return code == 0;
  for (uint32_t i = 0; i < plan->ok_code_count; i++)
    if (plan->ok_codes[i] == code) return true;
  return false;
}

static void failure_tell(struct command *command, const struct tg_child_exit *exit,
                         struct tg_error *err) {
  size_t len;
  const char *last = tg_attempt_log_last(command->log, 1, &len);
  const char *sign = len ? ": " : "";
  if (len > 300) len = 300;
  if (command->cancel_code)
    tg_error_set(err, command->cancel_code, "the command was stopped: %s",
                 command->cancel_code == TG_ETIMEOUT ? "its time limit passed"
                                                     : tg_code_text(command->cancel_code));
  else if (exit->signal)
    tg_error_set(err, TG_EEXIT, "signal %d (%s) ended the command%s%.*s", exit->signal,
                 strsignal(exit->signal), sign, (int)len, last);
  else if (!is_ok(command->plan, exit->code))
    tg_error_set(err, TG_EEXIT, "the command ended with exit code %d%s%.*s", exit->code, sign,
                 (int)len, last);
}

// The result of a command: {"exit_code": n}, or what its last line says.
static char *result_make(struct command *command, const struct tg_child_exit *exit,
                         struct tg_error *err) {
  if (!command->plan->is_json_output) {
    char text[64];
    snprintf(text, sizeof text, "{\"exit_code\":%d}", exit->code);
    return strdup(text);
  }
  size_t len;
  json_error_t where;
  const char *last = tg_attempt_log_last(command->log, 0, &len);
  json_t *value = json_loadb(last, len, JSON_DECODE_ANY, &where);
  if (!value) {
    tg_error_set(err, TG_EEXIT,
                 "the last line that the command printed is not JSON (%s), as output = \"json\" "
                 "asks for: %.200s",
                 where.text, last);
    return NULL;
  }
  char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
  json_decref(value);
  return text;
}

static void outcome_tell(struct command *command, const struct tg_outcome *outcome) {
  struct tg_commands *commands = command->commands;
  uint64_t attempt = command->attempt;
  tg_map_remove_number(&commands->running, attempt);
  struct tg_outcome own = *outcome; // its texts are not the command's
  tg_log_redact(own.err.text);      // it may have said what it was given
  command_free(command);
  tg_conductor_result(commands->services->conductor, attempt, &own);
}

static void exited(void *self, const struct tg_child_exit *exit) {
  static const char left_behind[] = "the command left processes behind; they were ended";
  struct command *command = self;
  command->child = NULL;
  struct tg_outcome outcome = {0};
  if (exit->had_leftovers)
    tg_attempt_log_line(command->log, "warn", left_behind, sizeof left_behind - 1);
  failure_tell(command, exit, &outcome.err);
  char *result = outcome.err.code ? NULL : result_make(command, exit, &outcome.err);
  if (result) tg_log_redact(result);
  outcome.result = result;
  outcome_tell(command, &outcome);
  free(result);
}

static void unstarted_tell(void *self) {
  struct command *command = self;
  struct tg_outcome outcome = {.err = command->failed};
  outcome_tell(command, &outcome);
}

static int spawn(struct command *command, struct tg_error *err) {
  const struct tg_services *services = command->commands->services;
  const struct tg_plan_command *plan = command->plan;
  const char *const shell[] = {"/bin/sh", "-c", plan->argv[0], NULL};
  char cwd[4096];
  if (plan->cwd[0] == '/' || !plan->cwd[0])
    snprintf(cwd, sizeof cwd, "%s", plan->cwd[0] ? plan->cwd : services->root);
  else
    snprintf(cwd, sizeof cwd, "%s/%s", services->root, plan->cwd);
  struct env env = {0};
  env_make(&env, services, &command->start);
  struct tg_child_spec spec = {
      .argv = plan->is_shell ? shell : plan->argv,
      .env = env.items,
      .cwd = cwd,
      .input = *plan->stdin_text ? plan->stdin_text : NULL,
      .input_len = strlen(plan->stdin_text),
      .grace_ms = plan->grace_ms,
      .marker = env_find(&env, "TIDEGATE_KEY="),
  };
  struct tg_child_callbacks callbacks = {.output = output, .exited = exited, .self = command};
  int code = tg_child_spawn(services->children, &spec, &callbacks, &command->child, err);
  env_free(&env);
  return code;
}

static void held_look(void *self);

// Holds a command that cannot be started now. Returns false when it has waited long enough.
static bool hold(struct command *command) {
  struct tg_commands *commands = command->commands;
  struct tg_loop *loop = commands->services->loop;
  int64_t now = tg_clock_mono_ms(tg_loop_clock(loop));
  if (!command->held_until) {
    command->held_until = now + HELD_MS_MAX;
    tg_log(TG_LOG_WARN, "a command has to wait: %s", command->failed.text);
  }
  if (now >= command->held_until) return false;
  if (!commands->look) commands->look = tg_timer_new(loop, held_look, commands, NULL);
  if (commands->look) tg_timer_start(commands->look, HELD_LOOK_MS);
  return commands->look != NULL;
}

static void command_try(struct command *command) {
  int code = spawn(command, &command->failed);
  if (code == TG_EBUSY && hold(command)) return;
  command->held_until = 0;
  if (code) tg_loop_defer(command->commands->services->loop, &command->tell);
}

static void held_look(void *self) {
  struct tg_commands *commands = self;
  size_t at = 0;
  const struct tg_map_slot *slot;
  while ((slot = tg_map_next(&commands->running, &at))) {
    struct command *command = slot->value;
    if (command->held_until) command_try(command); // what it tells, it tells later
  }
}

void tg_commands_start(struct tg_commands *commands, const struct tg_start *start) {
  const struct tg_services *services = commands->services;
  const struct tg_plan_task *task = &start->run->plan->tasks[start->task];
  struct command *command = calloc(1, sizeof *command);
  if (!command || tg_map_put_number(&commands->running, start->attempt, command)) abort();
  char id[TG_ID_TEXT_LEN + 1], name[TG_UNIT_NAME_MAX];
  tg_id_format(start->run->run.id, id);
  command->commands = commands;
  command->attempt = start->attempt;
  command->start = *start;
  command->start.context = NULL;
  command->plan = task->command;
  tg_context_unit_name(start->run, start->unit, name);
  command->log = tg_attempt_log_new(services->disk, services->data, id, name, start->number);
  command->tell = (struct tg_deferred){.call = unstarted_tell, .self = command};
  command_try(command);
}

bool tg_commands_cancel(struct tg_commands *commands, uint64_t attempt, int code) {
  struct command *command = tg_map_get_number(&commands->running, attempt);
  if (!command) return false;
  if (!command->cancel_code) command->cancel_code = code;
  if (command->held_until) {
    command->held_until = 0;
    tg_error_set(&command->failed, code, "the command was stopped before it could be started");
    tg_loop_defer(commands->services->loop, &command->tell);
  }
  if (command->child) tg_child_stop(command->child, command->plan->grace_ms);
  return true;
}
