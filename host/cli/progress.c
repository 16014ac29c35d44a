// SPDX-License-Identifier: Apache-2.0
// In live mode every frame is one write: up to where the last frame began, the lines that are to
// stay, the frame, and an erase of what is below. A frame never has more lines than the terminal,
// nor longer ones, or going up would miss its beginning.
#include "cli/progress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/progress_line.h"
#include "cli/text.h"

enum {
  FRAME_MS = 100,
  BAR_COLUMNS = 20,
  LINE_BYTES_MAX = 4096,
  PENDING_BYTES_MAX = 1 << 20, // of lines between two frames; more are shown at once
};

struct task_view {
  enum tg_task_state state;
  uint32_t attempt;
  int64_t started_ms, retry_at;
  double done, total;
  uint32_t before, after; // in the list of tasks that are shown, by start; UINT32_MAX for none
  bool is_shown;
};

struct tg_progress {
  struct tg_progress_style style;
  enum tg_progress_mode mode;
  bool is_finished;
  struct tg_progress_target target;
  struct task_view *tasks;
  uint32_t first, last, shown_count; // tasks that run or wait for their next attempt
  uint32_t counts[TG_TASK_STATE_COUNT];
  int64_t started_ms, drawn_ms;
  uint32_t frame_lines, spin;
  struct tg_buf pending, frame;
};

static void stderr_write(void *self, const char *bytes, size_t len) {
  (void)self;
  while (len) {
    ssize_t put = write(STDERR_FILENO, bytes, len);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return; // nobody looks any more; the run goes on
    bytes += put;
    len -= (size_t)put;
  }
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
  struct task_view *tasks = calloc((size_t)plan->count + 1, sizeof *tasks);
  if (!progress || !tasks) {
    free(progress);
    free(tasks);
    return NULL;
  }
  *progress = (struct tg_progress){
      .mode = mode,
      .target = target,
      .tasks = tasks,
      .first = UINT32_MAX,
      .last = UINT32_MAX,
      .started_ms = started_ms,
  };
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

static void show(struct tg_progress *progress, uint32_t index) {
  struct task_view *task = &progress->tasks[index];
  if (task->is_shown) return;
  task->is_shown = true;
  task->before = progress->last;
  task->after = UINT32_MAX;
  if (progress->last == UINT32_MAX)
    progress->first = index;
  else
    progress->tasks[progress->last].after = index;
  progress->last = index;
  progress->shown_count++;
}

static void unshow(struct tg_progress *progress, uint32_t index) {
  struct task_view *task = &progress->tasks[index];
  if (!task->is_shown) return;
  task->is_shown = false;
  if (task->before == UINT32_MAX)
    progress->first = task->after;
  else
    progress->tasks[task->before].after = task->after;
  if (task->after == UINT32_MAX)
    progress->last = task->before;
  else
    progress->tasks[task->after].before = task->before;
  progress->shown_count--;
}

static void change_apply(struct tg_progress *progress, const struct tg_progress_change *change,
                         int64_t now_ms) {
  struct task_view *task = &progress->tasks[change->task];
  progress->counts[task->state]--;
  progress->counts[change->state]++;
  if (change->state == TG_TASK_RUNNING && !task->started_ms) task->started_ms = now_ms;
  if (change->attempt != task->attempt) task->done = task->total = 0;
  task->state = change->state;
  task->attempt = change->attempt;
  task->retry_at = change->retry_at;
  if (change->state == TG_TASK_RUNNING || change->retry_at)
    show(progress, change->task);
  else
    unshow(progress, change->task);
}

// Says whether a change is worth a line; in live mode what goes on is seen below.
static bool has_line(const struct tg_progress *progress, const struct tg_progress_change *change) {
  if (tg_task_state_is_terminal(change->state) || change->retry_at) return true;
  return progress->mode != TG_PROGRESS_LIVE && change->state == TG_TASK_RUNNING;
}

void tg_progress_task(struct tg_progress *progress, const struct tg_progress_change *change,
                      int64_t now_ms) {
  change_apply(progress, change, now_ms);
  if (progress->mode == TG_PROGRESS_QUIET || !has_line(progress, change)) return;
  tg_progress_line_change(&progress->pending, &progress->style, change,
                          progress->tasks[change->task].started_ms, now_ms);
  if (progress->mode != TG_PROGRESS_LIVE) pending_write(progress);
}

void tg_progress_known(struct tg_progress *progress, uint32_t task, enum tg_task_state state) {
  change_apply(progress, &(struct tg_progress_change){.task = task, .state = state}, 0);
}

void tg_progress_report(struct tg_progress *progress, uint32_t task, double done, double total) {
  progress->tasks[task].done = done;
  progress->tasks[task].total = total;
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

static void task_line_put(struct tg_progress *progress, uint32_t index, uint32_t width,
                          int64_t now_ms) {
  const struct task_view *task = &progress->tasks[index];
  struct tg_buf line;
  tg_buf_init(&line, LINE_BYTES_MAX);
  tg_buf_putf(&line, "%c ", task->retry_at ? '.' : "|/-\\"[progress->spin % 4]);
  tg_progress_put_name(&line, &progress->style, index, false);
  tg_buf_puts(&line, "  ");
  tg_progress_put_duration(&line, now_ms - task->started_ms);
  if (task->attempt > 1) tg_buf_putf(&line, "  attempt %u", task->attempt);
  if (task->retry_at) {
    tg_buf_puts(&line, "  next attempt in ");
    tg_progress_put_duration(&line, task->retry_at - now_ms);
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
  uint32_t lines = progress->shown_count, left = lines;
  if (lines > lines_max) lines = lines_max - 1;
  for (uint32_t at = progress->first; at != UINT32_MAX && lines; at = progress->tasks[at].after) {
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
  free(progress->tasks);
  free(progress);
}
