// SPDX-License-Identifier: Apache-2.0
// tidegate: reads the command line and hands it to a verb; or, started by a host with
// "script-worker" as its first argument, is a script worker.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/exit.h"
#include "cli/help.h"
#include "cli/verbs.h"
#include "script/worker.h"

enum { WORKER_FD = 3 };

static void log_setup(const struct tg_args *args) {
  int level = TG_LOG_WARN;
  if (tg_args_has(args, "verbose")) level = TG_LOG_INFO;
  if (tg_args_has(args, "quiet")) level = TG_LOG_ERROR;
  level = tg_args_choice(args, "log-level", level);
  bool is_json = tg_args_choice(args, "log-format", TG_LOG_FORMAT_TEXT) == TG_LOG_FORMAT_JSON;
  tg_log_configure((enum tg_log_level)level, is_json);
}

static int dispatch(const struct tg_args *args) {
  if (args->is_help) return tg_help_show(args->verb);
  if (args->is_version) return tg_verb_version.run(args);
  if (args->verb) return args->verb->run(args);
  fputs("tidegate: no verb; \"tidegate help\" lists them, \"tidegate run PIPELINE\" runs one\n",
        stderr);
  return TG_EXIT_USAGE;
}

// A caller may have closed a standard stream. Its number must not become that of a file of ours,
// into which a message would then be written.
static void streams_open(void) {
  int fd;
  do fd = open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) close(fd);
}

int main(int argc, char **argv) {
  streams_open();
  if (argc > 1 && strcmp(argv[1], "script-worker") == 0) return tg_script_worker_main(WORKER_FD);
  struct tg_args args;
  struct tg_error err;
  tg_exit_guard();
  int code = tg_args_parse(&args, tg_verbs, argc, (const char *const *)argv, &err);
  if (code) {
    code = tg_exit_report(&err);
  } else {
    log_setup(&args);
    code = dispatch(&args);
  }
  tg_args_deinit(&args);
  return code;
}
