// SPDX-License-Identifier: Apache-2.0
// What verbs print: data on stdout, as text for a person or as JSON for a program. JSON documents
// begin with "schema_version"; with jsonl a list is one object a line. Functions that write return
// an exit code, after they have said on stderr what failed.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "cli/args.h"

enum { TG_OUTPUT_SCHEMA_VERSION = 1 };

struct tg_output {
  enum tg_format format;
  bool has_color;
  uint32_t width, height; // of the terminal; 0 when it is none
};

/// Says how to write to a descriptor: what was asked for, and what it is.
struct tg_output tg_output_of(const struct tg_args *args, int fd);

/// Writes text to stdout and empties the buffer; a buffer that failed is an error.
int tg_output_text(struct tg_buf *text);

/// Writes one document: {"schema_version": 1, and the fields}.
///
/// Owns:   takes `fields`; NULL means that memory was out
int tg_output_document(const struct tg_output *output, json_t *fields);

/// Writes a list: as json {"schema_version": 1, name: [...]}, as jsonl an object a line.
///
/// Owns:   takes `items`, a list of objects; NULL means that memory was out
int tg_output_list(const struct tg_output *output, const char *name, json_t *items);
