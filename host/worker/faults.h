// SPDX-License-Identifier: Apache-2.0
// What is wrong with a script, as a worker tells it, in a sentence for an error.
#pragma once

#include <stddef.h>

/// Says what the first fault is and how many more there are: "pipelines/a.lua:3: ... (and 2 more)".
///
/// Shape:  faults is a JSON list of {"file", "line", "message", "hint"?}
void tg_faults_say(const char *faults, char *text, size_t size);
