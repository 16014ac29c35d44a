// SPDX-License-Identifier: Apache-2.0
// What the parts of the bundles share.
//
//   bundles          which there are, and who builds or gets one
//   bundles_version  a version: its files, its name, what the store has of it
//   bundles_load     LOADs on their way to workers, one at a time for each
//   bundles_source   the files that a worker asks for while it builds
#pragma once

#include "base/arena.h"
#include "base/must.h"
#include "worker/bundles.h"

struct tg_bundles_version {
  struct tg_version face; // the first member
  struct tg_arena arena;
  size_t cap, bytes;
  uint64_t workers; // a bit per slot that has it
  char *plan;       // that a worker told; another one is of the arena
  struct tg_bundles_version *next;
};

// A LOAD on its way, or waiting for the worker to be done with another.
struct tg_bundles_load {
  struct tg_bundles *bundles;
  struct tg_bundles_version *version;
  struct tg_process *process;
  tg_bundles_built *built; // of a build
  tg_bundles_ready *ready; // of a require
  void *self;
  bool is_sent, is_overdue;
  bool is_again;      // a build whose first worker was lost
  bool is_clean;      // its worker has seen no other script
  struct tg_buf plan; // what was told of it so far
  struct tg_timer *deadline;
  struct tg_bundles_load *next;
};

struct tg_bundles {
  struct tg_loop *loop;
  struct tg_pool *pool;
  char *root, *data;
  struct tg_bundle_limits limits;
  struct tg_bundles_version *versions;
  struct tg_bundles_load *loads; // in the order in which they were asked for
  uint64_t last_handle;
  uint64_t touched; // a bit per slot whose worker was given a script
};

/// Makes a version without files.
struct tg_bundles_version *tg_bundles_version_new(struct tg_bundles *bundles,
                                                  enum tg_bundle_kind kind, const char *entry);
void tg_bundles_version_free(struct tg_bundles_version *version);

/// Adds a copy of a file.
void tg_bundles_version_take(struct tg_bundles_version *version, const struct tg_source *source);

/// Fills in what the store kept, whose texts stay where they are.
void tg_bundles_version_fill(struct tg_bundles_version *version, const struct tg_bundle_row *row);

/// Names a version by what it is made of.
void tg_bundles_version_name(struct tg_bundles_version *version);

struct tg_bundles_version *tg_bundles_version_find(const struct tg_bundles *bundles,
                                                   const char *hash);
void tg_bundles_version_keep(struct tg_bundles *bundles, struct tg_bundles_version *version);

/// Queues a LOAD (a copy of `fields`), and sends it when its worker has no other.
void tg_bundles_load_add(struct tg_bundles *bundles, const struct tg_bundles_load *fields);

/// Gives what a worker is at, or NULL.
struct tg_bundles_load *tg_bundles_load_of(struct tg_bundles *bundles, struct tg_process *process);
void tg_bundles_load_remove(struct tg_bundles_load *load);
void tg_bundles_load_free(struct tg_bundles_load *load);

/// Tells who asked for a build what became of it.
void tg_bundles_build_end(struct tg_bundles_load *load, const char *faults,
                          const struct tg_error *err);

/// Lets a worker free a version.
void tg_bundles_drop_send(struct tg_process *process, uint64_t handle);
