// SPDX-License-Identifier: Apache-2.0
// The plain scalars of YAML: what is a number, a boolean or null, and what is just text.
#pragma once

#include <jansson.h>

/// Resolves a plain scalar by the core schema; `*value` is NULL when it is just text.
///
/// Owns:   the caller, who frees `*value`
/// Errors: returns what is wrong with a scalar that JSON cannot hold, else NULL
/// Source: YAML 1.2.2 chapter 10.3.2
const char *tg_yaml_scalar_make(const char *text, json_t **value);

/// What tg_yaml_scalar_make gives when it is no fault of the text.
extern const char tg_yaml_no_memory[];
