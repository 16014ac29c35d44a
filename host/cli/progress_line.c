// SPDX-License-Identifier: Apache-2.0
#include "cli/progress_line.h"

#include <string.h>

#include "base/units.h"
#include "cli/text.h"

enum { NAME_COLUMNS_MAX = 32 };

void tg_progress_style_init(struct tg_progress_style *style, const struct tg_plan *plan,
                            bool is_json, bool has_color) {
  *style = (struct tg_progress_style){plan, is_json, has_color, 0};
  for (uint32_t i = 0; i < plan->count; i++) {
    size_t width = tg_text_width(plan->tasks[i].name);
    if (width > style->name_columns) style->name_columns = width;
  }
  if (style->name_columns > NAME_COLUMNS_MAX) style->name_columns = NAME_COLUMNS_MAX;
}

void tg_progress_put_name(struct tg_buf *out, const struct tg_progress_style *style, uint32_t task,
                          bool has_color) {
  const char *name = style->plan->tasks[task].name;
  size_t width = tg_text_width(name);
  if (has_color) tg_style_begin(out, TG_STYLE_BOLD);
  tg_text_put_cut(out, name, style->name_columns);
  if (has_color) tg_style_end(out, TG_STYLE_BOLD);
  if (width < style->name_columns) tg_text_put_spaces(out, style->name_columns - width);
}

void tg_progress_put_duration(struct tg_buf *out, int64_t ms) {
  char text[TG_DURATION_TEXT_MAX];
  tg_duration_format(ms > 0 ? ms : 0, text);
  tg_buf_puts(out, text);
}

void tg_progress_put_counts(struct tg_buf *out, const uint32_t counts[TG_TASK_STATE_COUNT]) {
  bool is_first = true;
  for (int state = TG_TASK_STATE_COUNT - 1; state >= 0; state--) {
    if (!counts[state]) continue;
    tg_buf_putf(out, "%s%u %s", is_first ? "" : ", ", counts[state],
                tg_task_state_word((enum tg_task_state)state));
    is_first = false;
  }
}

// Puts the time of day in UTC.
static void clock_put(struct tg_buf *out, const struct tg_progress_style *style, int64_t now_ms) {
  char time[TG_TIME_TEXT_LEN + 1];
  tg_time_format(now_ms, time);
  time[strlen("2026-11-20T05:00:00")] = 0;
  tg_text_put_styled(out, time + strlen("2026-11-20T"), TG_STYLE_DIM, style->has_color);
  tg_buf_putc(out, ' ');
}

void tg_progress_put_pause(struct tg_buf *out, const char *rest, int64_t retry_at, int64_t now_ms) {
  if (!retry_at || (rest && retry_at <= now_ms)) return; // what it rested for is there
  tg_buf_puts(out, "  ");
  if (rest)
    tg_text_put_clean(out, rest, strlen(rest));
  else
    tg_buf_puts(out, "next attempt in ");
  if (retry_at == INT64_MAX) return;
  if (rest) tg_buf_puts(out, ", for at most ");
  tg_progress_put_duration(out, retry_at - now_ms);
}

// Puts what stands behind the state: how long it took, when it goes on, what went wrong.
static void detail_put(struct tg_buf *out, const struct tg_progress_change *change,
                       int64_t started_ms, int64_t now_ms) {
  if (tg_task_state_is_terminal(change->state) && started_ms) {
    tg_buf_puts(out, "  ");
    tg_progress_put_duration(out, now_ms - started_ms);
  }
  if (change->attempt > 1) tg_buf_putf(out, "  attempt %u", change->attempt);
  tg_progress_put_pause(out, change->rest, change->retry_at, now_ms);
  if (change->error && *change->error) {
    tg_buf_puts(out, "  ");
    tg_text_put_clean(out, change->error, strlen(change->error));
  }
}

static void change_put_text(struct tg_buf *out, const struct tg_progress_style *style,
                            const struct tg_progress_change *change, int64_t started_ms,
                            int64_t now_ms) {
  bool is_retry = change->retry_at && !change->rest;
  const char *word = is_retry ? "retry" : tg_task_state_word(change->state);
  clock_put(out, style, now_ms);
  tg_progress_put_name(out, style, change->task, style->has_color);
  tg_buf_puts(out, "  ");
  tg_text_put_styled(out, word, change->retry_at ? TG_STYLE_WARN : tg_style_of_state(word),
                     style->has_color);
  detail_put(out, change, started_ms, now_ms);
  tg_buf_putc(out, '\n');
}

static void field_put(struct tg_buf *out, const char *name, const char *text) {
  tg_buf_putf(out, ",\"%s\":", name);
  tg_buf_put_json(out, text, strlen(text));
}

// Begins an object with the time and whose it is; the caller closes it.
static void json_begin(struct tg_buf *out, const struct tg_progress_style *style, uint32_t task,
                       int64_t now_ms) {
  char time[TG_TIME_TEXT_LEN + 1];
  tg_time_format(now_ms, time);
  tg_buf_putf(out, "{\"time\":\"%s\"", time);
  field_put(out, "pipeline", style->plan->name);
  if (task != UINT32_MAX) field_put(out, "task", style->plan->tasks[task].name);
}

static void change_put_json(struct tg_buf *out, const struct tg_progress_style *style,
                            const struct tg_progress_change *change, int64_t started_ms,
                            int64_t now_ms) {
  char time[TG_TIME_TEXT_LEN + 1];
  json_begin(out, style, change->task, now_ms);
  field_put(out, "state", tg_task_state_word(change->state));
  if (change->attempt) tg_buf_putf(out, ",\"attempt\":%u", change->attempt);
  if (tg_task_state_is_terminal(change->state) && started_ms)
    tg_buf_putf(out, ",\"duration_ms\":%lld", (long long)(now_ms - started_ms));
  if (change->retry_at && change->retry_at != INT64_MAX) {
    tg_time_format(change->retry_at, time);
    field_put(out, change->rest ? "until" : "retry_at", time);
  }
  if (change->rest) field_put(out, "rest", change->rest);
  if (change->error && *change->error) field_put(out, "error", change->error);
  tg_buf_puts(out, "}\n");
}

void tg_progress_line_change(struct tg_buf *out, const struct tg_progress_style *style,
                             const struct tg_progress_change *change, int64_t started_ms,
                             int64_t now_ms) {
  if (style->is_json)
    change_put_json(out, style, change, started_ms, now_ms);
  else
    change_put_text(out, style, change, started_ms, now_ms);
}

void tg_progress_line_log(struct tg_buf *out, const struct tg_progress_style *style, uint32_t task,
                          const char *stream, const char *text, int64_t now_ms) {
  if (style->is_json) {
    json_begin(out, style, task, now_ms);
    field_put(out, "stream", stream);
    field_put(out, "text", text);
    tg_buf_puts(out, "}\n");
    return;
  }
  if (task != UINT32_MAX) {
    clock_put(out, style, now_ms);
    tg_progress_put_name(out, style, task, style->has_color);
    tg_buf_putf(out, "  %-5s  ", stream);
  }
  tg_text_put_clean(out, text, strlen(text));
  tg_buf_putc(out, '\n');
}

void tg_progress_line_end(struct tg_buf *out, const struct tg_progress_style *style,
                          enum tg_run_state state, const uint32_t counts[TG_TASK_STATE_COUNT],
                          int64_t duration_ms, int64_t now_ms) {
  const char *word = tg_run_state_word(state);
  if (style->is_json) {
    json_begin(out, style, UINT32_MAX, now_ms);
    field_put(out, "state", word);
    tg_buf_putf(out, ",\"duration_ms\":%lld}\n", (long long)duration_ms);
    return;
  }
  tg_buf_putf(out, "%s ", style->plan->name);
  tg_text_put_styled(out, word, tg_style_of_state(word), style->has_color);
  tg_buf_puts(out, " after ");
  tg_progress_put_duration(out, duration_ms);
  tg_buf_puts(out, ": ");
  tg_progress_put_counts(out, counts);
  tg_buf_putc(out, '\n');
}
