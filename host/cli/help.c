// SPDX-License-Identifier: Apache-2.0
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "cli/exit.h"
#include "cli/output.h"
#include "cli/text.h"
#include "cli/verbs.h"

enum { OPTION_COLUMNS = 26, NAME_COLUMNS = 12, TEXT_BYTES_MAX = 65536 };

// Puts a term and what it means, the meanings below one another.
static void term_put(struct tg_buf *out, const char *term, size_t columns, const char *meaning) {
  size_t width = strlen(term);
  tg_buf_putf(out, "  %s", term);
  if (width < columns) {
    tg_text_put_spaces(out, columns - width);
  } else {
    tg_buf_putc(out, '\n');
    tg_text_put_spaces(out, columns + 2);
  }
  tg_buf_putf(out, "%s\n", meaning);
}

static void options_put(struct tg_buf *out, const struct tg_option *options) {
  for (; options && options->name; options++) {
    char term[128], meaning[256], letter[] = {'-', options->letter, ',', ' ', 0};
    snprintf(term, sizeof term, "%s--%s%s%s", options->letter ? letter : "    ", options->name,
             options->value ? " " : "", options->value ? options->value : "");
    snprintf(meaning, sizeof meaning, "%s%s%s%s", options->help, options->twin ? " [" : "",
             options->twin ? options->twin : "", options->twin ? "]" : "");
    term_put(out, term, OPTION_COLUMNS, meaning);
  }
}

void tg_help_put_overview(struct tg_buf *out, const struct tg_verb *const *verbs) {
  tg_buf_puts(out, "tidegate runs data pipelines that are written in Lua.\n\n"
                   "usage: tidegate [OPTION...] VERB [OPTION | ARGUMENT...]\n\nVerbs:\n");
  for (; *verbs; verbs++) term_put(out, (*verbs)->name, NAME_COLUMNS, (*verbs)->summary);
  tg_buf_puts(out, "\nOptions of every verb:\n");
  options_put(out, tg_global_options);
  tg_buf_puts(out, "\nExit codes: 0 success, 1 the run failed, 2 usage or configuration, 3 stopped "
                   "by a gate,\n4 a deadline passed, 70 internal fault, 75 try again, 130 and 143 "
                   "stopped by a signal.\n\n\"tidegate help VERB\" says more about a verb.\n");
}

void tg_help_put_verb(struct tg_buf *out, const struct tg_verb *verb) {
  tg_buf_putf(out, "%s\n\nusage: tidegate %s%s%s%s\n", verb->summary, verb->name,
              verb->options ? " [OPTION...]" : "", *verb->arguments ? " " : "", verb->arguments);
  if (verb->prose) tg_buf_putf(out, "\n%s\n", verb->prose);
  if (verb->options) {
    tg_buf_puts(out, "\nOptions:\n");
    options_put(out, verb->options);
  }
  tg_buf_puts(out, "\nOptions of every verb:\n");
  options_put(out, tg_global_options);
  if (verb->examples) tg_buf_puts(out, "\nExamples:\n");
  for (const struct tg_example *example = verb->examples; example && example->command; example++)
    tg_buf_putf(out, "  tidegate %s\n      %s\n", example->command, example->does);
}

int tg_help_show(const struct tg_verb *verb) {
  struct tg_buf text;
  tg_buf_init(&text, TEXT_BYTES_MAX);
  if (verb)
    tg_help_put_verb(&text, verb);
  else
    tg_help_put_overview(&text, tg_verbs);
  int code = tg_output_text(&text);
  tg_buf_deinit(&text);
  return code;
}

static int help_run(const struct tg_args *args) {
  const char *name = tg_args_word(args, 0);
  const struct tg_verb *verb = NULL;
  struct tg_error err;
  if (name && tg_verb_find(tg_verbs, name, &verb, &err)) return tg_exit_report(&err);
  return tg_help_show(verb);
}

const struct tg_verb tg_verb_help = {
    .name = "help",
    .arguments = "[VERB]",
    .arguments_max = 1,
    .summary = "say what the verbs do and take",
    .examples = (const struct tg_example[]){{"help run", "what run does, takes and looks like"},
                                            {NULL, NULL}},
    .run = help_run,
};
