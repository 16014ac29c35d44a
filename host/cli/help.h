// SPDX-License-Identifier: Apache-2.0
// Help, written from the table of verbs.
#pragma once

#include "base/buf.h"
#include "cli/args.h"

/// Appends what the program is, its verbs and the global options.
void tg_help_put_overview(struct tg_buf *out, const struct tg_verb *const *verbs);

/// Appends what one verb does, takes and looks like in use.
void tg_help_put_verb(struct tg_buf *out, const struct tg_verb *verb);

/// Writes the help of a verb, or the overview without one; returns an exit code.
int tg_help_show(const struct tg_verb *verb);
