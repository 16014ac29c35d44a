// SPDX-License-Identifier: Apache-2.0
#include "cli/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/exit.h"

static bool color_is_on(const struct tg_args *args, bool is_terminal) {
  switch (tg_args_choice(args, "color", TG_COLOR_AUTO)) {
  case TG_COLOR_ALWAYS:
    return true;
  case TG_COLOR_NEVER:
    return false;
  default:
    break;
  }
  const char *refused = getenv("NO_COLOR"), *term = getenv("TERM");
  return is_terminal && !(refused && *refused) && !(term && strcmp(term, "dumb") == 0);
}

struct tg_output tg_output_of(const struct tg_args *args, int fd) {
  bool is_terminal = isatty(fd) == 1;
  struct winsize size = {0};
  if (is_terminal && (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0))
    size = (struct winsize){.ws_row = 24, .ws_col = 80};
  return (struct tg_output){
      .format = (enum tg_format)tg_args_choice(args, "output", TG_FORMAT_TEXT),
      .has_color = color_is_on(args, is_terminal),
      .width = size.ws_col,
      .height = size.ws_row,
  };
}

static int bytes_write(const char *bytes, size_t len, struct tg_error *err) {
  if (tg_file_put(STDOUT_FILENO, bytes, len) == len) return TG_OK;
  return tg_error_errno(err, TG_EIO, errno, "cannot write the output");
}

static int report_no_memory(void) {
  struct tg_error err;
  tg_error_set(&err, TG_ENOMEM, "out of memory");
  return tg_exit_report(&err);
}

int tg_output_text(struct tg_buf *text) {
  struct tg_error err;
  if (text->is_failed) return report_no_memory();
  int code = bytes_write(tg_buf_text(text), text->len, &err);
  tg_buf_clear(text);
  return code ? tg_exit_report(&err) : TG_EXIT_SUCCESS;
}

static int buf_append(const char *bytes, size_t len, void *buf) {
  return tg_buf_put(buf, bytes, len) ? 0 : -1;
}

// Puts an object as a line, with the version before its own fields.
static bool object_put(struct tg_buf *out, json_t *fields, size_t flags) {
  json_t *document = json_pack("{s:i}", "schema_version", TG_OUTPUT_SCHEMA_VERSION);
  bool is_put = document && json_object_update(document, fields) == 0 &&
                json_dump_callback(document, buf_append, out, flags) == 0 && tg_buf_putc(out, '\n');
  json_decref(document);
  if (!is_put) out->is_failed = true;
  return is_put;
}

int tg_output_document(const struct tg_output *output, json_t *fields) {
  if (!fields) return report_no_memory();
  struct tg_buf text;
  tg_buf_init(&text, SIZE_MAX / 2);
  object_put(&text, fields, output->format == TG_FORMAT_JSONL ? JSON_COMPACT : JSON_INDENT(2));
  json_decref(fields);
  int code = tg_output_text(&text);
  tg_buf_deinit(&text);
  return code;
}

int tg_output_list(const struct tg_output *output, const char *name, json_t *items) {
  if (!items) return report_no_memory();
  if (output->format != TG_FORMAT_JSONL)
    return tg_output_document(output, json_pack("{s:o}", name, items));
  struct tg_buf text;
  tg_buf_init(&text, SIZE_MAX / 2);
  for (size_t i = 0; i < json_array_size(items); i++)
    object_put(&text, json_array_get(items, i), JSON_COMPACT);
  json_decref(items);
  int code = tg_output_text(&text);
  tg_buf_deinit(&text);
  return code;
}
