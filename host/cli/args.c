// SPDX-License-Identifier: Apache-2.0
#include "cli/args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "base/units.h"

enum { CANDIDATES_MAX = 64 };

static const char *const output_choices[] = {"text", "json", "jsonl", NULL};
static const char *const color_choices[] = {"auto", "always", "never", NULL};
static const char *const log_format_choices[] = {"text", "json", NULL};
static const char *const log_level_choices[] = {"debug", "info", "warn", "error", NULL};

const struct tg_option tg_global_options[] = {
    {"project", 0, TG_OPTION_TEXT, "DIR",
     "the project's folder (default: the nearest tidegate.yaml)", NULL, "TIDEGATE_PROJECT"},
    {"data", 0, TG_OPTION_TEXT, "DIR", "where runs are kept (default: .tidegate in the project)",
     NULL, "TIDEGATE_DATA"},
    {"env", 0, TG_OPTION_TEXT, "NAME", "lay env/NAME.yaml over tidegate.yaml", NULL,
     "TIDEGATE_ENV"},
    {"output", 'o', TG_OPTION_CHOICE, "FORMAT", "text, json or jsonl", output_choices,
     "TIDEGATE_OUTPUT"},
    {"color", 0, TG_OPTION_CHOICE, "WHEN", "auto, always or never", color_choices,
     "TIDEGATE_COLOR"},
    {"log-format", 0, TG_OPTION_CHOICE, "FORMAT", "text or json", log_format_choices,
     "TIDEGATE_LOG_FORMAT"},
    {"log-level", 0, TG_OPTION_CHOICE, "LEVEL", "debug, info, warn or error", log_level_choices,
     "TIDEGATE_LOG_LEVEL"},
    {"quiet", 'q', TG_OPTION_FLAG, NULL, "no progress", NULL, NULL},
    {"verbose", 'v', TG_OPTION_FLAG, NULL, "more of the log", NULL, NULL},
    {"help", 'h', TG_OPTION_FLAG, NULL, "show help", NULL, NULL},
    {"version", 0, TG_OPTION_FLAG, NULL, "show the version", NULL, NULL},
    {NULL, 0, TG_OPTION_FLAG, NULL, NULL, NULL, NULL},
};

// Verbs that are planned and not built: naming one is not a typing mistake.
static const char *const later_verbs[] = {
    "serve", "policy", "contract", "assets", "init", "lineage", "backup", "restore",
};

struct parser {
  struct tg_args *args;
  const struct tg_verb *const *verbs;
  const char *const *argv; // what is left
  size_t left;
  struct tg_error *err;
};

// Adds ", did you mean ...?" to nothing or something.
static const char *hint(char text[128], const char *nearest, const char *dashes) {
  text[0] = 0;
  if (nearest) snprintf(text, 128, "; did you mean \"%s%s\"?", dashes, nearest);
  return text;
}

int tg_verb_find(const struct tg_verb *const *verbs, const char *name, const struct tg_verb **verb,
                 struct tg_error *err) {
  const char *names[CANDIDATES_MAX];
  size_t count = 0;
  for (; count < CANDIDATES_MAX && verbs[count]; count++) {
    *verb = verbs[count];
    if (strcmp(name, verbs[count]->name) == 0) return TG_OK;
    names[count] = verbs[count]->name;
  }
  for (size_t i = 0; i < sizeof later_verbs / sizeof *later_verbs; i++)
    if (strcmp(name, later_verbs[i]) == 0)
      return tg_error_set(err, TG_EINVALID, "\"%s\" is not part of this version", name);
  char text[128];
  return tg_error_set(err, TG_EINVALID, "unknown verb \"%.100s\"%s", name,
                      hint(text, tg_suggest(name, names, count), ""));
}

static const struct tg_option *long_find(const struct tg_option *options, const char *name,
                                         size_t len) {
  for (; options && options->name; options++)
    if (strncmp(options->name, name, len) == 0 && options->name[len] == 0) return options;
  return NULL;
}

static const struct tg_option *letter_find(const struct tg_option *options, char letter) {
  for (; options && options->name; options++)
    if (options->letter == letter) return options;
  return NULL;
}

static const struct tg_option *verb_options(const struct parser *parser) {
  return parser->args->verb ? parser->args->verb->options : NULL;
}

static size_t names_collect(const struct tg_option *options, const char **names, size_t count) {
  for (; options && options->name && count < CANDIDATES_MAX; options++)
    names[count++] = options->name;
  return count;
}

static int unknown_option(struct parser *parser, const char *name, size_t len) {
  const char *names[CANDIDATES_MAX];
  size_t count = names_collect(verb_options(parser), names, 0);
  count = names_collect(tg_global_options, names, count);
  char word[64], text[128];
  snprintf(word, sizeof word, "%.*s", (int)len, name);
  if (!parser->args->verb)
    return tg_error_set(parser->err, TG_EINVALID,
                        "unknown option --%s%s; the options of a verb stand after it", word,
                        hint(text, tg_suggest(word, names, count), "--"));
  return tg_error_set(parser->err, TG_EINVALID, "%s has no option --%s%s", parser->args->verb->name,
                      word, hint(text, tg_suggest(word, names, count), "--"));
}

static int choice_check(const struct tg_option *option, const char *from, const char *value,
                        struct tg_error *err) {
  size_t count = 0;
  for (; option->choices[count]; count++)
    if (strcmp(option->choices[count], value) == 0) return TG_OK;
  char text[128];
  return tg_error_set(err, TG_EINVALID, "%s takes %s, got \"%.100s\"%s", from, option->help, value,
                      hint(text, tg_suggest(value, option->choices, count), ""));
}

static int64_t count_read(const char *text) {
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  return errno || *end || end == text || value < 1 ? -1 : value;
}

// Checks a value; `from` is the option or the environment variable it came from.
static int value_check(const struct tg_option *option, const char *from, const char *value,
                       struct tg_error *err) {
  int64_t ms;
  switch (option->kind) {
  case TG_OPTION_FLAG:
    break;
  case TG_OPTION_TEXT:
    if (!*value) return tg_error_set(err, TG_EINVALID, "%s needs a value", from);
    break;
  case TG_OPTION_COUNT:
    if (count_read(value) < 0)
      return tg_error_set(err, TG_EINVALID, "%s takes a whole number from 1, got \"%.100s\"", from,
                          value);
    break;
  case TG_OPTION_TIME:
    if (!tg_time_parse(value, &ms))
      return tg_error_set(
          err, TG_EINVALID,
          "%s takes an instant like 2026-11-20T05:00:00Z, or a date, got \"%.100s\"", from, value);
    break;
  case TG_OPTION_DURATION:
    if (!tg_duration_parse(value, &ms) || ms <= 0)
      return tg_error_set(err, TG_EINVALID,
                          "%s takes a duration like 90s, 1h or 1d, got \"%.100s\"", from, value);
    break;
  case TG_OPTION_CHOICE:
    return choice_check(option, from, value, err);
  }
  return TG_OK;
}

static int give(struct parser *parser, const struct tg_option *option, const char *from,
                const char *value) {
  int code = value ? value_check(option, from, value, parser->err) : TG_OK;
  if (code) return code;
  struct tg_args *args = parser->args;
  if (strcmp(option->name, "help") == 0) args->is_help = true;
  if (strcmp(option->name, "version") == 0) args->is_version = true;
  args->given[args->given_count++] = (struct tg_given){option, value};
  return TG_OK;
}

// Takes the value from behind the option, or from the next word.
static int give_with(struct parser *parser, const struct tg_option *option, const char *from,
                     const char *attached) {
  if (option->kind == TG_OPTION_FLAG) {
    if (!attached) return give(parser, option, from, NULL);
    return tg_error_set(parser->err, TG_EINVALID, "%s takes no value", from);
  }
  if (attached) return give(parser, option, from, attached);
  if (parser->left == 0)
    return tg_error_set(parser->err, TG_EINVALID, "%s needs a value: %s %s", from, from,
                        option->value);
  parser->left--;
  return give(parser, option, from, *parser->argv++);
}

static int long_parse(struct parser *parser, const char *word) {
  size_t len = strcspn(word, "=");
  const struct tg_option *option = long_find(verb_options(parser), word, len);
  if (!option) option = long_find(tg_global_options, word, len);
  if (!option) return unknown_option(parser, word, len);
  char from[64];
  snprintf(from, sizeof from, "--%s", option->name);
  return give_with(parser, option, from, word[len] ? word + len + 1 : NULL);
}

// Reads -x, -xVALUE, or joined flags.
static int letters_parse(struct parser *parser, const char *letters) {
  for (; *letters; letters++) {
    const struct tg_option *option = letter_find(verb_options(parser), *letters);
    if (!option) option = letter_find(tg_global_options, *letters);
    if (!option)
      return tg_error_set(parser->err, TG_EINVALID, "unknown option -%c; see \"tidegate help %s\"",
                          *letters, parser->args->verb ? parser->args->verb->name : "help");
    char from[] = {'-', *letters, 0};
    if (option->kind != TG_OPTION_FLAG)
      return give_with(parser, option, from, letters[1] ? letters + 1 : NULL);
    int code = give(parser, option, from, NULL);
    if (code) return code;
  }
  return TG_OK;
}

static int word_parse(struct parser *parser, const char *word) {
  struct tg_args *args = parser->args;
  if (!args->verb) return tg_verb_find(parser->verbs, word, &args->verb, parser->err);
  args->words[args->word_count++] = word;
  return TG_OK;
}

static int words_parse(struct parser *parser) {
  bool has_options = true;
  int code = TG_OK;
  while (parser->left && !code) {
    const char *word = *parser->argv++;
    parser->left--;
    if (has_options && strcmp(word, "--") == 0)
      has_options = false;
    else if (has_options && strncmp(word, "--", 2) == 0)
      code = long_parse(parser, word + 2);
    else if (has_options && word[0] == '-' && word[1])
      code = letters_parse(parser, word + 1);
    else
      code = word_parse(parser, word);
  }
  return code;
}

// Gives the global options that were not given the values of their environment twins.
static int twins_read(struct parser *parser) {
  for (const struct tg_option *option = tg_global_options; option->name; option++) {
    const char *value = option->twin ? getenv(option->twin) : NULL;
    if (!value || !*value || tg_args_has(parser->args, option->name)) continue;
    int code = give(parser, option, option->twin, value);
    if (code) return code;
  }
  return TG_OK;
}

static int arguments_check(const struct tg_args *args, struct tg_error *err) {
  const struct tg_verb *verb = args->verb;
  if (!verb || args->is_help || args->is_version) return TG_OK;
  if (args->word_count < verb->arguments_min)
    return tg_error_set(err, TG_EINVALID, "%s needs more: tidegate %s %s", verb->name, verb->name,
                        verb->arguments);
  if (args->word_count > verb->arguments_max)
    return tg_error_set(err, TG_EINVALID, "%s does not take \"%.100s\": tidegate %s%s%s",
                        verb->name, args->words[verb->arguments_max], verb->name,
                        *verb->arguments ? " " : "", verb->arguments);
  return TG_OK;
}

int tg_args_parse(struct tg_args *args, const struct tg_verb *const *verbs, int argc,
                  const char *const *argv, struct tg_error *err) {
  *args = (struct tg_args){0};
  tg_arena_init(&args->arena);
  size_t count = argc > 1 ? (size_t)argc - 1 : 0, letters = 0, twins = 0;
  for (size_t i = 0; i < count; i++) letters += strlen(argv[i + 1]); // each may be a joined flag
  while (tg_global_options[twins].name) twins++;
  args->words = tg_arena_alloc(&args->arena, (count + 1) * sizeof *args->words);
  args->given = tg_arena_alloc(&args->arena, (count + letters + twins + 1) * sizeof *args->given);
  if (!args->words || !args->given) return tg_error_set(err, TG_ENOMEM, "out of memory");
  struct parser parser = {args, verbs, argv + 1, count, err};
  int code = words_parse(&parser);
  if (!code) code = twins_read(&parser);
  if (!code) code = arguments_check(args, err);
  return code;
}

void tg_args_deinit(struct tg_args *args) {
  tg_arena_deinit(&args->arena);
  *args = (struct tg_args){0};
}

static const struct tg_given *given_last(const struct tg_args *args, const char *name) {
  for (size_t i = args->given_count; i-- > 0;)
    if (strcmp(args->given[i].option->name, name) == 0) return &args->given[i];
  return NULL;
}

const char *tg_args_text(const struct tg_args *args, const char *name) {
  const struct tg_given *given = given_last(args, name);
  return given ? given->value : NULL;
}

const char *tg_args_nth(const struct tg_args *args, const char *name, size_t index) {
  for (size_t i = 0; i < args->given_count; i++)
    if (strcmp(args->given[i].option->name, name) == 0 && index-- == 0) return args->given[i].value;
  return NULL;
}

const char **tg_args_all(const struct tg_args *args, const char *name, struct tg_arena *arena,
                         size_t *count) {
  const char **values = tg_arena_alloc(arena, (args->given_count + 1) * sizeof *values);
  *count = 0;
  while (values && (values[*count] = tg_args_nth(args, name, *count))) ++*count;
  return values;
}

bool tg_args_has(const struct tg_args *args, const char *name) {
  return given_last(args, name) != NULL;
}

int64_t tg_args_count(const struct tg_args *args, const char *name, int64_t fallback) {
  const char *value = tg_args_text(args, name);
  return value ? count_read(value) : fallback;
}

int64_t tg_args_time_ms(const struct tg_args *args, const char *name, int64_t fallback) {
  const char *value = tg_args_text(args, name);
  int64_t ms = fallback;
  if (value && !tg_time_parse(value, &ms)) return fallback;
  return ms;
}

int64_t tg_args_duration_ms(const struct tg_args *args, const char *name, int64_t fallback) {
  const char *value = tg_args_text(args, name);
  int64_t ms = fallback;
  if (value && !tg_duration_parse(value, &ms)) return fallback;
  return ms;
}

int tg_args_choice(const struct tg_args *args, const char *name, int fallback) {
  const struct tg_given *given = given_last(args, name);
  if (!given) return fallback;
  for (int i = 0; given->option->choices[i]; i++)
    if (strcmp(given->option->choices[i], given->value) == 0) return i;
  return fallback;
}

const char *tg_args_word(const struct tg_args *args, size_t index) {
  return index < args->word_count ? args->words[index] : NULL;
}
