// SPDX-License-Identifier: Apache-2.0
// version: what this program is.
#include <unistd.h>

#include "cli/output.h"
#include "cli/verbs.h"

static int version_run(const struct tg_args *args) {
  struct tg_output output = tg_output_of(args, STDOUT_FILENO);
  if (output.format != TG_FORMAT_TEXT)
    return tg_output_document(&output, json_pack("{s:s}", "version", TG_VERSION));
  struct tg_buf text;
  tg_buf_init(&text, 64);
  tg_buf_putf(&text, "tidegate %s\n", TG_VERSION);
  int code = tg_output_text(&text);
  tg_buf_deinit(&text);
  return code;
}

const struct tg_verb tg_verb_version = {
    .name = "version",
    .arguments = "",
    .summary = "show the version",
    .examples =
        (const struct tg_example[]){{"version -o json", "for a program to read"}, {NULL, NULL}},
    .run = version_run,
};
