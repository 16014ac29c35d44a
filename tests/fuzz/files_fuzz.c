// SPDX-License-Identifier: Apache-2.0
// Requests for files as a hostile worker might make them: frames of a length byte and a body. One
// root may be read, one written; what lies beside them is never reached.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "files/service.h"
#include "fuzz/folder.h"
#include "fuzz/input.h"
#include "ipc/wire.h"

static const char secret[] = "what lies outside";

static struct tg_files *files_open(void) {
  static struct tg_files files;
  char path[4200];
  const char *folder = fuzz_folder();
  fuzz_check(tg_files_init(&files, folder, NULL) == TG_OK);
  snprintf(path, sizeof path, "%s/outside", folder);
  fuzz_check(tg_file_write(path, secret, sizeof secret - 1, NULL) == TG_OK);
  fuzz_check(tg_files_add_root(&files, "out", true, NULL) == TG_OK);
  snprintf(path, sizeof path, "%s/in", folder);
  fuzz_check(tg_file_make_folder(path, NULL) == TG_OK);
  fuzz_check(tg_files_add_root(&files, "in", false, NULL) == TG_OK);
  snprintf(path, sizeof path, "%s/in/lines", folder);
  fuzz_check(tg_file_write(path, "one\ntwo\nthree", 13, NULL) == TG_OK);
  snprintf(path, sizeof path, "%s/in/link", folder);
  fuzz_check(symlink("../outside", path) == 0);
  return &files;
}

static void outside_check(void) {
  char path[4200];
  struct stat info;
  snprintf(path, sizeof path, "%s/outside", fuzz_folder());
  fuzz_check(stat(path, &info) == 0 && info.st_size == (off_t)sizeof secret - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct tg_files *files;
  if (!files) files = files_open();
  struct input in = input_of(data, size);
  while (!input_is_empty(&in)) {
    struct input body = input_bytes(&in, input_u8(&in));
    struct tg_buf reply;
    struct tg_error err;
    tg_buf_init(&reply, (size_t)TG_FRAME_BYTES_MAX);
    uint8_t *copy = input_copy(body.at, input_left(&body));
    int code = tg_files_service_call(files, copy, input_left(&body), &reply, &err);
    fuzz_check(code == TG_OK || (reply.len == 0 && err.code == code));
    fuzz_check(!reply.len || !memmem(reply.data, reply.len, secret, sizeof secret - 1));
    tg_buf_deinit(&reply);
    free(copy);
  }
  outside_check();
  return 0;
}
