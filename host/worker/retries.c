// SPDX-License-Identifier: Apache-2.0
#include "worker/retries.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/units.h"

struct asked {
  struct tg_retries *retries;
  uint64_t question;
  char *policy;
  struct tg_error err;
  bool is_retry;
  int64_t delay_ms;
  char *reason;
  struct tg_deferred tell; // the engine is not entered while it has us ask
  struct asked *next;
};

struct tg_retries {
  const struct tg_services *services;
  struct tg_scripts *scripts;
  struct asked *open;
};

struct tg_retries *tg_retries_new(const struct tg_services *services, struct tg_scripts *scripts) {
  struct tg_retries *retries = tg_must(calloc(1, sizeof *retries));
  retries->services = services;
  retries->scripts = scripts;
  return retries;
}

static void asked_free(struct asked *asked) {
  struct asked **at = &asked->retries->open;
  while (*at != asked) at = &(*at)->next;
  *at = asked->next;
  tg_loop_undefer(asked->retries->services->loop, &asked->tell);
  free(asked->policy);
  free(asked->reason);
  free(asked);
}

void tg_retries_free(struct tg_retries *retries) {
  if (!retries) return;
  while (retries->open) asked_free(retries->open);
  free(retries);
}

static void answer_tell(void *self) {
  struct asked *asked = self;
  struct tg_conductor *conductor = asked->retries->services->conductor;
  bool has_failed = asked->err.code != TG_OK;
  struct tg_input input = {.kind = TG_INPUT_DECISION,
                           .decision = {.question = asked->question,
                                        .code = asked->err.code,
                                        .is_retry = asked->is_retry,
                                        .delay_ms = asked->delay_ms,
                                        .text = has_failed ? asked->err.text : asked->reason}};
  tg_conductor_input(conductor, &input);
  asked_free(asked);
}

static int answer_read(struct asked *asked, const json_t *answer, struct tg_error *err) {
  const char *action = json_string_value(json_object_get(answer, "action"));
  const char *reason = json_string_value(json_object_get(answer, "reason"));
  const json_t *delay = json_object_get(answer, "delay");
  asked->is_retry = action && strcmp(action, "retry") == 0;
  asked->delay_ms = -1;
  asked->reason = reason ? strdup(reason) : NULL;
  if (!asked->is_retry && (!action || strcmp(action, "stop") != 0))
    return tg_error_set(err, TG_EINVALID, "its action is %.100s%s%s, and can be retry or stop",
                        action ? "\"" : "", action ? action : "none", action ? "\"" : "");
  bool has_delay = delay && !json_is_null(delay);
  if (has_delay &&
      (!json_is_string(delay) || !tg_duration_parse(json_string_value(delay), &asked->delay_ms)))
    return tg_error_set(err, TG_EINVALID,
                        "its delay is no duration such as \"500ms\", \"30s\" or \"5m\"");
  return TG_OK;
}

static void answered(void *self, const struct tg_error *err, const char *output,
                     const char *version) {
  struct asked *asked = self;
  (void)version;
  if (err) {
    asked->err = *err;
  } else {
    json_t *answer = json_loads(output, 0, NULL);
    answer_read(asked, answer, &asked->err);
    json_decref(answer);
  }
  tg_loop_defer(asked->retries->services->loop, &asked->tell);
}

void tg_retries_ask(struct tg_retries *retries, const struct tg_retry_question *question) {
  const struct tg_live_run *run = question->run;
  struct asked *asked = tg_must(calloc(1, sizeof *asked));
  *asked = (struct asked){.retries = retries,
                          .question = question->question,
                          .policy = strdup(run->plan->tasks[question->task].retry_decide),
                          .tell = {.call = answer_tell, .self = asked},
                          .next = retries->open};
  retries->open = asked;
  struct tg_bundles *bundles = tg_scripts_bundles(retries->scripts);
  struct tg_question own = {.policy = asked->policy,
                            .input = question->input,
                            .bundle = tg_bundles_find(bundles, run->run.bundle),
                            .run = run->run.number,
                            .task = question->task,
                            .attempt = question->number};
  tg_policies_ask(tg_scripts_policies(retries->scripts), &own, answered, asked);
}
