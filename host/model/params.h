// SPDX-License-Identifier: Apache-2.0
// Parameters of a run: the schema a plan declares, and the values a run gets.
//
// The schema is the plan's `params`: a JSON list of {"name", "type", "required", "default",
// "default_is": logical_date or computed, "secret", "items": the type of a list's values, "values"
// of an enum, "min" and "max" of numbers}. Types are string, int, number, bool, enum, date and
// list. Patterns and lengths are checked by the script, which also computes what is computed: a
// run's parameters are resolved here, then completed by it (worker/freeze.h).
//
// The value of a secret parameter is the place where the host finds the secret, and only that is
// kept: env:VARIABLE, file:PATH, secret:NAME (as tg.secret has it), stdin, or value:NAME for what
// was written on the command line.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/// Gives the parameters of a run: each value from its text, or its default, checked.
///
/// Shape:  schema; `given` = "name=value" texts; the logical instant, which is the default of dates
///         that ask for it -> a JSON object with every parameter that is not computed, sorted by
///         name
/// Owns:   the caller releases the result (json_decref)
/// Errors: TG_EINVALID naming the parameter, what it takes, and the nearest right word
int tg_params_resolve(const json_t *schema, const char *const *given, size_t count,
                      int64_t logical_at_ms, json_t **params, struct tg_error *err);

/// Says whether the pipeline's script has to look at resolved parameters: some are to be computed,
/// or have checks of Lua.
bool tg_params_want_script(const json_t *schema, const json_t *params);

/// Adds what the script computed, checked, to the resolved parameters.
///
/// Errors: TG_EINVALID naming the parameter
int tg_params_add_computed(const json_t *schema, const json_t *values, json_t *params,
                           struct tg_error *err);

/// Gives a parameter as the text that a person would give for its value: "name=value".
///
/// Owns:   the caller frees the text, which is NULL when memory is out
char *tg_params_text(const char *name, const json_t *value);

/// Gives what runs are compared by: their parameters (JSON text) without those that the pipeline
/// computes unless they are given, for these follow from the others and from its version.
///
/// Owns:   the caller frees the text, which is NULL when memory is out
char *tg_params_identity(const json_t *schema, const char *const *given, size_t count,
                         const char *params);

/// Says whether a parameter is declared secret.
bool tg_params_is_secret(const json_t *schema, const char *name);

/// Gives the secret ones of a run's parameters (JSON text): name -> place.
///
/// Owns:   the caller releases the result, which is NULL only when memory is out
json_t *tg_params_secrets(const json_t *schema, const char *params);
