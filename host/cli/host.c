// SPDX-License-Identifier: Apache-2.0
#include "cli/host.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "cli/secrets.h"

struct tg_host {
  struct tg_services services;
  struct tg_files files;
  struct tg_worker_runner *runner;
  struct tg_intake *intake;
  struct tg_answers *answers;
  struct tg_history *history; // for events that came earlier
  struct tg_map taken_over;   // pipelines, by name
  char warehouse_path[4096];
  struct tg_secrets secrets;
  struct tg_error failed;
};

static const char *place_find(void *self, const char *place, struct tg_error *err) {
  return tg_secrets_find(self, place, err);
}

// A secret that a script names by itself.
static const char *secret_get(void *self, const char *name) {
  char place[512];
  snprintf(place, sizeof place, "secret:%.400s", name);
  return tg_secrets_find(self, place, NULL);
}

static int csv_open(void *self, const char *path, int *fd, struct tg_error *err) {
  return tg_files_open_read(self, path, fd, err);
}

static void failed(void *self, const struct tg_error *err) {
  struct tg_host *host = self;
  host->failed = *err;
  tg_loop_stop(host->services.loop);
}

static uint32_t core_count(void) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return cores > 0 ? (uint32_t)cores : 1;
}

static int files_open(struct tg_host *host, const struct tg_project *project,
                      struct tg_error *err) {
  int code = tg_files_init(&host->files, project->root, err);
  for (size_t i = 0; i < project->file_count && !code; i++) {
    struct tg_error missing;
    const struct tg_project_folder *folder = &project->files[i];
    code = tg_files_add_root(&host->files, folder->path, folder->may_write, &missing);
    if (code == TG_ENOT_FOUND) {
      tg_log(TG_LOG_INFO, "files: %s", missing.text); // whoever opens a file there will hear of it
      code = TG_OK;
    } else if (code && err) {
      *err = missing;
    }
  }
  host->services.files = &host->files;
  return code;
}

static void pools_bring(struct tg_host *host) {
  tg_conductor_input(host->services.conductor,
                     &(struct tg_input){.kind = TG_INPUT_POOLS, .pools = &host->services.pools});
}

// The breakers and budgets go on as the last host left them.
static int resources_bring(struct tg_host *host, const struct tg_project *project,
                           struct tg_history *history, struct tg_error *err) {
  struct tg_arena arena;
  struct tg_resource *records;
  size_t count = 0;
  tg_arena_init(&arena);
  int code = tg_history_resources(history, &arena, &records, &count, err);
  if (!code)
    tg_conductor_input(host->services.conductor,
                       &(struct tg_input){.kind = TG_INPUT_RESOURCES,
                                          .resources = {.rules = project->resources,
                                                        .rule_count = project->resource_count,
                                                        .records = records,
                                                        .record_count = count}});
  tg_arena_deinit(&arena);
  return code;
}

static int events_read(void *self, const char *type, uint64_t after, size_t limit,
                       struct tg_arena *arena, struct tg_event **events, size_t *count,
                       struct tg_error *err) {
  struct tg_host *host = self;
  struct tg_event_query query = {.type = type, .after = after, .is_forward = true, .limit = limit};
  return tg_history_events(host->history, &query, arena, events, count, err);
}

// Events that were known already have been brought before.
static void events_told(void *self, const struct tg_event *events, size_t count) {
  struct tg_host *host = self;
  for (size_t i = 0; i < count; i++)
    if (events[i].number)
      tg_conductor_input(host->services.conductor,
                         &(struct tg_input){.kind = TG_INPUT_EVENT, .event = &events[i]});
}

static int events_open(struct tg_host *host, struct tg_error *err) {
  struct tg_services *services = &host->services;
  uint64_t last;
  int code = tg_history_last_event(host->history, &last, err);
  if (code) return code;
  tg_conductor_set_events(services->conductor,
                          &(struct tg_event_source){.read = events_read, .self = host}, last);
  host->intake = tg_intake_new(services->store, services->data, tg_loop_clock(services->loop),
                               events_told, host);
  host->answers = tg_answers_new(services->store, services->conductor, services->data,
                                 tg_loop_clock(services->loop));
  if (host->intake && host->answers) return TG_OK;
  return tg_error_set(err, TG_ENOMEM, "no memory for the host");
}

static int store_open(struct tg_host *host, const struct tg_project *project,
                      struct tg_error *err) {
  struct tg_services *services = &host->services;
  uint64_t last = 0;
  int code = tg_store_open(services->loop, project->data, &services->store, err);
  if (!code) code = tg_history_open(project->data, &host->history, err);
  if (!code) code = tg_history_last_number(host->history, &last, err);
  if (code) return code;
  services->conductor = tg_conductor_new(services->loop, services->store, tg_project_slots(project),
                                         last, failed, host, err);
  if (!services->conductor) return TG_ENOMEM;
  pools_bring(host);
  code = resources_bring(host, project, host->history, err);
  return code ? code : events_open(host, err);
}

static int parts_open(struct tg_host *host, const struct tg_project *project, bool has_store,
                      struct tg_error *err) {
  struct tg_services *services = &host->services;
  services->root = project->root;
  services->secrets = (struct tg_secret_source){.find = place_find, .self = &host->secrets};
  services->data = project->data;
  services->pools = project->pools;
  services->workers_max = project->limits.workers ? project->limits.workers : core_count();
  services->bundle = (struct tg_bundle_limits){.state_bytes = project->limits.bundle_bytes,
                                               .build_ms = project->limits.bundle_ms};
  services->loop = tg_loop_new(err);
  if (!services->loop) return TG_EIO;
  services->children = tg_children_new(services->loop, has_store, err);
  if (!services->children) return TG_EIO;
  services->disk = tg_serial_new(services->loop, err);
  if (!services->disk) return TG_EIO;
  int code = has_store ? store_open(host, project, err) : TG_OK;
  if (!code) code = files_open(host, project, err);
  if (code) return code;
  struct tg_http_options http = {.ca_file = project->http.ca_file,
                                 .proxy = project->http.proxy,
                                 .denies_private = project->http.has_deny_private,
                                 .secret = secret_get,
                                 .secret_self = &host->secrets};
  services->http = has_store ? tg_http_new(services->loop, &http, err) : NULL;
  if (has_store && !services->http) return TG_EINVALID;
  snprintf(host->warehouse_path, sizeof host->warehouse_path, "%s/warehouse.db", project->data);
  struct tg_warehouse_options warehouse = {
      .path = host->warehouse_path, .open_read = csv_open, .open_self = &host->files};
  services->warehouse = has_store ? tg_warehouse_new(services->loop, &warehouse, err) : NULL;
  if (has_store && !services->warehouse) return TG_EIO;
  host->runner = tg_worker_runner_new(services);
  return TG_OK;
}

// A full disk and a reader that went away are errors of the call they happen in; neither may end
// the host amid a run.
static void signals_ignore(void) {
  signal(SIGXFSZ, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
}

int tg_host_open(const struct tg_project *project, bool has_store, struct tg_host **out,
                 struct tg_error *err) {
  signals_ignore();
  struct tg_host *host = calloc(1, sizeof *host);
  if (!host) return tg_error_set(err, TG_ENOMEM, "no memory for the host");
  tg_secrets_init(&host->secrets);
  int code = parts_open(host, project, has_store, err);
  if (code) {
    tg_host_close(host);
    return code;
  }
  *out = host;
  return TG_OK;
}

// The store first: what it still finishes may be told to parts that are there. Then whoever uses
// the services, then the services.
void tg_host_close(struct tg_host *host) {
  if (!host) return;
  struct tg_services *services = &host->services;
  if (services->conductor) tg_conductor_stop(services->conductor);
  tg_store_close(services->store);
  tg_intake_free(host->intake);
  tg_answers_free(host->answers);
  tg_history_close(host->history);
  tg_worker_runner_free(host->runner);
  tg_conductor_free(services->conductor);
  tg_serial_free(services->disk);
  tg_warehouse_free(services->warehouse);
  tg_http_free(services->http);
  tg_children_free(services->children);
  tg_files_deinit(&host->files);
  tg_secrets_deinit(&host->secrets);
  tg_map_deinit(&host->taken_over);
  tg_loop_free(services->loop);
  free(host);
}

bool tg_host_takes_over(struct tg_host *host, const char *pipeline) {
  if (tg_map_get(&host->taken_over, pipeline)) return false;
  return tg_map_put(&host->taken_over, pipeline, host) == 0;
}

const struct tg_services *tg_host_services(const struct tg_host *host) {
  return &host->services;
}

struct tg_intake *tg_host_intake(const struct tg_host *host) {
  return host->intake;
}

struct tg_answers *tg_host_answers(const struct tg_host *host) {
  return host->answers;
}

struct tg_scripts *tg_host_scripts(struct tg_host *host) {
  return tg_worker_runner_scripts(host->runner);
}

int tg_host_run(struct tg_host *host, struct tg_error *err) {
  if (!host->failed.code) tg_loop_run(host->services.loop);
  if (err && host->failed.code) *err = host->failed;
  return host->failed.code;
}

void tg_host_stop(struct tg_host *host) {
  tg_loop_stop(host->services.loop);
}

struct build {
  const struct tg_version *version;
  char *faults;
  struct tg_error err;
  bool is_done;
};

static void built(void *self, const struct tg_version *version, const char *faults,
                  const struct tg_error *err) {
  struct build *build = self;
  build->version = version;
  build->faults = faults ? strdup(faults) : NULL;
  if (err) build->err = *err;
  build->is_done = true;
}

// What the project's pools make of a pipeline, the worker that built it could not know.
static void pools_fault(const struct tg_host *host, struct build *build) {
  struct tg_plan *plan = NULL;
  struct tg_error err;
  uint32_t at = 0, line;
  const char *text = build->version->plan;
  if (!strstr(text, "\"pool\"") && !strstr(text, "\"pools\":{\"")) return; // as most are
  if (tg_plan_parse(text, strlen(text), &plan, NULL)) return;
  json_t *faults = json_array();
  while (tg_pools_fault(&host->services.pools, plan, &at, &line, &err))
    json_array_append_new(faults, json_pack("{s:s, s:i, s:s}", "file", plan->file, "line",
                                            (int)line, "message", err.text));
  if (json_array_size(faults)) {
    build->faults = json_dumps(faults, JSON_COMPACT);
    build->version = NULL;
  }
  json_decref(faults);
  tg_plan_free(plan);
}

int tg_host_build(struct tg_host *host, enum tg_bundle_kind kind, const char *path,
                  const struct tg_version **version, char **faults, struct tg_error *err) {
  struct build build = {0};
  tg_bundles_build(tg_scripts_bundles(tg_host_scripts(host)), kind, path, built, &build);
  while (!build.is_done) tg_loop_turn(host->services.loop, true);
  if (kind == TG_BUNDLE_PIPELINE && build.version) pools_fault(host, &build);
  *version = build.version;
  *faults = build.faults;
  if (err && build.err.code) *err = build.err;
  return build.err.code;
}

struct frozen {
  struct tg_arena *arena;
  const char **params;
  struct tg_error err;
  bool is_done;
};

static void frozen(void *self, const struct tg_error *err, const char *params) {
  struct frozen *frozen = self;
  *frozen->params = params ? tg_arena_strdup(frozen->arena, params) : NULL;
  if (err)
    frozen->err = *err;
  else if (!*frozen->params)
    tg_error_set(&frozen->err, TG_ENOMEM, "no memory for parameters");
  frozen->is_done = true;
}

int tg_host_freeze(struct tg_host *host, const struct tg_freeze *freeze, struct tg_arena *arena,
                   const char **params, struct tg_error *err) {
  struct frozen answer = {.arena = arena, .params = params};
  tg_freeze(tg_scripts_asks(tg_host_scripts(host)), freeze, frozen, &answer);
  while (!answer.is_done) tg_loop_turn(host->services.loop, true);
  if (err && answer.err.code) *err = answer.err;
  return answer.err.code;
}

int tg_host_take_secrets(struct tg_host *host, const struct tg_plan *plan, const char **given,
                         size_t count, struct tg_arena *arena, struct tg_error *err) {
  return tg_secrets_take(&host->secrets, plan->params, given, count, arena, err);
}
