// SPDX-License-Identifier: Apache-2.0
//
// The life of a request:
//
//   submit -> readers' queue -> running -> finished -> done
//                  |    (it writes)  |         ^
//                  +--------> writer's queue --+  (deadline or cancel while it waits)
//
// One mutex guards the queues, the owner and which request runs where. A connection is touched by
// its own thread alone; only its `stop_code` is set by others, under the mutex and only while the
// request that is meant runs there. The threads may all be busy, so it is the loop that takes
// requests out of the queues when they are cancelled or, by a timer, when their deadline passes.
#include "warehouse/warehouse.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/thread.h"
#include "warehouse/sql.h"
#include "warehouse/sql_request.h"

enum { READER_COUNT = 2, THREAD_COUNT = READER_COUNT + 1, WRITER = 0 };

struct request {
  uint64_t number, session;
  int64_t deadline_ms;
  int stop_code; // why it must not run any more, or 0
  bool is_last;  // its session has ended
  tg_warehouse_done *done;
  void *self;
  struct tg_error err;
  struct tg_buf reply;
  struct request *next;
  char *body; // owned
  size_t len;
};

struct queue {
  struct request *first, **last;
};

struct thread {
  struct tg_warehouse *warehouse;
  pthread_t id;
  bool has_started;
  struct tg_sql sql;
  struct request *running;
};

struct tg_warehouse {
  struct tg_warehouse_options options; // the path is owned
  struct tg_wake *wake;
  struct tg_timer *timer; // for the deadlines of what is queued
  int64_t timer_ms;       // when it fires; INT64_MAX while it does not run
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  struct queue reads, writes, finished;
  struct thread threads[THREAD_COUNT];
  uint64_t owner; // the session whose transaction is open, if has_owner
  uint64_t next_number;
  bool has_owner;
  bool is_owner_gone; // and it must be rolled back
  bool is_closing;
  int users;         // the threads that have not ended, and the owner
  bool is_abandoned; // closed while threads are alive; the loop is gone
};

static void queue_init(struct queue *queue) {
  queue->first = NULL;
  queue->last = &queue->first;
}

static void queue_push(struct queue *queue, struct request *request) {
  request->next = NULL;
  *queue->last = request;
  queue->last = &request->next;
}

// Takes out the request that `at` points at.
static struct request *queue_take(struct queue *queue, struct request **at) {
  struct request *request = *at;
  *at = request->next;
  if (queue->last == &request->next) queue->last = at;
  return request;
}

static void request_finish(struct tg_warehouse *self, struct request *request) {
  if (self->is_abandoned) return; // it has been answered
  queue_push(&self->finished, request);
  tg_wake_send(self->wake);
}

static void stopped_set(struct request *request, int code, bool is_waiting_for_owner) {
  if (code == TG_ECANCELLED)
    tg_error_set(&request->err, code, "the statement was cancelled");
  else if (is_waiting_for_owner)
    tg_error_set(&request->err, code,
                 "the deadline passed while another attempt's transaction was open");
  else
    tg_error_set(&request->err, code, "the deadline passed before the statement could start");
}

// Finishes what must not wait any longer, and gives the earliest deadline of the others.
static int64_t queue_sweep(struct tg_warehouse *self, struct queue *queue, int64_t now_ms) {
  int64_t earliest_ms = INT64_MAX;
  struct request **at = &queue->first;
  while (*at) {
    struct request *request = *at;
    int code = request->stop_code;
    if (!code && request->deadline_ms <= now_ms) code = TG_ETIMEOUT;
    if (code) {
      stopped_set(request, code, self->has_owner && self->owner != request->session);
      request_finish(self, queue_take(queue, at));
      continue;
    }
    if (request->deadline_ms < earliest_ms) earliest_ms = request->deadline_ms;
    at = &request->next;
  }
  return earliest_ms;
}

static struct request *write_choose(struct tg_warehouse *self) {
  for (struct request **at = &self->writes.first; *at; at = &(*at)->next)
    if (!self->has_owner || (*at)->session == self->owner) return queue_take(&self->writes, at);
  return NULL;
}

static bool is_writer(const struct thread *thread) {
  return thread == &thread->warehouse->threads[WRITER];
}

static void owner_forget(struct tg_warehouse *self, struct thread *writer) {
  pthread_mutex_unlock(&self->mutex);
  atomic_store(&writer->sql.stop_code, 0);
  tg_sql_rollback(&writer->sql, NULL);
  pthread_mutex_lock(&self->mutex);
  self->has_owner = self->is_owner_gone = false;
}

// Gives the thread's next request, or NULL when the warehouse closes. Called with the mutex held.
static struct request *request_next(struct tg_warehouse *self, struct thread *thread) {
  struct queue *queue = is_writer(thread) ? &self->writes : &self->reads;
  for (;;) {
    if (is_writer(thread) && self->is_owner_gone) owner_forget(self, thread);
    if (self->is_closing) return NULL;
    struct request *request = NULL;
    if (is_writer(thread))
      request = write_choose(self);
    else if (queue->first)
      request = queue_take(queue, &queue->first);
    if (request) return request;
    pthread_cond_wait(&self->changed, &self->mutex);
  }
}

static int open_refuse(void *self, const char *path, int *fd, struct tg_error *err) {
  (void)self;
  (void)fd;
  return tg_error_set(err, TG_EDENIED, "no files may be read here: %.200s", path);
}

static int connection_open(struct thread *thread, struct tg_error *err) {
  if (thread->sql.db) return TG_OK;
  const struct tg_warehouse_options *options = &thread->warehouse->options;
  struct tg_sql_options sql = {.path = options->path,
                               .is_read_only = !is_writer(thread),
                               .open_read = options->open_read ? options->open_read : open_refuse,
                               .open_self = options->open_self};
  return tg_sql_open(&thread->sql, &sql, err);
}

// Runs a request on the thread's connection; called without the mutex. A reader that cannot open
// the file, because the writer has not made it yet, leaves the request to the writer.
static bool request_run(struct thread *thread, struct request *request) {
  struct tg_sql *sql = &thread->sql;
  sql->deadline_ms = request->deadline_ms;
  int code = connection_open(thread, &request->err);
  if (code) return is_writer(thread);
  sql->needs_writer = false;
  tg_sql_request_run(sql, request->body, request->len, &request->reply, &request->err);
  return !sql->needs_writer;
}

static void owner_update(struct tg_warehouse *self, struct thread *thread,
                         const struct request *request) {
  if (!is_writer(thread)) return;
  self->has_owner = thread->sql.in_transaction;
  self->owner = request->session;
  self->is_owner_gone = self->has_owner && (request->is_last || self->is_owner_gone);
}

static void request_serve(struct tg_warehouse *self, struct thread *thread,
                          struct request *request) {
  thread->running = request;
  atomic_store(&thread->sql.stop_code, 0);
  pthread_mutex_unlock(&self->mutex);
  bool is_finished = request_run(thread, request);
  pthread_mutex_lock(&self->mutex);
  thread->running = NULL;
  owner_update(self, thread, request);
  if (is_finished || request->stop_code) {
    if (!is_finished) stopped_set(request, request->stop_code, false);
    request_finish(self, request);
    return;
  }
  tg_error_clear(&request->err);
  queue_push(&self->writes, request);
  pthread_cond_broadcast(&self->changed);
  tg_wake_send(self->wake); // its deadline is to be watched again
}

static void warehouse_release(struct tg_warehouse *self) {
  for (int i = THREAD_COUNT; i-- > 0;) tg_sql_close(&self->threads[i].sql); // the writer last
  pthread_cond_destroy(&self->changed);
  pthread_mutex_destroy(&self->mutex);
  free((char *)self->options.path);
  free(self);
}

// Who leaves last frees.
static void user_leave(struct tg_warehouse *self) {
  pthread_mutex_lock(&self->mutex);
  bool is_last = --self->users == 0;
  pthread_cond_broadcast(&self->changed);
  pthread_mutex_unlock(&self->mutex);
  if (is_last) warehouse_release(self);
}

static void *thread_main(void *arg) {
  struct thread *thread = arg;
  struct tg_warehouse *self = thread->warehouse;
  pthread_mutex_lock(&self->mutex);
  for (struct request *request; (request = request_next(self, thread));)
    request_serve(self, thread, request);
  pthread_mutex_unlock(&self->mutex);
  user_leave(self);
  return NULL;
}

static void request_free(struct request *request) {
  tg_buf_deinit(&request->reply);
  free(request->body);
  free(request);
}

static int thread_start(struct thread *thread) {
  int errnum = tg_thread_start(&thread->id, thread_main, thread);
  thread->has_started = errnum == 0;
  thread->warehouse->users += thread->has_started; // it ends only after we began to close
  return errnum;
}

static void timer_arm(struct tg_warehouse *self, int64_t deadline_ms) {
  if (deadline_ms >= self->timer_ms) return;
  int64_t left_ms = deadline_ms - tg_clock_mono_ms(tg_clock_system());
  tg_timer_start(self->timer, left_ms > 0 ? left_ms : 0);
  self->timer_ms = deadline_ms;
}

// Takes what must not wait any longer out of the queues, and waits for the next deadline.
static void queues_sweep(struct tg_warehouse *self) {
  int64_t now_ms = tg_clock_mono_ms(tg_clock_system());
  int64_t reads_ms = queue_sweep(self, &self->reads, now_ms);
  int64_t writes_ms = queue_sweep(self, &self->writes, now_ms);
  timer_arm(self, reads_ms < writes_ms ? reads_ms : writes_ms);
}

static void deadlines_watch(struct tg_warehouse *self) {
  pthread_mutex_lock(&self->mutex);
  queues_sweep(self);
  pthread_mutex_unlock(&self->mutex);
}

static void deadline_passed(void *arg) {
  struct tg_warehouse *self = arg;
  self->timer_ms = INT64_MAX;
  deadlines_watch(self);
}

// Calls what is due, on the loop's thread and without the mutex: `done` may submit again.
static void finished_call(void *arg) {
  struct tg_warehouse *self = arg;
  deadlines_watch(self);
  for (;;) {
    pthread_mutex_lock(&self->mutex);
    struct request *request =
        self->finished.first ? queue_take(&self->finished, &self->finished.first) : NULL;
    pthread_mutex_unlock(&self->mutex);
    if (!request) return;
    request->done(request->self, request->err.code ? &request->err : NULL, &request->reply);
    request_free(request);
  }
}

static int loop_join(struct tg_warehouse *self, struct tg_loop *loop, struct tg_error *err) {
  self->timer_ms = INT64_MAX;
  self->wake = tg_wake_new(loop, finished_call, self, err);
  if (self->wake) self->timer = tg_timer_new(loop, deadline_passed, self, err);
  return self->timer ? TG_OK : TG_EIO;
}

struct tg_warehouse *tg_warehouse_new(struct tg_loop *loop,
                                      const struct tg_warehouse_options *options,
                                      struct tg_error *err) {
  struct tg_warehouse *self = calloc(1, sizeof *self);
  if (!self) {
    tg_error_set(err, TG_ENOMEM, "out of memory");
    return NULL;
  }
  pthread_mutex_init(&self->mutex, NULL);
  pthread_cond_init(&self->changed, NULL);
  queue_init(&self->reads);
  queue_init(&self->writes);
  queue_init(&self->finished);
  self->users = 1;
  self->options = *options;
  self->options.path = strdup(options->path);
  int code = self->options.path ? TG_OK : tg_error_set(err, TG_ENOMEM, "out of memory");
  if (!code) code = loop_join(self, loop, err);
  for (int i = 0; !code && i < THREAD_COUNT; i++) {
    self->threads[i].warehouse = self;
    int errnum = thread_start(&self->threads[i]);
    if (errnum) code = tg_error_errno(err, TG_EIO, errnum, "cannot start the warehouse's threads");
  }
  if (!code) return self;
  tg_warehouse_free(self);
  return NULL;
}

static void running_stop(struct tg_warehouse *self,
                         bool (*is_meant)(const struct request *, uint64_t), uint64_t number,
                         bool is_last) {
  for (int i = 0; i < THREAD_COUNT; i++) {
    struct request *request = self->threads[i].running;
    if (!request || !is_meant(request, number)) continue;
    request->stop_code = TG_ECANCELLED;
    request->is_last |= is_last;
    atomic_store(&self->threads[i].sql.stop_code, TG_ECANCELLED);
  }
}

static void queued_stop(struct queue *queue, bool (*is_meant)(const struct request *, uint64_t),
                        uint64_t number) {
  for (struct request *request = queue->first; request; request = request->next)
    if (is_meant(request, number)) request->stop_code = TG_ECANCELLED;
}

static bool is_any(const struct request *request, uint64_t number) {
  (void)request;
  (void)number;
  return true;
}

static bool is_number(const struct request *request, uint64_t number) {
  return request->number == number;
}

static bool is_of_session(const struct request *request, uint64_t session) {
  return request->session == session;
}

// Stops the requests that are meant, wherever they are. Called with the mutex held.
static void requests_stop(struct tg_warehouse *self,
                          bool (*is_meant)(const struct request *, uint64_t), uint64_t number,
                          bool is_last) {
  queued_stop(&self->reads, is_meant, number);
  queued_stop(&self->writes, is_meant, number);
  running_stop(self, is_meant, number, is_last);
  queues_sweep(self);
  pthread_cond_broadcast(&self->changed);
}

// Waits a while for the threads to end. Called with the mutex held.
static void threads_await(struct tg_warehouse *self) {
  int64_t until_ms = tg_clock_mono_ms(tg_clock_system()) + TG_SQL_GRACE_MS;
  struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
  int errnum = 0;
  while (self->users > 1 && !errnum)
    errnum = pthread_cond_clockwait(&self->changed, &self->mutex, CLOCK_MONOTONIC, &until);
}

// Answers what runs on threads that are left behind; those keep the requests themselves.
static void abandoned_answer(const struct request *const running[THREAD_COUNT]) {
  struct tg_error err;
  struct tg_buf none;
  tg_error_set(&err, TG_ECANCELLED, "the statement was cancelled");
  tg_buf_init(&none, 0);
  for (int i = 0; i < THREAD_COUNT; i++)
    if (running[i]) running[i]->done(running[i]->self, &err, &none);
}

// Stops everything and waits for the threads, or leaves behind, with all that they use, those that
// do not end in time. Gives what those run.
static void threads_end(struct tg_warehouse *self, const struct request *running[THREAD_COUNT]) {
  pthread_mutex_lock(&self->mutex);
  self->is_closing = true;
  requests_stop(self, is_any, 0, true);
  threads_await(self);
  self->is_abandoned = self->users > 1;
  for (int i = 0; i < THREAD_COUNT; i++) running[i] = self->threads[i].running;
  bool is_abandoned = self->is_abandoned;
  pthread_mutex_unlock(&self->mutex);
  for (int i = 0; i < THREAD_COUNT; i++) {
    if (!self->threads[i].has_started) continue;
    if (is_abandoned)
      pthread_detach(self->threads[i].id);
    else
      pthread_join(self->threads[i].id, NULL);
  }
}

void tg_warehouse_free(struct tg_warehouse *self) {
  if (!self) return;
  const struct request *running[THREAD_COUNT];
  threads_end(self, running);
  finished_call(self);
  abandoned_answer(running);
  tg_timer_free(self->timer);
  tg_wake_free(self->wake);
  user_leave(self);
}

static struct request *request_new(const struct tg_warehouse_request *from) {
  struct request *request = calloc(1, sizeof *request);
  if (!request) return NULL;
  int64_t default_ms = tg_clock_mono_ms(tg_clock_system()) + TG_SQL_STATEMENT_MS;
  request->session = from->session;
  request->deadline_ms = from->deadline_ms ? from->deadline_ms : default_ms;
  request->done = from->done;
  request->self = from->self;
  tg_buf_init(&request->reply, TG_SQL_RESULT_BYTES_MAX);
  request->body = malloc(from->len + 1);
  request->len = from->len;
  if (!request->body)
    tg_error_set(&request->err, TG_ENOMEM, "out of memory");
  else if (from->len)
    memcpy(request->body, from->body, from->len);
  return request;
}

uint64_t tg_warehouse_submit(struct tg_warehouse *self, const struct tg_warehouse_request *from) {
  struct request *request = request_new(from);
  if (!request) return 0;
  pthread_mutex_lock(&self->mutex);
  uint64_t number = request->number = ++self->next_number;
  bool is_owner = self->has_owner && self->owner == from->session;
  if (self->is_closing) tg_error_set(&request->err, TG_ECANCELLED, "the warehouse closes");
  if (request->err.code) {
    request_finish(self, request);
  } else {
    queue_push(from->may_read_only && !is_owner ? &self->reads : &self->writes, request);
    timer_arm(self, request->deadline_ms);
  }
  pthread_cond_broadcast(&self->changed);
  pthread_mutex_unlock(&self->mutex);
  return number;
}

void tg_warehouse_cancel(struct tg_warehouse *self, uint64_t number) {
  pthread_mutex_lock(&self->mutex);
  requests_stop(self, is_number, number, false);
  pthread_mutex_unlock(&self->mutex);
}

void tg_warehouse_end_session(struct tg_warehouse *self, uint64_t session) {
  pthread_mutex_lock(&self->mutex);
  if (self->has_owner && self->owner == session) self->is_owner_gone = true;
  requests_stop(self, is_of_session, session, true);
  pthread_mutex_unlock(&self->mutex);
}
