// SPDX-License-Identifier: Apache-2.0
// Finding and loading scripts of a project by what a person calls them.
#pragma once

#include "cli/host.h"
#include "cli/project.h"

/// Opens the project that a verb with a PIPELINE works in: as tg_project_of, but for a path that of
/// the file: the nearest folder upwards with a tidegate.yaml, else the folder above pipelines/,
/// else the file's own.
///
/// Shape:  returns an exit code, TG_EXIT_SUCCESS when it is open
int tg_load_project(struct tg_project *project, const struct tg_args *args);

/// Finds the file of a pipeline: a path, or a name, which is that of a file in pipelines/ or the
/// one that a file there gives its pipeline.
///
/// Shape:  `path` is from the project's folder
/// Errors: TG_ENOT_FOUND with the nearest name; TG_EINVALID for a path outside the project
int tg_load_find(struct tg_host *host, const struct tg_project *project, const char *name,
                 char path[4096], struct tg_error *err);

/// Finds a pipeline and builds it.
///
/// Shape:  returns an exit code after it has said on stderr what is wrong, faults included
int tg_load_version(struct tg_host *host, const struct tg_project *project, const char *name,
                    const struct tg_version **version);

/// What a script was loaded to: one of `plan` (JSON; "" for a policy) and `faults` (a JSON list).
struct tg_loaded {
  char *plan, *faults;
  char path[4096]; // from the project's folder
};

/// Loads a pipeline or a policy with a worker of its own, without a store.
///
/// Owns:   the caller deinits `loaded`
int tg_load_pipeline(const struct tg_project *project, const char *name, struct tg_loaded *loaded,
                     struct tg_error *err);
int tg_load_policy(const struct tg_project *project, const char *path, struct tg_loaded *loaded,
                   struct tg_error *err);
void tg_loaded_deinit(struct tg_loaded *loaded);
