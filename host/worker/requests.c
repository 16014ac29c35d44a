// SPDX-License-Identifier: Apache-2.0
#include "worker/requests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/must.h"
#include "engine/context.h"
#include "http/service.h"
#include "model/json.h"
#include "model/params.h"
#include "store/kv_service.h"
#include "worker/file_call.h"

// A request that is not answered yet. What cannot be cancelled (store, policies, files) may
// answer after the attempt has ended; then `attempt` is NULL and the answer is dropped.
struct tg_request_open {
  struct tg_script_attempt *attempt;
  uint64_t request;
  enum tg_request kind;
  struct tg_http_service_call *http;
  struct tg_timer *timer;
  uint64_t question; // to the child runs
  enum tg_step_operation step;
  struct tg_deferred tell; // what a child run became is told from the loop
  struct tg_error failed;
  char *answer;
  struct tg_request_open *next;
};

static struct tg_request_open *open_new(struct tg_script_attempt *attempt, uint64_t request,
                                        enum tg_request kind) {
  struct tg_request_open *open = tg_must(calloc(1, sizeof *open));
  *open = (struct tg_request_open){
      .attempt = attempt, .request = request, .kind = kind, .next = attempt->requests};
  attempt->requests = open;
  attempt->request_count++;
  return open;
}

// Answers and forgets a request, if its attempt is still there.
static void open_end(struct tg_request_open *open, const struct tg_error *err, const void *body,
                     size_t len) {
  struct tg_script_attempt *attempt = open->attempt;
  if (attempt) {
    struct tg_request_open **at = &attempt->requests;
    while (*at != open) at = &(*at)->next;
    *at = open->next;
    attempt->request_count--;
    tg_scripts_reply(attempt, open->request, err, body, len);
  }
  tg_timer_free(open->timer);
  free(open->answer);
  free(open);
}

static void buf_answered(void *self, const struct tg_error *err, struct tg_buf *reply) {
  open_end(self, err, reply ? tg_buf_text(reply) : "", reply ? reply->len : 0);
}

static void kv_answered(void *self, const struct tg_error *err, const struct tg_buf *reply) {
  open_end(self, err, tg_buf_text(reply), reply->len);
}

static const struct tg_services *services_of(const struct tg_script_attempt *attempt) {
  return tg_scripts_services(attempt->scripts);
}

static const struct tg_live_run *run_of(const struct tg_script_attempt *attempt) {
  uint32_t task;
  return tg_conductor_find_attempt(services_of(attempt)->conductor, attempt->handle, &task);
}

// A parameter's secret is found for the run that has it, and for no other.
static const char *param_secret_find(void *self, const char *name) {
  static const char form[] = "param:";
  const struct tg_script_attempt *attempt = self;
  if (strncmp(name, form, sizeof form - 1) != 0) return NULL;
  const struct tg_secret_source *source = &services_of(attempt)->secrets;
  const struct tg_live_run *run = run_of(attempt);
  json_t *places = tg_params_secrets(run->plan->params, run->run.params);
  const char *place = json_string_value(json_object_get(places, name + sizeof form - 1));
  const char *value = place ? source->find(source->self, place, NULL) : NULL;
  json_decref(places);
  return value;
}

// Gives what an attempt has left of its time, at least 1 ms; 0 when nothing ends it.
static int64_t left_of(const struct tg_script_attempt *attempt) {
  if (!attempt->deadline_ms) return 0;
  int64_t left = attempt->deadline_ms - tg_clock_mono_ms(tg_loop_clock(services_of(attempt)->loop));
  return left > 1 ? left : 1;
}

static int http_take(struct tg_script_attempt *attempt, uint64_t request, struct tg_slice body,
                     struct tg_error *err) {
  struct tg_request_open *open = open_new(attempt, request, TG_REQUEST_HTTP);
  struct tg_error failed;
  struct tg_http_secrets secrets = {.find = param_secret_find, .self = attempt};
  int code = tg_http_service_start(services_of(attempt)->http, &secrets, body.data, body.len,
                                   left_of(attempt), buf_answered, open, &open->http, &failed);
  if (!code) return TG_OK;
  open_end(open, &failed, NULL, 0);
  return code == TG_EPROTOCOL ? tg_error_set(err, code, "%s", failed.text) : TG_OK;
}

static int sql_take(struct tg_script_attempt *attempt, uint64_t request, struct tg_slice body) {
  struct tg_request_open *open = open_new(attempt, request, TG_REQUEST_SQL);
  attempt->has_session = true;
  if (tg_warehouse_service_call(services_of(attempt)->warehouse, attempt->handle,
                                attempt->deadline_ms, body.data, body.len, buf_answered, open))
    return TG_OK;
  struct tg_error failed;
  tg_error_set(&failed, TG_ENOMEM, "no memory for a statement");
  open_end(open, &failed, NULL, 0);
  return TG_OK;
}

static int kv_take(struct tg_script_attempt *attempt, uint64_t request, struct tg_slice body) {
  struct tg_request_open *open = open_new(attempt, request, TG_REQUEST_KV);
  tg_kv_service_call(services_of(attempt)->store, run_of(attempt)->plan->name, body.data, body.len,
                     kv_answered, open);
  return TG_OK;
}

static int file_take(struct tg_script_attempt *attempt, uint64_t request, struct tg_slice body,
                     struct tg_error *err) {
  struct tg_request_open *open = open_new(attempt, request, TG_REQUEST_FILE);
  struct tg_error failed;
  int code = tg_file_call_start(services_of(attempt), body, buf_answered, open, &failed);
  if (!code) return TG_OK;
  open_end(open, &failed, NULL, 0);
  return code == TG_EPROTOCOL ? tg_error_set(err, code, "%s", failed.text) : TG_OK;
}

static void decided(void *self, const struct tg_error *err, const char *output,
                    const char *version) {
  struct tg_buf reply;
  tg_buf_init(&reply, (size_t)TG_FRAME_BYTES_MAX);
  tg_wire_put_text(&reply, output);
  tg_wire_put_text(&reply, version);
  open_end(self, err, tg_buf_text(&reply), reply.len);
  tg_buf_deinit(&reply);
}

static int decide_take(struct tg_script_attempt *attempt, uint64_t request, struct tg_slice body,
                       struct tg_error *err) {
  struct tg_reader in = tg_reader_of(body.data, body.len);
  const char *policy = tg_wire_get_text(&in), *input = tg_wire_get_text(&in);
  if (!tg_reader_is_done(&in)) return tg_error_set(err, TG_EPROTOCOL, "its question is malformed");
  struct tg_question question = {.policy = policy,
                                 .input = input,
                                 .bundle = attempt->version,
                                 .run = attempt->run,
                                 .task = attempt->task,
                                 .attempt = attempt->number};
  tg_policies_ask(tg_scripts_policies(attempt->scripts), &question, decided,
                  open_new(attempt, request, TG_REQUEST_DECIDE));
  return TG_OK;
}

static int output_take(struct tg_script_attempt *attempt, uint64_t request, struct tg_slice body,
                       struct tg_error *err) {
  struct tg_reader in = tg_reader_of(body.data, body.len);
  const char *name = tg_wire_get_text(&in);
  if (!tg_reader_is_done(&in)) return tg_error_set(err, TG_EPROTOCOL, "its request is malformed");
  const struct tg_live_run *run = run_of(attempt);
  uint32_t task = tg_plan_find(run->plan, name);
  struct tg_error failed;
  if (task == UINT32_MAX || !tg_context_is_ancestor(run->plan, task, attempt->task)) {
    tg_error_set(&failed, TG_EINVALID, "task %s is not upstream of %s; name it in `after`", name,
                 run->plan->tasks[attempt->task].name);
    tg_scripts_reply(attempt, request, &failed, NULL, 0);
    return TG_OK;
  }
  const char *output = run->tasks[task].output;
  struct tg_buf reply;
  tg_buf_init(&reply, (size_t)TG_FRAME_BYTES_MAX);
  tg_wire_put_u8(&reply, output != NULL);
  tg_wire_put_text(&reply, output);
  tg_scripts_reply(attempt, request, NULL, tg_buf_text(&reply), reply.len);
  tg_buf_deinit(&reply);
  return TG_OK;
}

static void slept(void *self) {
  open_end(self, NULL, "", 0);
}

static int sleep_take(struct tg_script_attempt *attempt, uint64_t request, struct tg_slice body,
                      struct tg_error *err) {
  struct tg_reader in = tg_reader_of(body.data, body.len);
  int64_t ms = tg_wire_get_i64(&in);
  if (!tg_reader_is_done(&in) || ms < 0)
    return tg_error_set(err, TG_EPROTOCOL, "its sleep is malformed");
  struct tg_request_open *open = open_new(attempt, request, TG_REQUEST_SLEEP);
  struct tg_error failed;
  open->timer = tg_timer_new(services_of(attempt)->loop, slept, open, &failed);
  if (open->timer)
    tg_timer_start(open->timer, ms);
  else
    open_end(open, &failed, NULL, 0);
  return TG_OK;
}

static int progress_take(struct tg_script_attempt *attempt, struct tg_slice body,
                         struct tg_error *err) {
  struct tg_reader in = tg_reader_of(body.data, body.len);
  double done = tg_wire_get_f64(&in), total = tg_wire_get_f64(&in);
  if (!tg_reader_is_done(&in)) return tg_error_set(err, TG_EPROTOCOL, "its progress is malformed");
  const struct tg_observer *observer = tg_conductor_observer(services_of(attempt)->conductor);
  if (observer->task_progress)
    observer->task_progress(observer->self, run_of(attempt), attempt->task, done, total);
  return TG_OK;
}

static int step_take(struct tg_script_attempt *attempt, uint64_t request, struct tg_slice body,
                     struct tg_error *err) {
  struct tg_reader in = tg_reader_of(body.data, body.len);
  uint8_t operation = tg_wire_get_u8(&in);
  const char *name = tg_wire_get_text(&in);
  const char *result = operation == TG_STEP_END ? tg_wire_get_text(&in) : NULL;
  const char *wait = operation == TG_STEP_WAIT ? tg_wire_get_text(&in) : NULL;
  bool is_timed = operation == TG_STEP_SLEEP || operation == TG_STEP_WAIT;
  int64_t ms = is_timed ? tg_wire_get_i64(&in) : 0;
  bool is_sound = tg_reader_is_done(&in) && operation <= TG_STEP_WAIT && *name && ms >= 0 &&
                  (!wait || strlen(wait) <= (size_t)TG_WAIT_BYTES_MAX) &&
                  strlen(name) <= TG_NAME_BYTES_MAX &&
                  (!result || tg_json_is_value(result, strlen(result)));
  if (!is_sound) return tg_error_set(err, TG_EPROTOCOL, "its step is malformed");
  struct tg_request_open *open = open_new(attempt, request, TG_REQUEST_STEP);
  open->step = (enum tg_step_operation)operation;
  tg_conductor_input(services_of(attempt)->conductor,
                     &(struct tg_input){.kind = TG_INPUT_STEP,
                                        .step = {.attempt = attempt->handle,
                                                 .request = request,
                                                 .operation = open->step,
                                                 .name = name,
                                                 .result = result,
                                                 .sleep_ms = ms,
                                                 .wait = wait}});
  return TG_OK;
}

void tg_requests_step(struct tg_script_attempt *attempt, uint64_t request, int code,
                      const char *text) {
  struct tg_request_open *open = attempt->requests;
  while (open && (open->request != request || open->kind != TG_REQUEST_STEP)) open = open->next;
  if (!open) return;
  struct tg_error err;
  struct tg_buf reply;
  tg_buf_init(&reply, (size_t)TG_FRAME_BYTES_MAX);
  if (code) tg_error_set(&err, code, "%s", text ? text : tg_code_text(code));
  if (!code && open->step == TG_STEP_BEGIN) {
    tg_wire_put_u8(&reply, text != NULL);
    tg_wire_put_text(&reply, text);
  }
  if (!code && open->step == TG_STEP_WAIT) tg_wire_put_text(&reply, text);
  open_end(open, code ? &err : NULL, tg_buf_text(&reply), reply.len);
  tg_buf_deinit(&reply);
}

// While an attempt waits for its child it takes no slot, so that the child can have it.
static void idle_say(const struct tg_script_attempt *attempt, bool is_idle, const char *child) {
  tg_conductor_input(
      services_of(attempt)->conductor,
      &(struct tg_input){.kind = TG_INPUT_IDLE,
                         .idle = {.attempt = attempt->handle, .is_idle = is_idle, .child = child}});
}

static void child_tell(void *self) {
  struct tg_request_open *open = self;
  struct tg_buf reply;
  tg_buf_init(&reply, (size_t)TG_FRAME_BYTES_MAX);
  tg_wire_put_text(&reply, open->answer);
  idle_say(open->attempt, false, NULL);
  open_end(open, open->failed.code ? &open->failed : NULL, tg_buf_text(&reply), reply.len);
  tg_buf_deinit(&reply);
}

static void child_answered(void *self, const struct tg_error *err, const char *answer) {
  struct tg_request_open *open = self;
  open->question = 0;
  if (err) open->failed = *err;
  open->answer = answer ? strdup(answer) : NULL;
  tg_loop_defer(services_of(open->attempt)->loop, &open->tell);
}

static int child_take(struct tg_script_attempt *attempt, uint64_t request, struct tg_slice body,
                      struct tg_error *err) {
  struct tg_reader in = tg_reader_of(body.data, body.len);
  const char *pipeline = tg_wire_get_text(&in), *params = tg_wire_get_text(&in);
  bool is_waiting = tg_wire_get_u8(&in);
  const char *partition = tg_wire_get_text(&in);
  json_t *object = json_loads(params, 0, NULL);
  bool is_sound = tg_reader_is_done(&in) && json_is_object(object);
  json_decref(object);
  if (!is_sound) return tg_error_set(err, TG_EPROTOCOL, "its child run is malformed");
  const struct tg_live_run *run = run_of(attempt);
  char parent[TG_ID_TEXT_LEN + 1], key[TG_KEY_TEXT_LEN + 1], child_key[TG_NAME_BYTES_MAX + 64];
  tg_id_format(run->run.id, parent);
  tg_context_key(run, attempt->unit, key);
  snprintf(child_key, sizeof child_key, "%s:%.*s", key, TG_NAME_BYTES_MAX, pipeline);
  json_t *secrets = tg_params_secrets(run->plan->params, run->run.params);
  struct tg_subrun_question question = {.pipeline = pipeline,
                                        .params = params,
                                        .partition = partition,
                                        .of = &run->run,
                                        .secrets = secrets,
                                        .parent = parent,
                                        .key = child_key,
                                        .deadline_at = is_waiting ? attempt->deadline_at : 0,
                                        .is_waiting = is_waiting};
  struct tg_request_open *open = open_new(attempt, request, TG_REQUEST_CHILD);
  open->tell = (struct tg_deferred){.call = child_tell, .self = open};
  idle_say(attempt, true, is_waiting ? child_key : NULL);
  open->question =
      tg_subruns_ask(tg_scripts_subruns(attempt->scripts), &question, child_answered, open);
  json_decref(secrets);
  return TG_OK;
}

int tg_requests_take(struct tg_script_attempt *attempt, uint64_t request, uint8_t kind,
                     struct tg_slice body, struct tg_error *err) {
  if (attempt->request_count >= TG_OPEN_REQUESTS_MAX) // a coroutine of ours waits for its answer
    return tg_error_set(err, TG_EPROTOCOL, "it asks for %d things at once", TG_OPEN_REQUESTS_MAX);
  switch (kind) {
  case TG_REQUEST_HTTP:
    return http_take(attempt, request, body, err);
  case TG_REQUEST_SQL:
    return sql_take(attempt, request, body);
  case TG_REQUEST_KV:
    return kv_take(attempt, request, body);
  case TG_REQUEST_FILE:
    return file_take(attempt, request, body, err);
  case TG_REQUEST_DECIDE:
    return decide_take(attempt, request, body, err);
  case TG_REQUEST_OUTPUT:
    return output_take(attempt, request, body, err);
  case TG_REQUEST_SLEEP:
    return sleep_take(attempt, request, body, err);
  case TG_REQUEST_PROGRESS:
    return progress_take(attempt, body, err);
  case TG_REQUEST_STEP:
    return step_take(attempt, request, body, err);
  case TG_REQUEST_CHILD:
    return child_take(attempt, request, body, err);
  default:
    return tg_error_set(err, TG_EPROTOCOL, "it asks for a thing of unknown kind %u", kind);
  }
}

// A parent that was stopped stops its child; one that was lost finds it again at its next try.
static void child_leave(struct tg_script_attempt *attempt, struct tg_request_open *open) {
  tg_loop_undefer(services_of(attempt)->loop, &open->tell);
  if (open->question)
    tg_subruns_forget(tg_scripts_subruns(attempt->scripts), open->question,
                      attempt->cancel_code != TG_OK);
}

void tg_requests_end(struct tg_script_attempt *attempt) {
  while (attempt->requests) {
    struct tg_request_open *open = attempt->requests;
    attempt->requests = open->next;
    open->attempt = NULL;
    if (open->kind == TG_REQUEST_HTTP) tg_http_service_cancel(open->http);
    if (open->kind == TG_REQUEST_CHILD) child_leave(attempt, open);
    bool is_ours = open->kind == TG_REQUEST_HTTP || open->kind == TG_REQUEST_SLEEP ||
                   open->kind == TG_REQUEST_STEP || open->kind == TG_REQUEST_CHILD;
    if (is_ours) open_end(open, NULL, NULL, 0);
  }
  if (attempt->has_session)
    tg_warehouse_end_session(services_of(attempt)->warehouse, attempt->handle);
}
