// SPDX-License-Identifier: Apache-2.0
// A host for a script worker under test: a real child process at the other end of a socketpair.
//
// TIDEGATE_TEST_UNSEALED=1 leaves the worker unsealed, for tools such as valgrind.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ipc/channel.h"
#include "ipc/message.h"

struct host {
  pid_t pid;
  struct tg_channel channel;
  bool is_known;     // what is loaded was built before
  struct tg_buf log; // "level text\n" of every LOG frame so far, the seal's report left out
};

/// A frame from the worker, taken apart. Texts are copies that live until the next frame.
struct answer {
  uint8_t type;
  uint64_t id;      // of the bundle, attempt or decision
  uint64_t request; // of a REQUEST
  uint8_t kind;     // of a REQUEST
  struct tg_error err;
  struct tg_slice traceback, json, facts;
  bool is_repeatable;    // of LOADED
  struct tg_reader body; // of a REQUEST
};

void host_open(struct host *host);

/// Closes the channel and waits for the worker; gives its exit code, or -signal.
int host_close(struct host *host);

/// Puts a frame together: begin, put the body, then send.
struct tg_buf *host_begin(struct host *host, enum tg_message type);
void host_send(struct host *host);

/// Sends a LOAD of one file, and of one more when `key` is given.
void host_load(struct host *host, uint64_t bundle, enum tg_bundle_kind kind, const char *text,
               const char *key, const char *key_text);
void host_start(struct host *host, uint64_t attempt, uint64_t bundle, uint32_t task, uint64_t seed);
void host_cancel(struct host *host, uint64_t attempt, int code);
void host_reply(struct host *host, uint64_t request, const struct tg_error *err,
                const struct tg_buf *body);
void host_decide(struct host *host, uint64_t decision, uint64_t bundle, const char *input);
void host_drop(struct host *host, uint64_t bundle);

/// Waits for the next frame that is no LOG; fails the test after a minute of silence.
struct answer host_next(struct host *host);

/// Waits and checks the type and id.
struct answer host_expect(struct host *host, enum tg_message type, uint64_t id);

/// Loads a pipeline "p" of one task "t" whose function has this body; expects it to be fine.
void host_load_task(struct host *host, uint64_t bundle, const char *body);
