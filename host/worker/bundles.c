// SPDX-License-Identifier: Apache-2.0
#include "worker/bundles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "worker/builds.h"
#include "worker/bundles_parts.h"
#include "worker/sources.h"

struct tg_bundles *tg_bundles_new(struct tg_loop *loop, struct tg_pool *pool, const char *root,
                                  const char *data, const struct tg_bundle_limits *limits) {
  struct tg_bundles *bundles = tg_must(calloc(1, sizeof *bundles));
  bundles->loop = loop;
  bundles->pool = pool;
  bundles->root = tg_must(strdup(root));
  bundles->data = data ? tg_must(strdup(data)) : NULL;
  bundles->limits = *limits;
  if (!limits->state_bytes) bundles->limits.state_bytes = TG_BUNDLE_STATE_BYTES_MAX;
  if (!limits->build_ms) bundles->limits.build_ms = TG_BUNDLE_BUILD_MS;
  return bundles;
}

void tg_bundles_free(struct tg_bundles *bundles) {
  if (!bundles) return;
  while (bundles->versions) {
    struct tg_bundles_version *version = bundles->versions;
    bundles->versions = version->next;
    tg_bundles_version_free(version);
  }
  while (bundles->loads) {
    struct tg_bundles_load *load = bundles->loads;
    bundles->loads = load->next;
    if (load->built) tg_bundles_version_free(load->version);
    tg_bundles_load_free(load);
  }
  free(bundles->root);
  free(bundles->data);
  free(bundles);
}

const struct tg_version *tg_bundles_find(const struct tg_bundles *bundles, const char *hash) {
  struct tg_bundles_version *version = tg_bundles_version_find(bundles, hash);
  return version ? &version->face : NULL;
}

// Names a version and keeps it, unless it is known: then that one is given, and this one freed.
static const struct tg_version *version_add(struct tg_bundles *bundles,
                                            struct tg_bundles_version *version) {
  tg_bundles_version_name(version);
  struct tg_bundles_version *known = tg_bundles_version_find(bundles, version->face.hash);
  if (known)
    tg_bundles_version_free(version);
  else
    tg_bundles_version_keep(bundles, version);
  return known ? &known->face : &version->face;
}

const struct tg_version *tg_bundles_adopt(struct tg_bundles *bundles, const char *file,
                                          const struct tg_bundle_row *row) {
  struct tg_bundles_version *version = tg_bundles_version_new(bundles, TG_BUNDLE_PIPELINE, file);
  tg_bundles_version_fill(version, row);
  version->face.plan = tg_must(tg_arena_strdup(&version->arena, row->plan));
  return version_add(bundles, version);
}

const struct tg_version *tg_bundles_adopt_policy(struct tg_bundles *bundles,
                                                 const struct tg_source *file) {
  struct tg_bundles_version *version =
      tg_bundles_version_new(bundles, TG_BUNDLE_POLICY, file->path);
  struct tg_source entry = {
      .key = "entry:", .path = file->path, .text = file->text, .len = file->len};
  tg_bundles_version_take(version, &entry);
  return version_add(bundles, version);
}

// Finds what building this entry would give, here or in the store.
static const struct tg_version *known_find(struct tg_bundles *bundles,
                                           const struct tg_source *entry) {
  const struct tg_bundles_version *known = bundles->versions;
  while (known &&
         !(known->face.is_repeatable &&
           tg_builds_is_current(bundles->root, entry, known->face.sources, known->face.count)))
    known = known->next;
  if (known || !bundles->data) return known ? &known->face : NULL;
  struct tg_bundles_version *version =
      tg_bundles_version_new(bundles, TG_BUNDLE_PIPELINE, entry->path);
  struct tg_bundle_row row;
  bool is_found = tg_builds_find(bundles->data, bundles->root, entry, &version->arena, &row);
  if (is_found)
    tg_bundles_version_fill(version, &row);
  else
    tg_bundles_version_free(version);
  return is_found ? version_add(bundles, version) : NULL;
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
    struct tg_bundles_version *version = tg_bundles_version_new(bundles, kind, entry);
    tg_bundles_version_take(version, &file);
    tg_bundles_load_add(bundles, &(struct tg_bundles_load){.version = version,
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
  struct tg_bundles_version *version = (struct tg_bundles_version *)face;
  if (version->workers >> tg_process_slot(process) & 1) {
    done(self, NULL);
    return;
  }
  tg_bundles_load_add(bundles,
                      &(struct tg_bundles_load){
                          .version = version, .process = process, .ready = done, .self = self});
}

void tg_bundles_forget(struct tg_bundles *bundles, const void *self) {
  for (struct tg_bundles_load *load = bundles->loads; load; load = load->next)
    if (load->ready && load->self == self) load->ready = NULL;
}

// The next LOAD gets a new handle, because a worker may still be at work under the old one.
void tg_bundles_drop(struct tg_bundles *bundles, const struct tg_version *face) {
  struct tg_bundles_version *version = (struct tg_bundles_version *)face;
  for (const struct tg_bundles_load *load = bundles->loads; load; load = load->next)
    if (load->version == version) return; // it is wanted
  for (uint32_t slot = 0; slot < TG_POOL_SLOTS; slot++)
    if (version->workers >> slot & 1)
      tg_bundles_drop_send(tg_pool_worker(bundles->pool, slot), version->face.handle);
  version->workers = 0;
  version->face.handle = ++bundles->last_handle;
}

// Says, as faults do, that a file ended the worker that loaded it.
static void deadly_build_end(struct tg_bundles_load *load, const char *why) {
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
  tg_bundles_build_end(load, tg_buf_text(&faults), NULL);
  tg_buf_deinit(&faults);
}

// A worker may have been lost by chance; the second one that a file ends is the file's doing.
static void lost_build_end(struct tg_bundles_load *load, const char *why) {
  struct tg_bundles_version *version = load->version;
  if (load->is_sent && (load->is_again || load->is_overdue)) {
    deadly_build_end(load, why);
  } else {
    build_start(load->bundles, version->face.kind, version->face.entry, load->built, load->self,
                load->is_sent);
    tg_bundles_version_free(version);
  }
}

void tg_bundles_worker_gone(struct tg_bundles *bundles, struct tg_process *process,
                            const char *why) {
  for (struct tg_bundles_version *version = bundles->versions; version; version = version->next)
    version->workers &= ~(UINT64_C(1) << tg_process_slot(process));
  bundles->touched &= ~(UINT64_C(1) << tg_process_slot(process));
  struct tg_bundles_load *load;
  while ((load = tg_bundles_load_of(bundles, process))) {
    tg_bundles_load_remove(load);
    if (load->built) lost_build_end(load, why);
    tg_bundles_load_free(load);
  }
}
