// SPDX-License-Identifier: Apache-2.0
// The Lua library (lua/tidegate), embedded in the program when it is built (embed.cmake).
#pragma once

#include <stddef.h>

struct tg_library_file {
  const char *module; // "tidegate.worker"; NULL ends the list
  const char *text;
  size_t len;
};

extern const struct tg_library_file tg_library_files[];

/// Finds a file by its module name, or gives NULL.
const struct tg_library_file *tg_library_find(const char *module);
