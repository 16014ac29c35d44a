// SPDX-License-Identifier: Apache-2.0
// Text for a terminal: its width in columns, cut and padded, coloured, and made harmless. Texts
// come from tasks and commands, so whatever could steer the terminal is taken out.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum tg_style {
  TG_STYLE_PLAIN,
  TG_STYLE_BOLD,
  TG_STYLE_DIM,
  TG_STYLE_GOOD,
  TG_STYLE_BAD,
  TG_STYLE_WARN,
  TG_STYLE_BUSY,
};

/// Gives the columns that clean text takes: wide characters count two, combining ones none.
///
/// Source: Unicode Standard Annex 11, the blocks that are wide or combining throughout
size_t tg_text_width(const char *text);

/// Appends text as one line: escape sequences are dropped, line ends and tabs become spaces, other
/// control characters and invalid UTF-8 become U+FFFD.
void tg_text_put_clean(struct tg_buf *out, const char *text, size_t len);

/// Appends clean text in at most `columns` columns; what was cut ends in an ellipsis.
void tg_text_put_cut(struct tg_buf *out, const char *text, size_t columns);

/// Appends spaces.
void tg_text_put_spaces(struct tg_buf *out, size_t count);

/// Appends text in a style, plain without colour.
void tg_text_put_styled(struct tg_buf *out, const char *text, enum tg_style style, bool has_color);

/// Appends what begins a style, or what ends every style; nothing for TG_STYLE_PLAIN.
void tg_style_begin(struct tg_buf *out, enum tg_style style);
void tg_style_end(struct tg_buf *out, enum tg_style style);

/// Gives the style in which a state's word is shown.
enum tg_style tg_style_of_state(const char *word);
