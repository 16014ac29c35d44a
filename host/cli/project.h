// SPDX-License-Identifier: Apache-2.0
// The project: a folder with pipelines, and the settings of its tidegate.yaml.
//
//   name: orders                 # default: the folder's name
//   files:                       # what tidegate.file may reach; paths are relative to the project
//     - path: /var/lib/dpkg
//     - { path: export, write: true }
//   limits: { tasks: 16, workers: 2, bundle_memory: 512MiB, bundle_time: 30s }
//   pools: { warehouse: 4 }      # slots that the tasks of all pipelines share
//   resources:                   # what tasks name with `resource`: one breaker and retry budget
//   each
//     databricks:
//       breaker: { failures: 5, open: 30s, probes: 1 }  # or false; more: share, calls, window,
//       retries: { ratio: 0.2, reserve: 0.1, cap: 10 }  # successes, retry_after_max, lease
//   http: { proxy: "http://proxy:3128", ca_file: ca.pem, deny_private: true }
//
// With an environment, env/NAME.yaml is laid over it: a key that it has replaces the project's.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "cli/args.h"
#include "engine/pools.h"
#include "engine/resources.h"

struct tg_project_folder {
  const char *path; // absolute
  bool may_write;
};

struct tg_project {
  struct tg_arena arena;
  const char *root; // absolute, without links
  const char *name;
  const char *env;  // name of the environment, or NULL
  const char *data; // absolute
  const struct tg_project_folder *files;
  size_t file_count;
  struct tg_pools pools; // by name, for all pipelines
  const struct tg_resource_rules *resources;
  size_t resource_count;
  struct {
    uint32_t tasks;       // running at once over all runs, 0 for the default
    uint32_t workers;     // script workers, 0 for one per core
    int64_t bundle_bytes; // memory of a pipeline's scripts in a worker, 0 for the default
    int64_t bundle_ms;    // for loading a script, 0 for the default
  } limits;
  struct {
    const char *proxy;     // URL, or NULL
    const char *ca_file;   // absolute, or NULL
    bool has_deny_private; // addresses of private networks are refused
  } http;
};

/// Finds a project and reads its settings.
///
/// Shape:  root NULL: the nearest folder upwards of the current one with a tidegate.yaml, else the
///         current one; data NULL: .tidegate in the project; env NULL: no environment
/// Owns:   the caller deinits `project`, also after an error
/// Errors: TG_ENOT_FOUND, TG_EDENIED; TG_EINVALID with file:line:column and the nearest right key
int tg_project_open(struct tg_project *project, const char *root, const char *data, const char *env,
                    struct tg_error *err);
void tg_project_deinit(struct tg_project *project);

/// Gives how many attempts a host of the project runs at once.
uint32_t tg_project_slots(const struct tg_project *project);

/// Opens the project that the global options ask for; says on stderr what is wrong.
///
/// Shape:  returns an exit code, TG_EXIT_SUCCESS when it is open
int tg_project_of(struct tg_project *project, const struct tg_args *args);
