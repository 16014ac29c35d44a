// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "worker/bundles_parts.h"
#include "worker/faults.h"
#include "worker/timetable.h"

enum { PATIENCE = 6 }; // with loads that are no builds

void tg_bundles_load_remove(struct tg_bundles_load *load) {
  struct tg_bundles_load **at = &load->bundles->loads;
  while (*at != load) at = &(*at)->next;
  *at = load->next;
}

void tg_bundles_load_free(struct tg_bundles_load *load) {
  tg_timer_free(load->deadline);
  tg_buf_deinit(&load->plan);
  free(load);
}

void tg_bundles_drop_send(struct tg_process *process, uint64_t handle) {
  tg_wire_put_u64(tg_process_begin(process, TG_MESSAGE_DROP), handle);
  tg_process_send(process, NULL); // a few bytes; at worst the worker keeps what it has
}

// The worker of a build whose outcome was known already has the same files twice.
void tg_bundles_build_end(struct tg_bundles_load *load, const char *faults,
                          const struct tg_error *err) {
  struct tg_bundles_version *version = load->version;
  const struct tg_version *face = NULL;
  if (!faults && !err) {
    tg_bundles_version_name(version);
    struct tg_bundles_version *known = tg_bundles_version_find(load->bundles, version->face.hash);
    if (!known) tg_bundles_version_keep(load->bundles, version);
    face = known ? &known->face : &version->face;
    if (known && !known->face.plan) {
      known->face.plan = known->plan = version->plan;
      version->plan = NULL;
    }
    if (known)
      tg_bundles_drop_send(load->process, version->face.handle);
    else
      version = NULL;
  }
  load->built(load->self, face, faults, err);
  if (version) tg_bundles_version_free(version);
}

struct tg_bundles_load *tg_bundles_load_of(struct tg_bundles *bundles, struct tg_process *process) {
  struct tg_bundles_load *load = bundles->loads;
  // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): tg_bundles_load_remove took the one before off the
  // list
  while (load && load->process != process) load = load->next;
  return load;
}

// Ends a load, tells whoever asked, and gives the worker its next one.
static void load_end(struct tg_bundles_load *load, const char *faults, const struct tg_error *err);

static void build_overdue(void *self) {
  struct tg_bundles_load *load = self;
  load->is_overdue = true;
  tg_process_kill(load->process, "loading took longer than its budget");
}

// What was looked for in vain is asked for again, and refused again.
static void sources_put(struct tg_buf *out, const struct tg_version *version) {
  uint32_t count = 0;
  for (size_t i = 0; i < version->count; i++) count += *version->sources[i].path != 0;
  tg_wire_put_u32(out, count);
  for (size_t i = 0; i < version->count; i++) {
    const struct tg_source *source = &version->sources[i];
    if (!*source->path) continue;
    tg_wire_put_text(out, source->key);
    tg_wire_put_text(out, source->path);
    tg_wire_put_bytes(out, source->text, source->len);
  }
}

// What was built once does not hang: if it is late now, the machine is busy, and a worker that is
// killed for it would only begin anew.
static int64_t load_budget_ms(const struct tg_bundles_load *load) {
  int64_t build_ms = load->bundles->limits.build_ms, patient_ms = PATIENCE * build_ms;
  if (load->built) return build_ms;
  return patient_ms < TG_BUNDLE_BUILD_MS_HIGHEST ? patient_ms : TG_BUNDLE_BUILD_MS_HIGHEST;
}

static void load_send(struct tg_bundles_load *load) {
  const struct tg_version *version = &load->version->face;
  struct tg_error err;
  struct tg_buf *out = tg_process_begin(load->process, TG_MESSAGE_LOAD);
  load->is_sent = true;
  load->is_clean = !(load->bundles->touched >> tg_process_slot(load->process) & 1);
  load->bundles->touched |= UINT64_C(1) << tg_process_slot(load->process);
  tg_wire_put_u64(out, version->handle);
  tg_wire_put_u8(out, (uint8_t)version->kind);
  tg_wire_put_u8(out, load->built != NULL);
  tg_wire_put_text(out, version->entry);
  tg_wire_put_i64(out, version->built_at);
  tg_wire_put_i64(out, load->bundles->limits.state_bytes);
  tg_wire_put_i64(out, load_budget_ms(load));
  sources_put(out, version);
  if (tg_process_send(load->process, &err)) {
    load_end(load, NULL, &err);
    return;
  }
  load->deadline = tg_timer_new(load->bundles->loop, build_overdue, load, &err);
  if (load->deadline) tg_timer_start(load->deadline, load_budget_ms(load) + TG_WORKER_GRACE_MS);
}

// A version may have been required twice before the first was answered.
static void next_send(struct tg_bundles *bundles, struct tg_process *process) {
  struct tg_bundles_load *next = tg_bundles_load_of(bundles, process);
  if (!next || next->is_sent) return;
  if (!next->built && (next->version->workers >> tg_process_slot(process) & 1))
    load_end(next, NULL, NULL);
  else
    load_send(next);
}

static void load_end(struct tg_bundles_load *load, const char *faults, const struct tg_error *err) {
  struct tg_bundles *bundles = load->bundles;
  struct tg_process *process = load->process;
  tg_bundles_load_remove(load);
  if (load->built) tg_process_add_load(process, -1);
  if (load->built) {
    tg_bundles_build_end(load, faults, err);
  } else if (load->ready) {
    struct tg_error own;
    char text[TG_ERROR_TEXT_MAX];
    if (faults) {
      tg_faults_say(faults, text, sizeof text);
      tg_error_set(&own, TG_EBUG, "what the run began with cannot be loaded: %s", text);
    }
    load->ready(load->self, faults ? &own : err);
  }
  tg_bundles_load_free(load);
  next_send(bundles, process);
}

void tg_bundles_load_add(struct tg_bundles *bundles, const struct tg_bundles_load *fields) {
  struct tg_bundles_load *load = tg_must(malloc(sizeof *load));
  *load = *fields;
  load->bundles = bundles;
  tg_buf_init(&load->plan, (size_t)TG_PLAN_BYTES_MAX);
  bool is_free = !tg_bundles_load_of(bundles, load->process);
  struct tg_bundles_load **at = &bundles->loads;
  while (*at) at = &(*at)->next;
  *at = load;
  if (load->built) tg_process_add_load(load->process, 1); // who requires counts by himself
  if (is_free) load_send(load);
}

// Gives the load that a worker speaks of, if it was asked for it.
static struct tg_bundles_load *load_find(struct tg_bundles *bundles, struct tg_process *process,
                                         uint64_t handle) {
  struct tg_bundles_load *load = tg_bundles_load_of(bundles, process);
  return load && load->is_sent && load->version->face.handle == handle ? load : NULL;
}

static int plan_add(struct tg_bundles_load *load, struct tg_slice part, struct tg_error *err) {
  if (tg_buf_put(&load->plan, part.data, part.len)) return TG_OK;
  if (load->plan.is_out_of_memory) return tg_error_set(err, TG_ENOMEM, "no memory for its plan");
  return tg_error_set(err, TG_EPROTOCOL, "its plan has more than %lld MiB",
                      (long long)(TG_PLAN_BYTES_MAX / TG_MIB));
}

int tg_bundles_plan(struct tg_bundles *bundles, struct tg_process *process, struct tg_reader *body,
                    struct tg_error *err) {
  struct tg_bundles_load *load = load_find(bundles, process, tg_wire_get_u64(body));
  struct tg_slice part = tg_wire_get_bytes(body);
  if (!tg_reader_is_done(body) || !load || !load->built)
    return tg_error_set(err, TG_EPROTOCOL, "it tells a plan that nobody asked for");
  return plan_add(load, part, err);
}

// The plan is whole: it is the version's now.
static void plan_take(struct tg_bundles_load *load, bool is_repeatable) {
  struct tg_bundles_version *version = load->version;
  version->plan = tg_must(tg_buf_take(&load->plan));
  version->face.plan = version->plan;
  // A script that got hold of its worker could tell any plan for those after it: what such a
  // worker says holds for this host only.
  version->face.is_repeatable = is_repeatable && load->is_clean;
}

int tg_bundles_loaded(struct tg_bundles *bundles, struct tg_process *process,
                      struct tg_reader *body, struct tg_error *err) {
  uint64_t handle = tg_wire_get_u64(body);
  struct tg_bundles_load *load = load_find(bundles, process, handle);
  struct tg_slice end = tg_wire_get_bytes(body);
  bool is_repeatable = tg_wire_get_u8(body);
  if (!tg_reader_is_done(body) || !load)
    return tg_error_set(err, TG_EPROTOCOL, "it says it loaded what nobody asked for");
  char *faults = NULL;
  if (load->built) {
    if (plan_add(load, end, err)) return err->code;
    size_t len = load->plan.len;
    plan_take(load, is_repeatable);
    // What only the host can read in a plan is checked here, as if the worker had.
    bool is_pipeline = load->version->face.kind == TG_BUNDLE_PIPELINE;
    if (is_pipeline) faults = tg_timetable_faults(load->version->plan, len);
  }
  load->version->workers |= UINT64_C(1) << tg_process_slot(process);
  if (faults) tg_bundles_drop_send(process, handle);
  load_end(load, faults, NULL);
  free(faults);
  return TG_OK;
}

int tg_bundles_faults(struct tg_bundles *bundles, struct tg_process *process,
                      struct tg_reader *body, struct tg_error *err) {
  struct tg_bundles_load *load = load_find(bundles, process, tg_wire_get_u64(body));
  struct tg_slice faults = tg_wire_get_bytes(body);
  if (!tg_reader_is_done(body) || !load)
    return tg_error_set(err, TG_EPROTOCOL, "it faults what nobody asked for");
  load_end(load, faults.data, NULL);
  return TG_OK;
}
