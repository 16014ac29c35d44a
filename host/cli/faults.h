// SPDX-License-Identifier: Apache-2.0
// What is wrong with a pipeline or policy: a JSON list of {"file", "line", "message", "hint"?}.
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"

/// Appends each fault as "file:line: message", its hint in parentheses.
void tg_faults_put(struct tg_buf *out, const json_t *faults, bool has_color);

/// Says on stderr what is wrong, faults as JSON text, and gives the exit code of that.
int tg_faults_report(const char *faults);
