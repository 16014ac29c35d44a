// SPDX-License-Identifier: Apache-2.0
// Requests to the key-value state as a hostile worker might make them: frames of a length byte and
// a body. Whatever one of them was, the store serves the next.
#include "fuzz/folder.h"
#include "fuzz/input.h"
#include "ipc/wire.h"
#include "store/kv_service.h"

struct answer {
  bool is_done;
  int code;
  size_t len;
};

static void done(void *self, const struct tg_error *err, const struct tg_buf *reply) {
  *(struct answer *)self =
      (struct answer){.is_done = true, .code = err ? err->code : TG_OK, .len = reply->len};
}

static struct answer call(struct tg_loop *loop, struct tg_store *store, const void *body,
                          size_t len) {
  struct answer answer = {0};
  tg_kv_service_call(store, "p", body, len, done, &answer);
  while (!answer.is_done) tg_loop_turn(loop, true);
  return answer;
}

static bool is_own_fault(int code) {
  return code == TG_EPROTOCOL || code == TG_EINVALID || code == TG_ELIMIT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct tg_loop *loop;
  static struct tg_store *store;
  static const char get[] = "\0\1\0\0\0k"; // GET k, with its NUL
  if (!loop) {
    fuzz_check((loop = tg_loop_new(NULL)));
    fuzz_check(tg_store_open(loop, fuzz_folder(), &store, NULL) == TG_OK);
  }
  struct input in = input_of(data, size);
  while (!input_is_empty(&in)) {
    struct input body = input_bytes(&in, input_u8(&in));
    struct answer answer = call(loop, store, body.at, input_left(&body));
    fuzz_check(answer.code == TG_OK ? answer.len > 0 : is_own_fault(answer.code));
  }
  fuzz_check(call(loop, store, get, sizeof get).code == TG_OK);
  return 0;
}
