// SPDX-License-Identifier: Apache-2.0
// The host, wired: the parts of a process that builds and runs pipelines, made for a project and
// ended in the right order. A host without a store only builds.
#pragma once

#include "cli/answers.h"
#include "cli/intake.h"
#include "cli/project.h"
#include "worker/freeze.h"
#include "worker/runner.h"

struct tg_host;

/// Makes a host.
///
/// Errors: those of the parts; TG_EBUSY when another host holds the data folder
int tg_host_open(const struct tg_project *project, bool has_store, struct tg_host **host,
                 struct tg_error *err);
void tg_host_close(struct tg_host *host);

/// Its parts; `conductor` is NULL without a store.
const struct tg_services *tg_host_services(const struct tg_host *host);

/// Builds a bundle from a file of the project and waits for it.
///
/// Shape:  one of `version` and `faults` (a JSON list) is set
/// Owns:   the caller frees `faults`
int tg_host_build(struct tg_host *host, enum tg_bundle_kind kind, const char *path,
                  const struct tg_version **version, char **faults, struct tg_error *err);

/// Takes the secrets out of the parameters that were given on the command line (secrets.h).
int tg_host_take_secrets(struct tg_host *host, const struct tg_plan *plan, const char **given,
                         size_t count, struct tg_arena *arena, struct tg_error *err);

/// Freezes the parameters of a run and waits for them (worker/freeze.h).
///
/// Errors: TG_EINVALID naming the parameter; TG_EDENIED for a secret that is not there; what the
///         script raised
int tg_host_freeze(struct tg_host *host, const struct tg_freeze *freeze, struct tg_arena *arena,
                   const char **params, struct tg_error *err);

/// Gives the carrier of script attempts.
struct tg_scripts *tg_host_scripts(struct tg_host *host);

/// Give its intake of events, and of people's answers; NULL without a store.
struct tg_intake *tg_host_intake(const struct tg_host *host);
struct tg_answers *tg_host_answers(const struct tg_host *host);

/// Says whether what an earlier host left of a pipeline is still to be taken up: the first time
/// that it is asked.
bool tg_host_takes_over(struct tg_host *host, const char *pipeline);

/// Runs the loop until tg_host_stop is called.
///
/// Errors: what made the host stop by itself: an outcome of the store that is not known
int tg_host_run(struct tg_host *host, struct tg_error *err);
void tg_host_stop(struct tg_host *host);
