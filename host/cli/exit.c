// SPDX-License-Identifier: Apache-2.0
#include "cli/exit.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/text.h"

enum { LINE_BYTES_MAX = 4 * TG_ERROR_TEXT_MAX };

int tg_exit_of(int code) {
  switch (code) {
  case TG_OK:
    return TG_EXIT_SUCCESS;
  case TG_ECONTRACT:
    return TG_EXIT_GATE;
  case TG_ETIMEOUT:
    return TG_EXIT_DEADLINE;
  case TG_EDAMAGED:
  case TG_EPROTOCOL:
  case TG_EBUG:
    return TG_EXIT_INTERNAL;
  case TG_ENOMEM:
    return TG_EXIT_RETRY;
  default:
    break;
  }
  switch (tg_code_class(code)) {
  case TG_CLASS_TRANSIENT:
  case TG_CLASS_THROTTLED:
  case TG_CLASS_LOST:
    return TG_EXIT_RETRY;
  default:
    return TG_EXIT_USAGE;
  }
}

static void text_say(const char *text) {
  if (write(STDERR_FILENO, text, strlen(text)) < 0) return; // nobody listens; the exit code tells
}

// Only what may be called in a handler of signals; nothing is known of the state of the rest.
static void aborted(int signum) {
  bool is_out_of_memory = errno == ENOMEM;
  (void)signum;
  text_say(is_out_of_memory ? "tidegate: out of memory" : "tidegate: an internal fault");
  text_say("; what was committed is kept, and the same command goes on from there\n");
  _exit(is_out_of_memory ? TG_EXIT_RETRY : TG_EXIT_INTERNAL);
}

void tg_exit_guard(void) {
  struct sigaction action = {.sa_handler = aborted};
  sigemptyset(&action.sa_mask);
  sigaction(SIGABRT, &action, NULL);
}

int tg_exit_report(const struct tg_error *err) {
  struct tg_buf line;
  tg_buf_init(&line, LINE_BYTES_MAX);
  tg_text_put_clean(&line, err->text, strlen(err->text));
  fprintf(stderr, "tidegate: %s\n", tg_buf_text(&line));
  tg_buf_deinit(&line);
  return tg_exit_of(err->code);
}
