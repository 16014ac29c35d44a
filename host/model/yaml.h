// SPDX-License-Identifier: Apache-2.0
// YAML documents as jansson trees, with the place in the text of every value.
//
// One document of mappings with scalar keys, sequences and scalars of the YAML 1.2 core schema:
// `yes` and `on` are strings, `0o17` is an integer, `.inf` and `.nan` are refused since JSON has
// none. Refused as well: duplicate keys, merge keys, several documents, tags outside the core
// schema, NUL characters, and whatever passes a TG_YAML_ ceiling of base/limits.h. The ceilings are
// held while parsing, so that a hostile document costs no more than it weighs.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

/// Where a value stands: a member of a mapping at its key, an item at its first character.
/// Units: lines and columns (in characters) from 1
struct tg_yaml_place {
  uint32_t line, column;
  const struct tg_yaml_place *first; // of the members or items, in the order of the JSON value
  const struct tg_yaml_place *next;  // the following member or item
};

struct tg_yaml_document {
  json_t *root;                      // an empty document is null
  const struct tg_yaml_place *place; // of the root
  struct tg_arena arena;             // holds the places
};

/// Reads a document; `name` is the file's name for errors.
///
/// Owns:   the caller deinits `document`, which is empty after an error
/// Errors: TG_EINVALID, TG_ELIMIT, TG_ENOMEM; the text begins with "name:line:column: "
/// Source: YAML 1.2.2 chapter 10.3 (core schema)
int tg_yaml_parse(const char *text, size_t len, const char *name, struct tg_yaml_document *document,
                  struct tg_error *err);

void tg_yaml_deinit(struct tg_yaml_document *document);

/// Finds the place of a value by its JSON pointer ("/schema/0/name"; "" is the root), or NULL.
///
/// Source: RFC 6901
const struct tg_yaml_place *tg_yaml_where(const struct tg_yaml_document *document,
                                          const char *pointer);
