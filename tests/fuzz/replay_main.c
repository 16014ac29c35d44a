// SPDX-License-Identifier: Apache-2.0
// Runs a target on each file of a folder, once: replay FOLDER. So the corpora are regression tests
// in every build, without libFuzzer.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/file.h"
#include "fuzz/input.h"

static int is_file(const struct dirent *entry) {
  return entry->d_name[0] != '.';
}

static int file_run(const char *folder, const char *name) {
  char path[4096];
  struct tg_buf bytes;
  struct tg_error err;
  tg_buf_init(&bytes, 1 << 24);
  snprintf(path, sizeof path, "%s/%s", folder, name);
  int code = tg_file_read(path, &bytes, &err);
  if (code)
    fprintf(stderr, "%s\n", err.text);
  else
    LLVMFuzzerTestOneInput((const uint8_t *)tg_buf_text(&bytes), bytes.len);
  tg_buf_deinit(&bytes);
  return code;
}

int main(int argc, char **argv) {
  struct dirent **entries;
  int count = argc == 2 ? scandir(argv[1], &entries, is_file, alphasort) : -1;
  int failed = count <= 0; // a corpus without a file tests nothing
  for (int i = 0; i < count; i++) {
    fprintf(stderr, "%s\n", entries[i]->d_name); // the last one named is the one that died
    failed |= file_run(argv[1], entries[i]->d_name) != 0;
    free(entries[i]);
  }
  if (count >= 0) free(entries);
  printf("%d inputs\n", count);
  return failed;
}
