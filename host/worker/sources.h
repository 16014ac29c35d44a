// SPDX-License-Identifier: Apache-2.0
// Where the files of a bundle are found in a project, by what a script calls them:
//
//   module:lib.dates   pipelines/lib/dates.lua, pipelines/lib/dates/init.lua, the same below lua/
//   sql:daily.sql      pipelines/daily.sql, daily.sql
//   contract:orders    contracts/orders.yaml, contracts/orders.yml, contracts/orders.odcs.yaml
//   policy:late        pipelines/policies/late.lua
//
// Nothing outside the project's folder is read.
#pragma once

#include "base/buf.h"
#include "base/error.h"

/// Reads a file of the project.
///
/// Shape:  the project's folder; kind and name -> its path in the project, its bytes appended to
///         `text`
/// Errors: TG_ENOT_FOUND naming where it was looked for, TG_EINVALID for a name that is none,
///         TG_EDENIED, TG_ELIMIT
int tg_sources_find(const char *root, const char *kind, const char *name, char path[4096],
                    struct tg_buf *text, struct tg_error *err);

/// Reads the file at a path in the project.
int tg_sources_read(const char *root, const char *path, struct tg_buf *text, struct tg_error *err);
