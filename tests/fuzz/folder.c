// SPDX-License-Identifier: Apache-2.0
#include "fuzz/folder.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[64];

static int entry_remove(const char *name, const struct stat *info, int type, struct FTW *walk) {
  (void)info;
  (void)type;
  (void)walk;
  return remove(name);
}

static void folder_remove(void) {
  nftw(path, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_folder(void) {
  if (*path) return path;
  const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  snprintf(path, sizeof path, "%s/tidegate-fuzz-XXXXXX", parent);
  if (!mkdtemp(path)) abort();
  atexit(folder_remove);
  return path;
}
