// SPDX-License-Identifier: Apache-2.0
#include "worker/file_call.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "files/service.h"

struct call {
  struct tg_serial_call serial;
  const struct tg_files *files;
  struct tg_file_request request; // points into the body
  int code;
  struct tg_error err;
  struct tg_buf reply;
  tg_file_call_done *done;
  void *self;
  char body[];
};

static void call_run(void *self) {
  struct call *call = self;
  call->code = tg_file_request_serve(call->files, &call->request, &call->reply, &call->err);
}

static void call_done(void *self) {
  struct call *call = self;
  call->done(call->self, call->code ? &call->err : NULL, &call->reply);
  tg_buf_deinit(&call->reply);
  free(call);
}

int tg_file_call_start(const struct tg_services *services, struct tg_slice body,
                       tg_file_call_done *done, void *self, struct tg_error *err) {
  struct call *call = malloc(sizeof *call + body.len);
  if (!call) return tg_error_set(err, TG_ENOMEM, "no memory for a file request");
  *call = (struct call){.serial = {.run = call_run, .done = call_done, .self = call},
                        .files = services->files,
                        .done = done,
                        .self = self};
  memcpy(call->body, body.data, body.len);
  tg_buf_init(&call->reply, (size_t)TG_FRAME_BYTES_MAX);
  int code = tg_file_request_read(call->body, body.len, &call->request, err);
  if (code)
    free(call);
  else
    tg_serial_add(services->disk, &call->serial);
  return code;
}
