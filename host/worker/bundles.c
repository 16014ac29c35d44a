// SPDX-License-Identifier: Apache-2.0
#include "worker/bundles.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/program.h"
#include "worker/builds.h"
#include "worker/sources.h"
#include "worker/timetable.h"

struct version {
  struct tg_version face; // the first member
  struct tg_arena arena;
  size_t cap, bytes;
  uint64_t workers; // a bit per slot that has it
  struct version *next;
};

// A LOAD on its way, or waiting for the worker to be done with another.
struct load {
  struct tg_bundles *bundles;
  struct version *version;
  struct tg_process *process;
  tg_bundles_built *built; // of a build
  tg_bundles_ready *ready; // of a require
  void *self;
  bool is_sent, is_overdue;
  bool is_again; // a build whose first worker was lost
  bool is_clean; // its worker has seen no other script
  struct tg_timer *deadline;
  struct load *next;
};

struct tg_bundles {
  struct tg_loop *loop;
  struct tg_pool *pool;
  char *root, *data;
  struct tg_bundle_limits limits;
  struct version *versions;
  struct load *loads; // in the order in which they were asked for
  uint64_t last_handle;
  uint64_t touched; // a bit per slot whose worker was given a script
};

static void *must(void *memory) {
  if (!memory) abort(); // a host without memory for its own books cannot go on
  return memory;
}

struct tg_bundles *tg_bundles_new(struct tg_loop *loop, struct tg_pool *pool, const char *root,
                                  const char *data, const struct tg_bundle_limits *limits) {
  struct tg_bundles *bundles = must(calloc(1, sizeof *bundles));
  bundles->loop = loop;
  bundles->pool = pool;
  bundles->root = must(strdup(root));
  bundles->data = data ? must(strdup(data)) : NULL;
  bundles->limits = *limits;
  if (!limits->state_bytes) bundles->limits.state_bytes = TG_BUNDLE_STATE_BYTES_MAX;
  if (!limits->build_ms) bundles->limits.build_ms = TG_BUNDLE_BUILD_MS;
  return bundles;
}

static void version_free(struct version *version) {
  tg_arena_deinit(&version->arena);
  free(version->face.sources);
  free(version);
}

static void load_free(struct load *load) {
  tg_timer_free(load->deadline);
  free(load);
}

void tg_bundles_free(struct tg_bundles *bundles) {
  if (!bundles) return;
  while (bundles->versions) {
    struct version *version = bundles->versions;
    bundles->versions = version->next;
    version_free(version);
  }
  while (bundles->loads) {
    struct load *load = bundles->loads;
    bundles->loads = load->next;
    if (load->built) version_free(load->version);
    load_free(load);
  }
  free(bundles->root);
  free(bundles->data);
  free(bundles);
}

// Versions.

static struct version *version_new(struct tg_bundles *bundles, enum tg_bundle_kind kind,
                                   const char *entry) {
  struct version *version = must(calloc(1, sizeof *version));
  tg_arena_init(&version->arena);
  version->face.handle = ++bundles->last_handle;
  version->face.kind = kind;
  version->face.built_at = tg_clock_wall_ms(tg_loop_clock(bundles->loop));
  version->face.entry = must(tg_arena_strdup(&version->arena, entry));
  return version;
}

static void source_add(struct version *version, const struct tg_source *source) {
  struct tg_version *face = &version->face;
  version->bytes += source->len;
  if (face->count == version->cap) {
    version->cap = version->cap ? version->cap * 2 : 8;
    face->sources = must(realloc(face->sources, version->cap * sizeof *face->sources));
  }
  face->sources[face->count++] = (struct tg_source){
      .key = must(tg_arena_strdup(&version->arena, source->key)),
      .path = must(tg_arena_strdup(&version->arena, source->path)),
      .text = must(tg_arena_copy(&version->arena, source->text, source->len)),
      .len = source->len,
  };
}

static int source_compare(const void *a, const void *b) {
  return strcmp(((const struct tg_source *)a)->key, ((const struct tg_source *)b)->key);
}

// A pipeline is named by its plan too: the same files may give another one, in another version of
// the library or at another time.
static void version_name(struct version *version) {
  struct tg_version *face = &version->face;
  struct tg_hash hash;
  qsort(face->sources, face->count, sizeof *face->sources, source_compare);
  tg_hash_init(&hash);
  tg_hash_add_field(&hash, face->entry, strlen(face->entry));
  for (size_t i = 0; i < face->count; i++) {
    tg_hash_add_field(&hash, face->sources[i].key, strlen(face->sources[i].key));
    tg_hash_add_field(&hash, face->sources[i].text, face->sources[i].len);
  }
  if (face->kind == TG_BUNDLE_PIPELINE && face->plan)
    tg_hash_add_field(&hash, face->plan, strlen(face->plan));
  tg_hash_take(&hash, face->hash);
}

static struct version *version_find(const struct tg_bundles *bundles, const char *hash) {
  struct version *version = bundles->versions;
  while (version && strcmp(version->face.hash, hash) != 0) version = version->next;
  return version;
}

const struct tg_version *tg_bundles_find(const struct tg_bundles *bundles, const char *hash) {
  struct version *version = version_find(bundles, hash);
  return version ? &version->face : NULL;
}

static void version_keep(struct tg_bundles *bundles, struct version *version) {
  version->next = bundles->versions;
  bundles->versions = version;
}

// Names a version and keeps it, unless it is known: then that one is given, and this one freed.
static const struct tg_version *version_add(struct tg_bundles *bundles, struct version *version) {
  version_name(version);
  struct version *known = version_find(bundles, version->face.hash);
  if (known)
    version_free(version);
  else
    version_keep(bundles, version);
  return known ? &known->face : &version->face;
}

// Fills in what the store kept; it stays where it is.
static void version_fill(struct version *version, const struct tg_bundle_row *row) {
  struct tg_version *face = &version->face;
  face->plan = row->plan;
  face->built_at = row->built_at;
  face->is_repeatable = strcmp(row->program, tg_program_id()) == 0;
  face->is_stored = true;
  for (size_t i = 0; i < row->count; i++) source_add(version, &row->sources[i]);
}

const struct tg_version *tg_bundles_adopt(struct tg_bundles *bundles, const char *file,
                                          const struct tg_bundle_row *row) {
  struct version *version = version_new(bundles, TG_BUNDLE_PIPELINE, file);
  version_fill(version, row);
  version->face.plan = must(tg_arena_strdup(&version->arena, row->plan));
  return version_add(bundles, version);
}

const struct tg_version *tg_bundles_adopt_policy(struct tg_bundles *bundles,
                                                 const struct tg_source *file) {
  struct version *version = version_new(bundles, TG_BUNDLE_POLICY, file->path);
  struct tg_source entry = {
      .key = "entry:", .path = file->path, .text = file->text, .len = file->len};
  source_add(version, &entry);
  return version_add(bundles, version);
}

struct tg_bundle_row tg_version_row(const struct tg_version *version, const char *pipeline) {
  return (struct tg_bundle_row){.hash = version->hash,
                                .pipeline = pipeline,
                                .plan = version->plan,
                                .program = version->is_repeatable ? tg_program_id() : "",
                                .built_at = version->built_at,
                                .sources = version->sources,
                                .count = version->count};
}

// Finds what building this entry would give, here or in the store.
static const struct tg_version *known_find(struct tg_bundles *bundles,
                                           const struct tg_source *entry) {
  const struct version *known = bundles->versions;
  while (known &&
         !(known->face.is_repeatable &&
           tg_builds_is_current(bundles->root, entry, known->face.sources, known->face.count)))
    known = known->next;
  if (known || !bundles->data) return known ? &known->face : NULL;
  struct version *version = version_new(bundles, TG_BUNDLE_PIPELINE, entry->path);
  struct tg_bundle_row row;
  bool is_found = tg_builds_find(bundles->data, bundles->root, entry, &version->arena, &row);
  if (is_found)
    version_fill(version, &row);
  else
    version_free(version);
  return is_found ? version_add(bundles, version) : NULL;
}

// Loads.

static void load_remove(struct load *load) {
  struct load **at = &load->bundles->loads;
  while (*at != load) at = &(*at)->next;
  *at = load->next;
}

static void drop_send(struct tg_process *process, uint64_t handle) {
  tg_wire_put_u64(tg_process_begin(process, TG_MESSAGE_DROP), handle);
  tg_process_send(process, NULL); // a few bytes; at worst the worker keeps what it has
}

// The worker of a build whose outcome was known already has the same files twice.
static void build_end(struct load *load, const char *faults, const struct tg_error *err) {
  struct version *version = load->version;
  const struct tg_version *face = NULL;
  if (!faults && !err) {
    version_name(version);
    struct version *known = version_find(load->bundles, version->face.hash);
    if (!known) version_keep(load->bundles, version);
    face = known ? &known->face : &version->face;
    if (known && !known->face.plan)
      known->face.plan = must(tg_arena_strdup(&known->arena, version->face.plan));
    if (known)
      drop_send(load->process, version->face.handle);
    else
      version = NULL;
  }
  load->built(load->self, face, faults, err);
  if (version) version_free(version);
}

// Ends a load, tells whoever asked, and gives the worker its next one.
static void load_end(struct load *load, const char *faults, const struct tg_error *err);

static struct load *load_of(struct tg_bundles *bundles, struct tg_process *process) {
  struct load *load = bundles->loads;
  // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): load_remove took the one before off the list
  while (load && load->process != process) load = load->next;
  return load;
}

static void build_overdue(void *self) {
  struct load *load = self;
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

static void load_send(struct load *load) {
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
  tg_wire_put_i64(out, load->bundles->limits.build_ms);
  sources_put(out, version);
  if (tg_process_send(load->process, &err)) {
    load_end(load, NULL, &err);
    return;
  }
  load->deadline = tg_timer_new(load->bundles->loop, build_overdue, load, &err);
  if (load->deadline)
    tg_timer_start(load->deadline, load->bundles->limits.build_ms + TG_WORKER_GRACE_MS);
}

// A version may have been required twice before the first was answered.
static void next_send(struct tg_bundles *bundles, struct tg_process *process) {
  struct load *next = load_of(bundles, process);
  if (!next || next->is_sent) return;
  if (!next->built && (next->version->workers >> tg_process_slot(process) & 1))
    load_end(next, NULL, NULL);
  else
    load_send(next);
}

static void load_end(struct load *load, const char *faults, const struct tg_error *err) {
  struct tg_bundles *bundles = load->bundles;
  struct tg_process *process = load->process;
  load_remove(load);
  if (load->built) tg_process_add_load(process, -1);
  if (load->built) {
    build_end(load, faults, err);
  } else if (load->ready) {
    struct tg_error own;
    if (faults)
      tg_error_set(&own, TG_EBUG, "a bundle that was accepted cannot be loaded again: %.900s",
                   faults);
    load->ready(load->self, faults ? &own : err);
  }
  load_free(load);
  next_send(bundles, process);
}

static void load_add(struct tg_bundles *bundles, const struct load *fields) {
  struct load *load = must(malloc(sizeof *load));
  *load = *fields;
  load->bundles = bundles;
  bool is_free = !load_of(bundles, load->process);
  struct load **at = &bundles->loads;
  while (*at) at = &(*at)->next;
  *at = load;
  if (load->built) tg_process_add_load(load->process, 1); // who requires counts by himself
  if (is_free) load_send(load);
}

static void build_start(struct tg_bundles *bundles, enum tg_bundle_kind kind, const char *entry,
                        tg_bundles_built *done, void *self, bool is_again) {
  struct tg_error err;
  struct tg_buf text;
  struct tg_process *process;
  const struct tg_version *known = NULL;
  tg_buf_init(&text, (size_t)TG_SOURCE_BYTES_MAX);
  int code = tg_sources_read(bundles->root, entry, &text, &err);
  struct tg_source file = {
      .key = "entry:", .path = entry, .text = tg_buf_text(&text), .len = text.len};
  if (!code && kind == TG_BUNDLE_PIPELINE) known = known_find(bundles, &file);
  if (!code && !known) code = tg_pool_pick(bundles->pool, &process, &err);
  if (code || known) {
    done(self, known, NULL, code ? &err : NULL);
  } else {
    struct version *version = version_new(bundles, kind, entry);
    source_add(version, &file);
    load_add(bundles, &(struct load){.version = version,
                                     .process = process,
                                     .built = done,
                                     .self = self,
                                     .is_again = is_again});
  }
  tg_buf_deinit(&text);
}

void tg_bundles_build(struct tg_bundles *bundles, enum tg_bundle_kind kind, const char *entry,
                      tg_bundles_built *done, void *self) {
  build_start(bundles, kind, entry, done, self, false);
}

void tg_bundles_require(struct tg_bundles *bundles, const struct tg_version *face,
                        struct tg_process *process, tg_bundles_ready *done, void *self) {
  struct version *version = (struct version *)face;
  if (version->workers >> tg_process_slot(process) & 1) {
    done(self, NULL);
    return;
  }
  load_add(bundles,
           &(struct load){.version = version, .process = process, .ready = done, .self = self});
}

void tg_bundles_forget(struct tg_bundles *bundles, const void *self) {
  for (struct load *load = bundles->loads; load; load = load->next)
    if (load->ready && load->self == self) load->ready = NULL;
}

// The next LOAD gets a new handle, because a worker may still be at work under the old one.
void tg_bundles_drop(struct tg_bundles *bundles, const struct tg_version *face) {
  struct version *version = (struct version *)face;
  for (const struct load *load = bundles->loads; load; load = load->next)
    if (load->version == version) return; // it is wanted
  for (uint32_t slot = 0; slot < TG_POOL_SLOTS; slot++)
    if (version->workers >> slot & 1)
      drop_send(tg_pool_worker(bundles->pool, slot), version->face.handle);
  version->workers = 0;
  version->face.handle = ++bundles->last_handle;
}

int tg_bundles_loaded(struct tg_bundles *bundles, struct tg_process *process,
                      struct tg_reader *body, struct tg_error *err) {
  struct load *load = load_of(bundles, process);
  uint64_t handle = tg_wire_get_u64(body);
  struct tg_slice plan = tg_wire_get_bytes(body);
  bool is_repeatable = tg_wire_get_u8(body);
  if (!tg_reader_is_done(body) || !load || !load->is_sent || load->version->face.handle != handle)
    return tg_error_set(err, TG_EPROTOCOL, "it says it loaded what nobody asked for");
  load->version->workers |= UINT64_C(1) << tg_process_slot(process);
  if (load->built) {
    load->version->face.plan = must(tg_arena_copy(&load->version->arena, plan.data, plan.len));
    // A script that got hold of its worker could tell any plan for those after it: what such a
    // worker says holds for this host only.
    load->version->face.is_repeatable = is_repeatable && load->is_clean;
  }
  // What only the host can read in a plan is checked here, as if the worker had.
  bool is_pipeline = load->built && load->version->face.kind == TG_BUNDLE_PIPELINE;
  char *faults = is_pipeline ? tg_timetable_faults(plan.data, plan.len) : NULL;
  if (faults) drop_send(process, handle);
  load_end(load, faults, NULL);
  free(faults);
  return TG_OK;
}

int tg_bundles_faults(struct tg_bundles *bundles, struct tg_process *process,
                      struct tg_reader *body, struct tg_error *err) {
  struct load *load = load_of(bundles, process);
  uint64_t handle = tg_wire_get_u64(body);
  struct tg_slice faults = tg_wire_get_bytes(body);
  if (!tg_reader_is_done(body) || !load || !load->is_sent || load->version->face.handle != handle)
    return tg_error_set(err, TG_EPROTOCOL, "it faults what nobody asked for");
  load_end(load, faults.data, NULL);
  return TG_OK;
}

static void source_reply(struct tg_process *process, uint64_t request,
                         const struct tg_source *source, const struct tg_error *failed) {
  struct tg_buf *out = tg_process_begin(process, TG_MESSAGE_REPLY);
  tg_wire_put_u64(out, request);
  tg_wire_put_error(out, failed);
  if (!failed) {
    tg_wire_put_text(out, source->path);
    tg_wire_put_bytes(out, source->text, source->len);
  }
  tg_process_send(process, NULL); // smaller than a frame: TG_SOURCE_BYTES_MAX
}

static const struct tg_source *source_find(const struct version *version, const char *key) {
  for (size_t i = 0; i < version->face.count; i++)
    if (strcmp(version->face.sources[i].key, key) == 0) return &version->face.sources[i];
  return NULL;
}

// Adds a file of the project to a bundle that is being built, or why there is none.
static int source_take(struct load *load, const char *kind, const char *name, const char *key,
                       struct tg_error *err) {
  struct version *version = load->version;
  struct tg_buf text;
  char path[4096];
  tg_buf_init(&text, (size_t)TG_SOURCE_BYTES_MAX);
  bool is_found = !tg_sources_find(load->bundles->root, kind, name, path, &text, err);
  int code = TG_OK;
  if (version->face.count >= TG_BUNDLE_FILES_MAX ||
      version->bytes + text.len > (size_t)TG_BUNDLE_BYTES_MAX)
    code = tg_error_set(err, TG_ELIMIT, "a bundle has at most %d files of %lld bytes together",
                        TG_BUNDLE_FILES_MAX, (long long)TG_BUNDLE_BYTES_MAX);
  else
    source_add(version, &(struct tg_source){.key = key,
                                            .path = is_found ? path : "",
                                            .text = is_found ? tg_buf_text(&text) : err->text,
                                            .len = is_found ? text.len : strlen(err->text)});
  tg_buf_deinit(&text);
  return code;
}

// Finds a file of a bundle. One that was asked for before stays what it was, whatever has become of
// it on disk.
static int source_get(struct load *load, const char *kind, const char *name,
                      const struct tg_source **source, struct tg_error *err) {
  char key[1200];
  snprintf(key, sizeof key, "%s:%s", kind, name);
  *source = source_find(load->version, key);
  if (!*source && !load->built)
    return tg_error_set(err, TG_ENOT_FOUND, "the bundle has no %s '%s'", kind, name);
  int code = *source ? TG_OK : source_take(load, kind, name, key, err);
  if (code) return code;
  *source = source_find(load->version, key);
  return *(*source)->path ? TG_OK : tg_error_set(err, TG_ENOT_FOUND, "%s", (*source)->text);
}

int tg_bundles_source(struct tg_bundles *bundles, struct tg_process *process, uint64_t request,
                      struct tg_slice body, struct tg_error *err) {
  struct load *load = load_of(bundles, process);
  struct tg_reader in = tg_reader_of(body.data, body.len);
  const char *kind = tg_wire_get_text(&in), *name = tg_wire_get_text(&in);
  if (!tg_reader_is_done(&in) || !load || !load->is_sent)
    return tg_error_set(err, TG_EPROTOCOL, "it asks for a file of no bundle");
  struct tg_error failed;
  const struct tg_source *source;
  int code = source_get(load, kind, name, &source, &failed);
  source_reply(process, request, source, code ? &failed : NULL);
  return TG_OK;
}

// Says, as faults do, that a file ended the worker that loaded it.
static void deadly_build_end(struct load *load, const char *why) {
  const char *entry = load->version->face.entry;
  struct tg_buf faults;
  char message[512];
  int len = snprintf(message, sizeof message,
                     "loading this file ended its worker (%s); it is not tried again until it"
                     " changes",
                     why);
  size_t kept = (size_t)len < sizeof message ? (size_t)len : sizeof message - 1;
  tg_buf_init(&faults, (size_t)TG_MIB);
  tg_buf_puts(&faults, "[{\"file\":");
  tg_buf_put_json(&faults, entry, strlen(entry));
  tg_buf_puts(&faults, ",\"line\":1,\"message\":");
  tg_buf_put_json(&faults, message, kept);
  tg_buf_puts(&faults, "}]");
  build_end(load, tg_buf_text(&faults), NULL);
  tg_buf_deinit(&faults);
}

// A worker may have been lost by chance; the second one that a file ends is the file's doing.
static void lost_build_end(struct load *load, const char *why) {
  struct version *version = load->version;
  if (load->is_sent && (load->is_again || load->is_overdue)) {
    deadly_build_end(load, why);
  } else {
    build_start(load->bundles, version->face.kind, version->face.entry, load->built, load->self,
                load->is_sent);
    version_free(version);
  }
}

void tg_bundles_worker_gone(struct tg_bundles *bundles, struct tg_process *process,
                            const char *why) {
  for (struct version *version = bundles->versions; version; version = version->next)
    version->workers &= ~(UINT64_C(1) << tg_process_slot(process));
  bundles->touched &= ~(UINT64_C(1) << tg_process_slot(process));
  struct load *load;
  while ((load = load_of(bundles, process))) {
    load_remove(load);
    if (load->built) lost_build_end(load, why);
    load_free(load);
  }
}
