// SPDX-License-Identifier: Apache-2.0
// A whole host with a run and a build under way, and workers that say anything (fake_process.h).
// They may end their own attempts in any way; they may not stop the host, and they never hear of
// what lies outside the project, or the value of a secret.
//
// The input is a list of frames: who says it (and which handle stands first in its body), its type,
// the length of the rest (2 bytes), the rest.
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "fuzz/fake_process.h"
#include "fuzz/folder.h"
#include "fuzz/input.h"
#include "worker/runner.h"

enum { FRAMES_MAX = 40, TURNS_MAX = 400, WORKERS = 3 };

static const char plan_text[] =
    "{\"name\":\"p\",\"file\":\"pipelines/p.lua\",\"tasks\":["
    "{\"name\":\"a\",\"runner\":\"script\",\"when\":\"all_success\",\"timeout_ms\":60000,"
    "\"retry\":{\"attempts\":3,\"base_ms\":0,\"backoff\":\"constant\",\"jitter\":\"none\","
    "\"on\":[\"transient\"]}},"
    "{\"name\":\"choose\",\"runner\":\"script\",\"when\":\"all_success\",\"to\":[2,3]},"
    "{\"name\":\"left\",\"runner\":\"script\",\"when\":\"all_success\",\"after\":[0]},"
    "{\"name\":\"right\",\"runner\":\"script\",\"when\":\"all_done\"}]}";

struct host {
  struct tg_services services;
  struct tg_files files;
  struct tg_worker_runner *runner;
  struct tg_plan *plan;
  bool is_failed;
  char root[80], data[120], warehouse[160];
};

static void failed(void *self, const struct tg_error *err) {
  struct host *host = self;
  fprintf(stderr, "the host stopped: %s\n", err->text);
  host->is_failed = true;
}

static const char *secret_get(void *self, const char *name) {
  (void)self;
  return strcmp(name, "KEY") == 0 ? FAKE_PROCESS_SECRET : NULL;
}

static int csv_open(void *self, const char *path, int *fd, struct tg_error *err) {
  return tg_files_open_read(self, path, fd, err);
}

static void file_write(const char *name, const char *text) {
  char path[200];
  snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
  fuzz_check(tg_file_write(path, text, strlen(text), NULL) == TG_OK);
}

// One project for all hosts, and a data folder for each; the last one's is gone by then.
static void folders_make(struct host *host) {
  static unsigned count;
  snprintf(host->root, sizeof host->root, "%s/project", fuzz_folder());
  snprintf(host->data, sizeof host->data, "%s/data%u", fuzz_folder(), count);
  snprintf(host->warehouse, sizeof host->warehouse, "%s/warehouse.db", host->data);
  if (count++) return;
  char pipelines[120];
  snprintf(pipelines, sizeof pipelines, "%s/pipelines", host->root);
  fuzz_check(tg_file_make_folder(pipelines, NULL) == TG_OK);
  file_write("project/pipelines/q.lua", "return 1");
  file_write("project/pipelines/lib.lua", "return 2");
  file_write("outside.lua", FAKE_PROCESS_SECRET);
}

static void host_open(struct host *host) {
  struct tg_services *services = &host->services;
  // Nothing leaves the house: no name is looked up, and there is no such proxy.
  struct tg_http_options http = {.proxy = "http://127.0.0.1:1", .secret = secret_get};
  struct tg_warehouse_options warehouse = {
      .path = host->warehouse, .open_read = csv_open, .open_self = &host->files};
  *host = (struct host){0};
  folders_make(host);
  services->root = host->root;
  services->data = host->data;
  services->workers_max = WORKERS;
  fuzz_check((services->loop = tg_loop_new(NULL)));
  fuzz_check((services->children = tg_children_new(services->loop, false, NULL)));
  fuzz_check((services->disk = tg_serial_new(services->loop, NULL)));
  fuzz_check(tg_store_open(services->loop, host->data, &services->store, NULL) == TG_OK);
  services->conductor = tg_conductor_new(services->loop, services->store, 8, 0, failed, host, NULL);
  fuzz_check(tg_files_init(&host->files, services->root, NULL) == TG_OK);
  fuzz_check(tg_files_add_root(&host->files, "out", true, NULL) == TG_OK);
  services->files = &host->files;
  fuzz_check((services->http = tg_http_new(services->loop, &http, NULL)));
  fuzz_check((services->warehouse = tg_warehouse_new(services->loop, &warehouse, NULL)));
  host->runner = tg_worker_runner_new(services);
}

static void host_close(struct host *host) {
  struct tg_services *services = &host->services;
  tg_conductor_stop(services->conductor);
  tg_store_close(services->store);
  tg_worker_runner_free(host->runner);
  tg_conductor_free(services->conductor);
  tg_serial_free(services->disk);
  tg_warehouse_free(services->warehouse);
  tg_http_free(services->http);
  tg_children_free(services->children);
  tg_files_deinit(&host->files);
  tg_loop_free(services->loop);
  tg_plan_free(host->plan);
  char command[200];
  snprintf(command, sizeof command, "rm -rf '%s'", host->data);
  fuzz_check(system(command) == 0);
}

// Goes round until the host has asked for something new, or some turns have passed.
static void host_turn(struct host *host, int turns) {
  size_t before = fake_process_asked()->attempt_count;
  for (int i = 0; i < turns && fake_process_asked()->attempt_count == before; i++) {
    tg_loop_turn(host->services.loop, false);
    if (i % 8 == 7) usleep(50); // the store's thread works meanwhile
  }
}

static void loaded_say(void) {
  struct tg_buf body;
  struct tg_process *process = fake_process_any(0);
  tg_buf_init(&body, 1 << 10);
  tg_wire_put_u64(&body, fake_process_asked()->bundle);
  tg_wire_put_text(&body, "");
  tg_wire_put_u8(&body, 1);
  if (process) fake_process_say(process, TG_MESSAGE_LOADED, body.data, body.len);
  tg_buf_deinit(&body);
}

static void run_start(struct host *host) {
  struct tg_bundles *bundles = tg_scripts_bundles(tg_worker_runner_scripts(host->runner));
  struct tg_source source = {
      .key = "entry:", .path = "pipelines/p.lua", .text = "return 1", .len = 8};
  struct tg_bundle_row bundle = {.plan = plan_text, .program = "", .sources = &source, .count = 1};
  const struct tg_version *version = tg_bundles_adopt(bundles, source.path, &bundle);
  bundle = tg_version_row(version, "p");
  fuzz_check(tg_plan_parse(plan_text, sizeof plan_text - 1, &host->plan, NULL) == TG_OK);
  tg_conductor_put_bundle(host->services.conductor, &bundle);
  struct tg_run run = {.id = tg_id_new(tg_clock_system()),
                       .pipeline = "p",
                       .bundle = version->hash,
                       .params = "{}",
                       .trigger = "manual",
                       .logical_at = 1,
                       .created_at = 1};
  struct tg_input input = {.kind = TG_INPUT_RUN, .run = {.run = &run, .plan = host->plan}};
  tg_conductor_input(host->services.conductor, &input);
  for (int i = 0; i < TURNS_MAX && !fake_process_asked()->bundle; i++) host_turn(host, 16);
  loaded_say();
}

static void built(void *self, const struct tg_version *version, const char *faults,
                  const struct tg_error *err) {
  (void)self;
  fuzz_check(!version + !faults + !err == 2);
}

// The body's first number is a handle that the host knows, or one that it does not.
static uint64_t handle_choose(uint8_t who) {
  const struct fake_asked *asked = fake_process_asked();
  switch (who >> 3 & 7) {
  case 0:
    return asked->bundle;
  case 1:
    return asked->decision;
  case 2:
    return 0;
  case 3:
    return UINT64_MAX;
  default:
    return asked->attempts[who >> 3 & 3];
  }
}

static void frame_say(struct input *in) {
  uint8_t who = input_u8(in), type = input_u8(in);
  struct input rest = input_bytes(in, input_number(in, 2));
  struct tg_process *process = fake_process_any(who & 7);
  struct tg_buf body;
  tg_buf_init(&body, 1 << 20);
  tg_wire_put_u64(&body, handle_choose(who));
  tg_buf_put(&body, rest.at, input_left(&rest));
  if (process) fake_process_say(process, type, body.data, body.len);
  tg_buf_deinit(&body);
}

static void log_drop(void *self, enum tg_log_level level, const char *line) {
  (void)self;
  (void)level;
  (void)line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input in = input_of(data, size);
  struct host host;
  tg_log_set_sink(log_drop, NULL);
  fake_process_reset();
  host_open(&host);
  run_start(&host);
  tg_bundles_build(tg_scripts_bundles(tg_worker_runner_scripts(host.runner)), TG_BUNDLE_PIPELINE,
                   "pipelines/q.lua", built, NULL);
  for (int i = 0; i < FRAMES_MAX && !input_is_empty(&in); i++) {
    host_turn(&host, 16);
    frame_say(&in);
  }
  host_turn(&host, 64);
  fuzz_check(!host.is_failed);
  host_close(&host);
  return 0;
}
