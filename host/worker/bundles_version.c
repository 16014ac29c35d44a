// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/program.h"
#include "worker/bundles_parts.h"

void tg_bundles_version_free(struct tg_bundles_version *version) {
  tg_arena_deinit(&version->arena);
  free(version->plan);
  free(version->face.sources);
  free(version);
}

struct tg_bundles_version *tg_bundles_version_new(struct tg_bundles *bundles,
                                                  enum tg_bundle_kind kind, const char *entry) {
  struct tg_bundles_version *version = tg_must(calloc(1, sizeof *version));
  tg_arena_init(&version->arena);
  version->face.handle = ++bundles->last_handle;
  version->face.kind = kind;
  version->face.built_at = tg_clock_wall_ms(tg_loop_clock(bundles->loop));
  version->face.entry = tg_must(tg_arena_strdup(&version->arena, entry));
  return version;
}

void tg_bundles_version_take(struct tg_bundles_version *version, const struct tg_source *source) {
  struct tg_version *face = &version->face;
  version->bytes += source->len;
  if (face->count == version->cap) {
    version->cap = version->cap ? version->cap * 2 : 8;
    face->sources = tg_must(realloc(face->sources, version->cap * sizeof *face->sources));
  }
  face->sources[face->count++] = (struct tg_source){
      .key = tg_must(tg_arena_strdup(&version->arena, source->key)),
      .path = tg_must(tg_arena_strdup(&version->arena, source->path)),
      .text = tg_must(tg_arena_copy(&version->arena, source->text, source->len)),
      .len = source->len,
  };
}

static int source_compare(const void *a, const void *b) {
  return strcmp(((const struct tg_source *)a)->key, ((const struct tg_source *)b)->key);
}

// A pipeline is named by its plan too: the same files may give another one, in another version of
// the library or at another time.
void tg_bundles_version_name(struct tg_bundles_version *version) {
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

struct tg_bundles_version *tg_bundles_version_find(const struct tg_bundles *bundles,
                                                   const char *hash) {
  struct tg_bundles_version *version = bundles->versions;
  while (version && strcmp(version->face.hash, hash) != 0) version = version->next;
  return version;
}

void tg_bundles_version_keep(struct tg_bundles *bundles, struct tg_bundles_version *version) {
  version->next = bundles->versions;
  bundles->versions = version;
}

// Fills in what the store kept; it stays where it is.
void tg_bundles_version_fill(struct tg_bundles_version *version, const struct tg_bundle_row *row) {
  struct tg_version *face = &version->face;
  face->plan = row->plan;
  face->built_at = row->built_at;
  face->is_repeatable = strcmp(row->program, tg_program_id()) == 0;
  face->is_stored = true;
  for (size_t i = 0; i < row->count; i++) tg_bundles_version_take(version, &row->sources[i]);
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
