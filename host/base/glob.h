// SPDX-License-Identifier: Apache-2.0
// Patterns of a few wild characters, for texts that come from outside: matching takes time that
// grows with the product of the two lengths at most, whatever they are.
#pragma once

#include <stdbool.h>

/// Says whether a pattern matches a whole text: `*` stands for any characters, "/" among them, `?`
/// for one, anything else for itself.
bool tg_glob_matches(const char *pattern, const char *text);
