// SPDX-License-Identifier: Apache-2.0
// The bundles a host knows: each version of a pipeline or a policy, by the hash of its files. A
// bundle is built from the project's folder once, by a worker that asks for the files it needs;
// from then on its files are kept here, and every worker gets exactly those. A pipeline that was
// built before, of what is there now, is not built again (builds.h).
//
//   build:    entry -> known | LOAD -> SOURCE ... SOURCE -> PLAN ... LOADED (plan) | FAULTS
//   require:  bundle, worker -> LOAD with all files -> LOADED (without a plan)
//
// A worker has one LOAD in work at a time.
#pragma once

#include "ipc/message.h"
#include "store/history.h"
#include "worker/pool.h"

struct tg_bundles;

/// One version. Strings and sources live as long as the host.
struct tg_version {
  uint64_t handle;
  enum tg_bundle_kind kind;
  char hash[65];
  const char *entry;  // path in the project
  const char *plan;   // JSON, as the worker gave it; NULL for a policy that no worker has built
  int64_t built_at;   // ms; what scripts take for now when they are loaded
  bool is_repeatable; // this program gives the same plan whenever it builds the same files; known
                      // only from a worker that saw no script before
  bool is_stored;     // it came out of the store
  struct tg_source *sources;
  size_t count;
};

/// Gives a version as the store keeps it; what it points to is the version's.
struct tg_bundle_row tg_version_row(const struct tg_version *version, const char *pipeline);

/// What a script may use; 0 for the defaults.
struct tg_bundle_limits {
  int64_t state_bytes; // memory of a pipeline's scripts in one worker
  int64_t build_ms;    // for loading
};

/// Makes an empty list. `root` is the project's folder; `data` the folder of a store with earlier
/// builds, or NULL.
struct tg_bundles *tg_bundles_new(struct tg_loop *loop, struct tg_pool *pool, const char *root,
                                  const char *data, const struct tg_bundle_limits *limits);
void tg_bundles_free(struct tg_bundles *bundles);

/// Is told what became of a build: a version, or faults (a JSON list of {"file", "line", "message",
/// "hint"}), or an error when there was nobody to build it.
typedef void tg_bundles_built(void *self, const struct tg_version *version, const char *faults,
                              const struct tg_error *err);

/// Builds a version from the project's folder. `done` may be called before this returns.
void tg_bundles_build(struct tg_bundles *bundles, enum tg_bundle_kind kind, const char *entry,
                      tg_bundles_built *done, void *self);

/// Adds a pipeline's version out of the store; `file` is the path of its entry.
const struct tg_version *tg_bundles_adopt(struct tg_bundles *bundles, const char *file,
                                          const struct tg_bundle_row *row);

/// Adds a policy's version: its file, out of a pipeline's bundle.
const struct tg_version *tg_bundles_adopt_policy(struct tg_bundles *bundles,
                                                 const struct tg_source *file);

/// Finds a version by its hash, or NULL.
const struct tg_version *tg_bundles_find(const struct tg_bundles *bundles, const char *hash);

/// Is told that a worker has a version, or why not.
typedef void tg_bundles_ready(void *self, const struct tg_error *err);

/// Sees to it that a worker has a version. `done` may be called before this returns; it is not
/// called when the worker dies meanwhile.
void tg_bundles_require(struct tg_bundles *bundles, const struct tg_version *version,
                        struct tg_process *process, tg_bundles_ready *done, void *self);

/// Forgets whoever waits for a version: `ready` is not called for this `self` any more.
void tg_bundles_forget(struct tg_bundles *bundles, const void *self);

/// Lets the workers free a version that nobody will ask for soon. What is at work in it goes on,
/// and a worker that is asked for it later gets it again.
void tg_bundles_drop(struct tg_bundles *bundles, const struct tg_version *version);

/// Takes in what a worker says about bundles: PLAN, LOADED, FAULTS, and requests of kind SOURCE.
///
/// Errors: TG_EPROTOCOL
int tg_bundles_plan(struct tg_bundles *bundles, struct tg_process *process, struct tg_reader *body,
                    struct tg_error *err);
int tg_bundles_loaded(struct tg_bundles *bundles, struct tg_process *process,
                      struct tg_reader *body, struct tg_error *err);
int tg_bundles_faults(struct tg_bundles *bundles, struct tg_process *process,
                      struct tg_reader *body, struct tg_error *err);
int tg_bundles_source(struct tg_bundles *bundles, struct tg_process *process, uint64_t request,
                      struct tg_slice body, struct tg_error *err);

/// Forgets what a worker had, and ends the builds it was at.
void tg_bundles_worker_gone(struct tg_bundles *bundles, struct tg_process *process,
                            const char *why);
