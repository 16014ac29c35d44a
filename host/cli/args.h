// SPDX-License-Identifier: Apache-2.0
// The command line, declared: a verb is a table of what it takes, and parsing, help, completion and
// the "did you mean" of an error all come from it.
//
//   tidegate [OPTION...] VERB [OPTION | ARGUMENT...]
//
// Global options may stand anywhere; where one is not given its environment twin counts. Options
// are --name VALUE, --name=VALUE, -n VALUE, -nVALUE, flags may be joined (-qv), "--" ends them.
// Of an option that is given several times the last counts, unless the verb reads them all.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

enum tg_option_kind {
  TG_OPTION_FLAG,
  TG_OPTION_TEXT,
  TG_OPTION_COUNT, // a whole number from 1
  TG_OPTION_TIME,  // RFC 3339, or a date
  TG_OPTION_DURATION,
  TG_OPTION_CHOICE,
};

struct tg_option {
  const char *name; // without dashes; NULL ends a list
  char letter;      // or 0
  enum tg_option_kind kind;
  const char *value; // what help calls the value
  const char *help;
  const char *const *choices; // NULL-terminated, of a TG_OPTION_CHOICE
  const char *twin;           // the environment variable, of global options
};

struct tg_example {
  const char *command, *does; // command NULL ends a list
};

struct tg_args;

struct tg_verb {
  const char *name;
  const char *arguments; // "RUN [TASK]", as help shows them; "" for none
  size_t arguments_min, arguments_max;
  const char *summary;               // one line
  const char *prose;                 // more, or NULL
  const struct tg_option *options;   // or NULL
  const struct tg_example *examples; // or NULL
  /// Does it, and returns an exit code (exit.h).
  int (*run)(const struct tg_args *args);
};

/// One option that was given, in the order in which it was.
struct tg_given {
  const struct tg_option *option;
  const char *value; // NULL for a flag
};

struct tg_args {
  struct tg_arena arena;
  const struct tg_verb *verb; // NULL when none was named
  bool is_help, is_version;   // asked for by option
  const char **words;         // the arguments of the verb
  size_t word_count;
  struct tg_given *given;
  size_t given_count;
};

/// The options that every verb takes.
extern const struct tg_option tg_global_options[];

/// The values of --output, --color and --log-format, in the order of their choices.
enum tg_format { TG_FORMAT_TEXT, TG_FORMAT_JSON, TG_FORMAT_JSONL };
enum tg_color { TG_COLOR_AUTO, TG_COLOR_ALWAYS, TG_COLOR_NEVER };
enum tg_log_format { TG_LOG_FORMAT_TEXT, TG_LOG_FORMAT_JSON };

/// Reads a command line against a list of verbs (NULL-terminated) and the environment.
///
/// Shape:  argv[0] is the program; with is_help or is_version set, arguments are not counted
/// Owns:   `args` refers to argv and the environment; the caller deinits it, also after an error
/// Errors: TG_EINVALID with the nearest right word
int tg_args_parse(struct tg_args *args, const struct tg_verb *const *verbs, int argc,
                  const char *const *argv, struct tg_error *err);
void tg_args_deinit(struct tg_args *args);

/// Finds a verb by name.
///
/// Errors: TG_EINVALID with the nearest right word
int tg_verb_find(const struct tg_verb *const *verbs, const char *name, const struct tg_verb **verb,
                 struct tg_error *err);

/// Give an option's value; parsing has checked it. `index` counts from 0 in tg_args_nth, which
/// gives NULL past the last; tg_args_all gives all of them in a list, NULL when memory is out.
const char *tg_args_text(const struct tg_args *args, const char *name); // NULL if not given
const char *tg_args_nth(const struct tg_args *args, const char *name, size_t index);
const char **tg_args_all(const struct tg_args *args, const char *name, struct tg_arena *arena,
                         size_t *count);
bool tg_args_has(const struct tg_args *args, const char *name);
int64_t tg_args_count(const struct tg_args *args, const char *name, int64_t fallback);
int64_t tg_args_time_ms(const struct tg_args *args, const char *name, int64_t fallback);
int64_t tg_args_duration_ms(const struct tg_args *args, const char *name, int64_t fallback);
int tg_args_choice(const struct tg_args *args, const char *name, int fallback); // index in choices

/// Gives a word of the verb's arguments, or NULL.
const char *tg_args_word(const struct tg_args *args, size_t index);
