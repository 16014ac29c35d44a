// SPDX-License-Identifier: Apache-2.0
// Parameters of a run: the schema a plan declares, and the values a run gets.
//
// The schema is the plan's `params`: a JSON list of {"name", "type", "required", "default",
// "default_is", "items": the type of a list's values, "values" of an enum, "min" and "max" of
// numbers}. Types are string, int, number, bool, enum, date and list. A "pattern" is Lua's, and
// checked by the script.
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"

/// Gives the parameters of a run: each value from its text, or its default, checked.
///
/// Shape:  schema; `given` = "name=value" texts; the logical instant, which is the default of dates
///         that ask for it -> a JSON object with every parameter, sorted by name
/// Owns:   the caller releases the result (json_decref)
/// Errors: TG_EINVALID naming the parameter, what it takes, and the nearest right word
int tg_params_resolve(const json_t *schema, const char *const *given, size_t count,
                      int64_t logical_at_ms, json_t **params, struct tg_error *err);
