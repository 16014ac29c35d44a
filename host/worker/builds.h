// SPDX-License-Identifier: Apache-2.0
// Builds of earlier hosts. What a file is built to follows from the program, the file and whatever
// it asked for while it was loaded; so where nothing of that has changed, a bundle of the store is
// what a build would give, and no worker has to build it.
//
// What was looked for in vain is part of a bundle too: a file that has come to be changes it. A
// bundle that asked for the time while it was loaded is always built.
#pragma once

#include <stdbool.h>

#include "store/history.h"

/// Tells whether a project would give a bundle the same files, and the same refusals, once more.
///
/// Shape:  project's folder, the entry as it is now, what the bundle is made of
bool tg_builds_is_current(const char *root, const struct tg_source *entry,
                          const struct tg_source *sources, size_t count);

/// Looks in a data folder for the bundle that building an entry would give.
///
/// Shape:  data folder, project's folder, the entry as it is now -> whether there is one, `row`
/// Errors: none: what cannot be read is built
bool tg_builds_find(const char *data, const char *root, const struct tg_source *entry,
                    struct tg_arena *arena, struct tg_bundle_row *row);
