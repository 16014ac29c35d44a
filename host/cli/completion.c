// SPDX-License-Identifier: Apache-2.0
// completion: what a shell needs to complete verbs and options, written from the table of verbs.
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "cli/exit.h"
#include "cli/output.h"
#include "cli/verbs.h"

enum { SCRIPT_BYTES_MAX = 65536 };

static void options_put(struct tg_buf *out, const struct tg_option *options) {
  for (; options && options->name; options++) tg_buf_putf(out, " --%s", options->name);
}

static void verbs_put(struct tg_buf *out) {
  for (size_t i = 0; tg_verbs[i]; i++) tg_buf_putf(out, "%s%s", i ? " " : "", tg_verbs[i]->name);
}

// The verb is the first word that is one; before it only global options complete.
static void bash_put(struct tg_buf *out) {
  tg_buf_puts(out, "_tidegate() {\n  local verbs=\"");
  verbs_put(out);
  tg_buf_puts(out, "\" options=\"");
  options_put(out, tg_global_options);
  tg_buf_puts(out, "\" word verb=\n"
                   "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
                   "    case \" $verbs \" in *\" $word \"*) verb=$word; break ;; esac\n"
                   "  done\n"
                   "  case $verb in\n");
  for (size_t i = 0; tg_verbs[i]; i++) {
    if (!tg_verbs[i]->options) continue;
    tg_buf_putf(out, "    %s) options+=\"", tg_verbs[i]->name);
    options_put(out, tg_verbs[i]->options);
    tg_buf_puts(out, "\" ;;\n");
  }
  tg_buf_puts(out, "  esac\n"
                   "  local current=${COMP_WORDS[COMP_CWORD]}\n"
                   "  case $current in\n"
                   "    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$current\")) ;;\n"
                   "    *) if [ -z \"$verb\" ]; then\n"
                   "         COMPREPLY=($(compgen -W \"$verbs\" -- \"$current\"))\n"
                   "       else\n"
                   "         COMPREPLY=($(compgen -f -- \"$current\"))\n"
                   "       fi ;;\n"
                   "  esac\n"
                   "}\n"
                   "complete -o filenames -F _tidegate tidegate\n");
}

static void zsh_put(struct tg_buf *out) {
  tg_buf_puts(out, "#compdef tidegate\nautoload -U +X bashcompinit && bashcompinit\n");
  bash_put(out);
}

// Puts text in single quotes, as fish reads them.
static void fish_quote_put(struct tg_buf *out, const char *text) {
  tg_buf_putc(out, '\'');
  for (; *text; text++) {
    if (*text == '\'' || *text == '\\') tg_buf_putc(out, '\\');
    tg_buf_putc(out, *text);
  }
  tg_buf_puts(out, "'\n");
}

static void fish_options_put(struct tg_buf *out, const char *verb,
                             const struct tg_option *options) {
  for (; options && options->name; options++) {
    tg_buf_puts(out, "complete -c tidegate");
    if (verb) tg_buf_putf(out, " -n '__fish_seen_subcommand_from %s'", verb);
    if (options->letter) tg_buf_putf(out, " -s %c", options->letter);
    tg_buf_putf(out, " -l %s%s -d ", options->name, options->kind == TG_OPTION_FLAG ? "" : " -r");
    fish_quote_put(out, options->help);
  }
}

static void fish_put(struct tg_buf *out) {
  for (size_t i = 0; tg_verbs[i]; i++) {
    tg_buf_putf(out, "complete -c tidegate -n __fish_use_subcommand -a %s -d ", tg_verbs[i]->name);
    fish_quote_put(out, tg_verbs[i]->summary);
    fish_options_put(out, tg_verbs[i]->name, tg_verbs[i]->options);
  }
  fish_options_put(out, NULL, tg_global_options);
}

static int completion_run(const struct tg_args *args) {
  static const char *const names[] = {"bash", "zsh", "fish"};
  static void (*const writers[])(struct tg_buf *) = {bash_put, zsh_put, fish_put};
  const char *shell = tg_args_word(args, 0);
  size_t at = 0;
  while (at < 3 && strcmp(names[at], shell) != 0) at++;
  if (at == 3) {
    const char *nearest = tg_suggest(shell, names, 3);
    fprintf(stderr, "tidegate: completion knows bash, zsh and fish, not \"%s\"%s%s%s\n", shell,
            nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    return TG_EXIT_USAGE;
  }
  struct tg_buf script;
  tg_buf_init(&script, SCRIPT_BYTES_MAX);
  writers[at](&script);
  int code = tg_output_text(&script);
  tg_buf_deinit(&script);
  return code;
}

const struct tg_verb tg_verb_completion = {
    .name = "completion",
    .arguments = "SHELL",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "write a completion script for bash, zsh or fish",
    .examples =
        (const struct tg_example[]){
            {"completion bash > /etc/bash_completion.d/tidegate", "for every user's bash"},
            {"completion fish | source", "for this fish"},
            {NULL, NULL},
        },
    .run = completion_run,
};
