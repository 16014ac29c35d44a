// SPDX-License-Identifier: Apache-2.0
// In live mode every frame is one write: up to where the last frame began, the lines that are to
// stay, the frame, and an erase of what is below. A frame never has more lines than the terminal,
// nor longer ones, or going up would miss its beginning.
#include "cli/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/map.h"
#include "cli/progress_line.h"
#include "cli/text.h"

enum {
  FRAME_MS = 100,
  BAR_COLUMNS = 20,
  LINE_BYTES_MAX = 4096,
  PENDING_BYTES_MAX = 1 << 20, // of lines between two frames; more are shown at once
};

// A task that runs or waits for its next attempt. Of the others only their state is known.
struct task_view {
  uint32_t task, attempt;
  int64_t started_ms, retry_at;
  char *rest; // what it rests for, or NULL
  double done, total;
  struct task_view *before, *after; // by start
};

struct tg_progress {
  struct tg_progress_style style;
  enum tg_progress_mode mode;
  bool is_finished;
  struct tg_progress_target target;
  uint8_t *states;     // enum tg_task_state of each task
  struct tg_map views; // struct task_view by task
  struct task_view *first, *last;
  uint32_t counts[TG_TASK_STATE_COUNT];
  int64_t started_ms, drawn_ms;
  uint32_t frame_lines, spin;
  struct tg_buf pending, frame;
};

static void stderr_write(void *self, const char *bytes, size_t len) {
  (void)self;
  tg_file_put(STDERR_FILENO, bytes, len); // if nobody looks any more, the run goes on
}

static void stderr_size(void *self, uint32_t *width, uint32_t *height) {
  (void)self;
  struct winsize size = {0};
  bool is_known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row;
  *width = is_known ? size.ws_col : 80;
  *height = is_known ? size.ws_row : 24;
}

struct tg_progress_target tg_progress_stderr(void) {
  return (struct tg_progress_target){stderr_write, stderr_size, NULL};
}

struct tg_progress *tg_progress_new(const struct tg_plan *plan, enum tg_progress_mode mode,
                                    bool has_color, struct tg_progress_target target,
                                    int64_t started_ms) {
  struct tg_progress *progress = calloc(1, sizeof *progress);
  uint8_t *states = calloc((size_t)plan->count + 1, sizeof *states); // waiting
  if (!progress || !states) {
    free(progress);
    free(states);
    return NULL;
  }
  *progress = (struct tg_progress){
      .mode = mode,
      .target = target,
      .states = states,
      .started_ms = started_ms,
  };
  tg_map_init(&progress->views);
  tg_progress_style_init(&progress->style, plan, mode == TG_PROGRESS_JSON, has_color);
  progress->counts[TG_TASK_WAITING] = plan->count;
  tg_buf_init(&progress->pending, SIZE_MAX / 2);
  tg_buf_init(&progress->frame, SIZE_MAX / 2);
  if (mode == TG_PROGRESS_LIVE) target.write(target.self, "\033[?25l", 6); // hide the cursor
  return progress;
}

static void pending_write(struct tg_progress *progress) {
  if (progress->pending.len)
    progress->target.write(progress->target.self, progress->pending.data, progress->pending.len);
  tg_buf_clear(&progress->pending);
}

static struct task_view *view_of(const struct tg_progress *progress, uint32_t task) {
  return tg_map_get_number(&progress->views, task);
}

// Without memory for it a task is not shown while it runs; its end still is.
static struct task_view *view_add(struct tg_progress *progress, uint32_t task, int64_t now_ms) {
  struct task_view *view = malloc(sizeof *view);
  if (!view || tg_map_put_number(&progress->views, task, view) != 0) {
    free(view);
    return NULL;
  }
  *view = (struct task_view){.task = task, .started_ms = now_ms, .before = progress->last};
  *(view->before ? &view->before->after : &progress->first) = view;
  progress->last = view;
  return view;
}

static void view_remove(struct tg_progress *progress, struct task_view *view) {
  *(view->before ? &view->before->after : &progress->first) = view->after;
  *(view->after ? &view->after->before : &progress->last) = view->before;
  tg_map_remove_number(&progress->views, view->task);
  free(view->rest);
  free(view);
}

// Gives when the task was started, 0 if it was not.
static int64_t change_apply(struct tg_progress *progress, const struct tg_progress_change *change,
                            int64_t now_ms) {
  bool is_shown = change->state == TG_TASK_RUNNING || change->retry_at;
  struct task_view *view = view_of(progress, change->task);
  if (!view && is_shown) view = view_add(progress, change->task, now_ms);
  progress->counts[progress->states[change->task]]--;
  progress->counts[change->state]++;
  progress->states[change->task] = (uint8_t)change->state;
  if (!view) return 0;
  int64_t started_ms = view->started_ms;
  if (change->attempt != view->attempt) view->done = view->total = 0;
  view->attempt = change->attempt;
  view->retry_at = change->retry_at;
  free(view->rest);
  view->rest = change->rest ? strdup(change->rest) : NULL;
  if (!is_shown) view_remove(progress, view);
  return started_ms;
}

// Says whether a change is worth a line; in live mode what goes on is seen below.
static bool has_line(const struct tg_progress *progress, const struct tg_progress_change *change) {
  if (tg_task_state_is_terminal(change->state) || change->retry_at) return true;
  return progress->mode != TG_PROGRESS_LIVE && change->state == TG_TASK_RUNNING;
}

void tg_progress_task(struct tg_progress *progress, const struct tg_progress_change *change,
                      int64_t now_ms) {
  if (progress->mode == TG_PROGRESS_QUIET) return;
  int64_t started_ms = change_apply(progress, change, now_ms);
  if (!has_line(progress, change)) return;
  tg_progress_line_change(&progress->pending, &progress->style, change, started_ms, now_ms);
  if (progress->mode != TG_PROGRESS_LIVE) pending_write(progress);
}

void tg_progress_known(struct tg_progress *progress, uint32_t task, enum tg_task_state state) {
  change_apply(progress, &(struct tg_progress_change){.task = task, .state = state}, 0);
}

void tg_progress_report(struct tg_progress *progress, uint32_t task, double done, double total) {
  struct task_view *view = view_of(progress, task);
  if (!view) return;
  view->done = done;
  view->total = total;
}

static void bar_put(struct tg_buf *out, double done, double total) {
  double part = done / total;
  if (!(part > 0)) part = 0;
  if (part > 1) part = 1;
  size_t filled = (size_t)(part * BAR_COLUMNS);
  tg_buf_puts(out, "  [");
  for (size_t i = 0; i < BAR_COLUMNS; i++) tg_buf_putc(out, i < filled ? '=' : ' ');
  tg_buf_putf(out, "] %3d%%", (int)(part * 100));
}

// Puts a line of the frame, cut one column short: a cursor behind the last column may wrap.
static void frame_line_put(struct tg_progress *progress, const char *line, uint32_t width) {
  tg_text_put_cut(&progress->frame, line, width > 1 ? width - 1 : 1);
  tg_buf_puts(&progress->frame, "\033[K\n");
  progress->frame_lines++;
}

static void task_line_put(struct tg_progress *progress, const struct task_view *task,
                          uint32_t width, int64_t now_ms) {
  struct tg_buf line;
  tg_buf_init(&line, LINE_BYTES_MAX);
  tg_buf_putf(&line, "%c ", task->retry_at ? '.' : "|/-\\"[progress->spin % 4]);
  tg_progress_put_name(&line, &progress->style, task->task, false);
  tg_buf_puts(&line, "  ");
  tg_progress_put_duration(&line, now_ms - task->started_ms);
  if (task->attempt > 1) tg_buf_putf(&line, "  attempt %u", task->attempt);
  if (task->retry_at) {
    tg_progress_put_pause(&line, task->rest, task->retry_at, now_ms);
  } else if (task->total > 0) {
    bar_put(&line, task->done, task->total);
  }
  frame_line_put(progress, tg_buf_text(&line), width);
  tg_buf_deinit(&line);
}

static void summary_line_put(struct tg_progress *progress, uint32_t width, int64_t now_ms) {
  struct tg_buf line;
  tg_buf_init(&line, LINE_BYTES_MAX);
  tg_buf_putf(&line, "%s  ", progress->style.plan->name);
  tg_progress_put_duration(&line, now_ms - progress->started_ms);
  tg_buf_puts(&line, "  ");
  tg_progress_put_counts(&line, progress->counts);
  frame_line_put(progress, tg_buf_text(&line), width);
  tg_buf_deinit(&line);
}

static void tasks_lines_put(struct tg_progress *progress, uint32_t width, uint32_t lines_max,
                            int64_t now_ms) {
  uint32_t lines = (uint32_t)progress->views.count, left = lines;
  if (lines > lines_max) lines = lines_max - 1;
  for (const struct task_view *at = progress->first; at && lines; at = at->after) {
    task_line_put(progress, at, width, now_ms);
    lines--;
    left--;
  }
  char more[32];
  snprintf(more, sizeof more, "  and %u more", left);
  if (left) frame_line_put(progress, more, width);
}

// Puts the lines that stay: over the old frame, each erasing what is left of the line it covers.
static void pending_move(struct tg_progress *progress) {
  const char *at = tg_buf_text(&progress->pending);
  while (*at) {
    size_t len = strcspn(at, "\n");
    tg_buf_put(&progress->frame, at, len);
    tg_buf_puts(&progress->frame, "\033[K\n");
    at += len + (at[len] == '\n');
  }
  tg_buf_clear(&progress->pending);
}

static void frame_draw(struct tg_progress *progress, int64_t now_ms) {
  uint32_t width, height;
  progress->target.size(progress->target.self, &width, &height);
  tg_buf_clear(&progress->frame);
  if (progress->frame_lines) tg_buf_putf(&progress->frame, "\033[%uA\r", progress->frame_lines);
  progress->frame_lines = 0;
  pending_move(progress);
  // One line for the run, and one that the cursor stands on.
  tasks_lines_put(progress, width, height > 3 ? height - 2 : 1, now_ms);
  summary_line_put(progress, width, now_ms);
  tg_buf_puts(&progress->frame, "\033[J");
  progress->target.write(progress->target.self, tg_buf_text(&progress->frame), progress->frame.len);
  progress->drawn_ms = now_ms;
  progress->spin++;
}

void tg_progress_tick(struct tg_progress *progress, int64_t now_ms) {
  if (progress->mode != TG_PROGRESS_LIVE || progress->is_finished) return;
  if (now_ms - progress->drawn_ms >= FRAME_MS || now_ms < progress->drawn_ms)
    frame_draw(progress, now_ms);
}

void tg_progress_log(struct tg_progress *progress, uint32_t task, const char *stream,
                     const char *text, int64_t now_ms) {
  if (progress->mode == TG_PROGRESS_QUIET) return;
  tg_progress_line_log(&progress->pending, &progress->style, task, stream, text, now_ms);
  if (progress->mode != TG_PROGRESS_LIVE)
    pending_write(progress);
  else if (progress->pending.len > PENDING_BYTES_MAX)
    frame_draw(progress, now_ms);
}

// Takes the live lines away, shows the cursor, and writes what is to stay.
static void live_end(struct tg_progress *progress) {
  tg_buf_clear(&progress->frame);
  if (progress->frame_lines) tg_buf_putf(&progress->frame, "\033[%uA", progress->frame_lines);
  tg_buf_puts(&progress->frame, "\r\033[J\033[?25h");
  progress->frame_lines = 0;
  tg_buf_put(&progress->frame, tg_buf_text(&progress->pending), progress->pending.len);
  tg_buf_clear(&progress->pending);
  progress->target.write(progress->target.self, tg_buf_text(&progress->frame), progress->frame.len);
}

void tg_progress_finish(struct tg_progress *progress, enum tg_run_state state, int64_t now_ms) {
  if (progress->is_finished || progress->mode == TG_PROGRESS_QUIET) return;
  tg_progress_line_end(&progress->pending, &progress->style, state, progress->counts,
                       now_ms - progress->started_ms, now_ms);
  if (progress->mode == TG_PROGRESS_LIVE)
    live_end(progress);
  else
    pending_write(progress);
  progress->is_finished = true;
}

void tg_progress_free(struct tg_progress *progress) {
  if (!progress) return;
  if (progress->mode == TG_PROGRESS_LIVE && !progress->is_finished) live_end(progress);
  tg_buf_deinit(&progress->pending);
  tg_buf_deinit(&progress->frame);
  while (progress->first) view_remove(progress, progress->first);
  tg_map_deinit(&progress->views);
  free(progress->states);
  free(progress);
}
