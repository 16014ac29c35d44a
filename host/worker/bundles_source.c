// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "worker/bundles_parts.h"
#include "worker/sources.h"

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

static const struct tg_source *source_find(const struct tg_bundles_version *version,
                                           const char *key) {
  for (size_t i = 0; i < version->face.count; i++)
    if (strcmp(version->face.sources[i].key, key) == 0) return &version->face.sources[i];
  return NULL;
}

// Adds a file of the project to a bundle that is being built, or why there is none.
static int source_take(struct tg_bundles_load *load, const char *kind, const char *name,
                       const char *key, struct tg_error *err) {
  struct tg_bundles_version *version = load->version;
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
    tg_bundles_version_take(version,
                            &(struct tg_source){.key = key,
                                                .path = is_found ? path : "",
                                                .text = is_found ? tg_buf_text(&text) : err->text,
                                                .len = is_found ? text.len : strlen(err->text)});
  tg_buf_deinit(&text);
  return code;
}

// Finds a file of a bundle. One that was asked for before stays what it was, whatever has become of
// it on disk.
static int source_get(struct tg_bundles_load *load, const char *kind, const char *name,
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
  struct tg_bundles_load *load = tg_bundles_load_of(bundles, process);
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
