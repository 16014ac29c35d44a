// SPDX-License-Identifier: Apache-2.0
#include "script/library.h"

#include <string.h>

const struct tg_library_file *tg_library_find(const char *module) {
  for (const struct tg_library_file *file = tg_library_files; file->module; file++)
    if (strcmp(file->module, module) == 0) return file;
  return NULL;
}
