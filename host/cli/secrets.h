// SPDX-License-Identifier: Apache-2.0
// Secrets: where the host finds them. A place names one (model/params.h), and only places are kept:
//
//   env:VARIABLE   the host's environment
//   file:PATH      a file, without white space at its end
//   secret:NAME    TIDEGATE_SECRET_<NAME>, or /run/secrets/<NAME>, which a container mounts
//   stdin          what was read from it, by this process
//   value:NAME     what was written on this command line for the parameter NAME
//
// Every value that is given out is kept out of the log from then on.
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/map.h"

struct tg_secrets {
  struct tg_map given; // place -> value, of this process alone
  struct tg_buf last;  // the last one that was read from a file
};

void tg_secrets_init(struct tg_secrets *secrets);
void tg_secrets_deinit(struct tg_secrets *secrets);

/// Gives the value at a place, until the next call.
///
/// Errors: returns NULL and says in `err` what to do: TG_EDENIED
const char *tg_secrets_find(struct tg_secrets *secrets, const char *place, struct tg_error *err);

/// Takes the secrets out of what was given on the command line: "token=value:x" becomes
/// "token=value:token", "token=-" is read from standard input and becomes "token=stdin", paths
/// become absolute.
///
/// Shape:  a plan's parameters; "name=value" texts, which are replaced in the list
/// Owns:   the new texts are in the arena
/// Errors: TG_EINVALID for a second "-", or nothing on standard input; those of reading it
int tg_secrets_take(struct tg_secrets *secrets, const json_t *schema, const char **given,
                    size_t count, struct tg_arena *arena, struct tg_error *err);
