// SPDX-License-Identifier: Apache-2.0
#include "cli/text.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

struct range {
  uint32_t first, last;
};

static const struct range combining[] = {
    {0x0300, 0x036F}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200F},
    {0x2060, 0x2064}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F},
};

static const struct range wide[] = {
    {0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},
    {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
    {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},   {0x1F300, 0x1F64F},
    {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD},
};

static bool is_within(const struct range *ranges, size_t count, uint32_t code) {
  for (size_t i = 0; i < count; i++)
    if (code >= ranges[i].first && code <= ranges[i].last) return true;
  return false;
}

// Reads one character of valid UTF-8; an invalid byte stands for itself.
static uint32_t character_read(const char *text, size_t len, size_t *used) {
  const unsigned char *s = (const unsigned char *)text;
  *used = tg_utf8_length(text, len);
  switch (*used) {
  case 2:
    return (s[0] & 0x1Fu) << 6 | (s[1] & 0x3Fu);
  case 3:
    return (s[0] & 0x0Fu) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu);
  case 4:
    return (s[0] & 0x07u) << 18 | (s[1] & 0x3Fu) << 12 | (s[2] & 0x3Fu) << 6 | (s[3] & 0x3Fu);
  default:
    *used = 1;
    return s[0];
  }
}

static size_t character_width(uint32_t code) {
  if (is_within(combining, sizeof combining / sizeof *combining, code)) return 0;
  return is_within(wide, sizeof wide / sizeof *wide, code) ? 2 : 1;
}

size_t tg_text_width(const char *text) {
  size_t width = 0, used;
  for (size_t len = strlen(text); len; text += used, len -= used)
    width += character_width(character_read(text, len, &used));
  return width;
}

// Gives the length of an escape sequence: ESC [ ... letter, ESC ] ... BEL or ESC \, ESC and a byte.
// Source: ECMA-48 sections 5.3 to 5.6
static size_t escape_length(const char *text, size_t len) {
  if (len < 2) return len;
  size_t at = 2;
  if (text[1] == '[') {
    while (at < len && (unsigned char)text[at] < 0x40) at++;
    return at < len ? at + 1 : at;
  }
  if (text[1] != ']') return at;
  for (; at < len; at++) {
    if (text[at] == '\a') return at + 1;
    if (text[at] == '\033') return at + 1 < len ? at + 2 : len;
  }
  return len;
}

void tg_text_put_clean(struct tg_buf *out, const char *text, size_t len) {
  while (len) {
    size_t used = 1;
    unsigned char c = (unsigned char)*text;
    if (c == '\033') {
      used = escape_length(text, len);
    } else if (c == '\n' || c == '\t' || c == '\r') {
      tg_buf_putc(out, ' ');
    } else if (c >= 0x20 && c < 0x7F) {
      tg_buf_putc(out, *text);
    } else {
      // U+0080 to U+009F steer terminals as well.
      used = c < 0x80 ? 0 : tg_utf8_length(text, len);
      bool is_control = used == 2 && c == 0xC2 && (unsigned char)text[1] < 0xA0;
      if (used && !is_control)
        tg_buf_put(out, text, used);
      else
        tg_buf_puts(out, "\xEF\xBF\xBD");
      if (!used) used = 1;
    }
    text += used;
    len -= used;
  }
}

void tg_text_put_cut(struct tg_buf *out, const char *text, size_t columns) {
  if (tg_text_width(text) <= columns) {
    tg_buf_puts(out, text);
    return;
  }
  size_t used;
  for (size_t len = strlen(text), width = 1; len; text += used, len -= used) {
    width += character_width(character_read(text, len, &used));
    if (width > columns) break;
    tg_buf_put(out, text, used);
  }
  if (columns) tg_buf_puts(out, "\xE2\x80\xA6");
}

void tg_text_put_spaces(struct tg_buf *out, size_t count) {
  while (count--) tg_buf_putc(out, ' ');
}

void tg_style_begin(struct tg_buf *out, enum tg_style style) {
  static const char *const codes[] = {"",         "\033[1m",  "\033[2m", "\033[32m",
                                      "\033[31m", "\033[33m", "\033[36m"};
  tg_buf_puts(out, codes[style]);
}

void tg_style_end(struct tg_buf *out, enum tg_style style) {
  if (style != TG_STYLE_PLAIN) tg_buf_puts(out, "\033[0m");
}

void tg_text_put_styled(struct tg_buf *out, const char *text, enum tg_style style, bool has_color) {
  if (has_color) tg_style_begin(out, style);
  tg_buf_puts(out, text);
  if (has_color) tg_style_end(out, style);
}

enum tg_style tg_style_of_state(const char *word) {
  static const struct {
    const char *word;
    enum tg_style style;
  } styles[] = {
      {"success", TG_STYLE_GOOD}, {"failed", TG_STYLE_BAD},      {"lost", TG_STYLE_BAD},
      {"running", TG_STYLE_BUSY}, {"ready", TG_STYLE_BUSY},      {"upstream_failed", TG_STYLE_WARN},
      {"skipped", TG_STYLE_DIM},  {"waiting", TG_STYLE_DIM},     {"cancelled", TG_STYLE_WARN},
      {"queued", TG_STYLE_DIM},   {"cancelling", TG_STYLE_WARN},
  };
  for (size_t i = 0; i < sizeof styles / sizeof *styles; i++)
    if (strcmp(word, styles[i].word) == 0) return styles[i].style;
  return TG_STYLE_PLAIN;
}
