// SPDX-License-Identifier: Apache-2.0
// The store's thread sleeps until something is queued, takes all of it, and makes it one
// transaction. Finished jobs go back through a list and a bell to the loop, in their order. Where a
// transaction fails, what is queued fails with it, until that is told: whoever queued it may count
// on what was lost.
//
// What waits for a commit mostly queues its next job right after it. What came while that commit
// was made would leave without it, and both would wait for every other commit from then on. So the
// thread gives the followers a moment, a part of what a commit takes; if they do not come, it does
// so less often. What nobody waits for is kept back until somebody comes who does, for
// TG_COMMIT_PATIENCE_MS at most.
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/must.h"
#include "base/thread.h"
#include "store/database.h"
#include "store/job.h"

enum { LOCK_TRIES_MAX = 200, LOCK_PAUSE_US = 10000 }; // two seconds

// The followers get a PART of the time of the last commit, at most FOLLOW_NS_MAX.
enum { PATIENCE_NS = TG_COMMIT_PATIENCE_MS * 1000000 };
enum { FOLLOW_PART = 4, FOLLOW_NS_MAX = 2000000, FOLLOW_SKIP_MAX = 16, SECOND_NS = 1000000000 };

struct job_list {
  struct tg_job *first, **last;
  size_t urgent; // how many may not wait
};

// How the followers of the last group are waited for; the thread's own.
struct following {
  size_t count, others;        // urgent jobs of the last group; those queued when it was done
  int64_t commit_ns, ended_ns; // how long it took, and when it was done
  unsigned skipped, skip;      // groups for which there was no wait, and for how many there is none
};

// A job's savepoint in the transaction of its group: begun, kept, taken back.
enum mark { MARK_BEGIN, MARK_KEEP, MARK_UNDO, MARK_UNDO_ALL, MARK_COUNT };

static const char *const mark_sql[MARK_COUNT] = {[MARK_BEGIN] = "SAVEPOINT job",
                                                 [MARK_KEEP] = "RELEASE job",
                                                 [MARK_UNDO] = "ROLLBACK TO job",
                                                 [MARK_UNDO_ALL] = "ROLLBACK"};

struct tg_store {
  sqlite3 *db;
  sqlite3_stmt *marks[MARK_COUNT];
  struct tg_writer writer;
  struct tg_wake *wake;
  int lock_fd;
  pthread_t thread;
  bool has_thread;
  pthread_mutex_t mutex;
  pthread_cond_t queued_some;
  struct job_list queued, finished; // under the mutex
  size_t awaited;                   // under the mutex: urgent jobs for which the thread is woken
  struct following following;
  struct tg_error refused; // under the mutex: a failure that is not told yet
  bool is_closing;         // under the mutex
  struct tg_error broken;  // the thread's: nothing is written after such a failure
};

static void list_init(struct job_list *list) {
  *list = (struct job_list){.last = &list->first};
}

static void list_add(struct job_list *list, struct tg_job *job) {
  job->next = NULL;
  *list->last = job;
  list->last = &job->next;
  list->urgent += !job->may_wait;
}

static struct tg_job *list_take(struct job_list *list) {
  struct tg_job *first = list->first;
  list_init(list);
  return first;
}

static bool is_own_failure(int code) {
  return code == TG_EEXISTS || code == TG_EINVALID;
}

// A failed COMMIT may still have reached the disk, so it is told as an outcome that nobody knows:
// what the store holds is not what it is believed to hold.
static int group_commit(struct tg_store *store, struct tg_error *err) {
  int code = tg_database_exec(store->db, "COMMIT", err);
  if (code == TG_EFULL || code == TG_OK) return code;
  char reason[TG_ERROR_TEXT_MAX / 2];
  snprintf(reason, sizeof reason, "%.*s", (int)sizeof reason - 1, err->text);
  return tg_error_set(err, TG_EDAMAGED, "a commit failed and its outcome is not known: %s", reason);
}

static int mark(struct tg_store *store, enum mark mark, struct tg_error *err) {
  sqlite3_stmt *statement = store->marks[mark];
  int code = sqlite3_step(statement) == SQLITE_DONE
                 ? TG_OK
                 : tg_database_error(store->db, "the store refuses a statement", err);
  sqlite3_reset(statement);
  return code;
}

static int marks_prepare(struct tg_store *store, struct tg_error *err) {
  for (int i = 0; i < MARK_COUNT; i++)
    if (sqlite3_prepare_v3(store->db, mark_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &store->marks[i],
                           NULL) != SQLITE_OK)
      return tg_database_error(store->db, "the store refuses a statement", err);
  return TG_OK;
}

// A job that fails by itself takes back what it had written; the others of the group go on.
static int job_write(struct tg_store *store, struct tg_job *job) {
  if (job->is_sure) return job->write(job, &store->writer, &job->err);
  int code = mark(store, MARK_BEGIN, &job->err);
  if (code) return code;
  int own = job->write(job, &store->writer, &job->err);
  if (own && !is_own_failure(own)) return own;
  if (own) code = mark(store, MARK_UNDO, &job->err);
  if (!code) code = mark(store, MARK_KEEP, &job->err);
  return code ? code : own;
}

// Gives 0 when the group is durable.
static int group_write(struct tg_store *store, struct tg_job *group, struct tg_error *failed) {
  *failed = store->broken;
  int code = failed->code ? failed->code : tg_database_exec(store->db, "BEGIN IMMEDIATE", failed);
  for (struct tg_job *job = group; job && !code; job = job->next) {
    int own = job_write(store, job);
    if (!own || (is_own_failure(own) && !job->is_sure)) continue;
    code = own;
    *failed = job->err;
  }
  if (!code) code = group_commit(store, failed);
  if (!code) return TG_OK;
  if (!sqlite3_get_autocommit(store->db)) mark(store, MARK_UNDO_ALL, NULL);
  bool is_undone = sqlite3_get_autocommit(store->db);
  if (code == TG_EIO || code == TG_EDAMAGED || !is_undone) store->broken = *failed;
  return code;
}

// Has the mutex.
static void jobs_finished(struct tg_store *store, struct tg_job *jobs,
                          const struct tg_error *failed) {
  while (jobs) {
    struct tg_job *next = jobs->next;
    if (failed) jobs->err = *failed;
    list_add(&store->finished, jobs);
    jobs = next;
  }
}

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

// Waits until so many urgent jobs are queued, or until the instant.
static void urgent_await(struct tg_store *store, size_t count, int64_t until_ns) {
  struct timespec until = {.tv_sec = until_ns / SECOND_NS, .tv_nsec = until_ns % SECOND_NS};
  int errnum = 0;
  store->awaited = count;
  while (store->queued.urgent < count && !store->is_closing && !errnum)
    errnum = pthread_cond_clockwait(&store->queued_some, &store->mutex, CLOCK_MONOTONIC, &until);
  store->awaited = 1;
}

// Called when an urgent job is there: gives those that follow the last group their moment.
static void followers_await(struct tg_store *store) {
  struct following *following = &store->following;
  size_t all = following->others + following->count;
  int64_t wait_ns = following->commit_ns / FOLLOW_PART;
  if (wait_ns > FOLLOW_NS_MAX) wait_ns = FOLLOW_NS_MAX;
  if (store->queued.urgent >= all || following->skipped++ < following->skip) return;
  urgent_await(store, all, following->ended_ns + wait_ns);
  bool is_worth_it =
      store->queued.urgent >= following->others + following->count / 2 + following->count % 2;
  following->skipped = 0;
  following->skip = is_worth_it ? 0 : following->skip * 2 + 1;
  if (following->skip > FOLLOW_SKIP_MAX) following->skip = FOLLOW_SKIP_MAX;
}

static void *thread_main(void *self) {
  struct tg_store *store = self;
  pthread_mutex_lock(&store->mutex);
  for (;;) {
    while (!store->queued.first && !store->is_closing)
      pthread_cond_wait(&store->queued_some, &store->mutex);
    if (!store->queued.urgent) urgent_await(store, 1, now_ns() + PATIENCE_NS);
    if (store->queued.urgent) followers_await(store);
    store->following.count = store->queued.urgent;
    struct tg_job *group = list_take(&store->queued);
    if (!group) break;
    pthread_mutex_unlock(&store->mutex);
    int64_t begin_ns = now_ns();
    struct tg_error failed;
    int code = group_write(store, group, &failed);
    store->following.ended_ns = now_ns();
    store->following.commit_ns = store->following.ended_ns - begin_ns;
    pthread_mutex_lock(&store->mutex);
    jobs_finished(store, group, code ? &failed : NULL);
    if (code) {
      store->refused = failed;
      jobs_finished(store, list_take(&store->queued), &failed);
    }
    store->following.others = store->queued.urgent;
    tg_wake_send(store->wake);
  }
  pthread_mutex_unlock(&store->mutex);
  return NULL;
}

static void jobs_finish(void *self) {
  struct tg_store *store = self;
  pthread_mutex_lock(&store->mutex);
  struct tg_job *job = list_take(&store->finished);
  pthread_mutex_unlock(&store->mutex);
  while (job) {
    struct tg_job *next = job->next;
    job->finish(job, job->err.code ? &job->err : NULL);
    job = next;
  }
  pthread_mutex_lock(&store->mutex);
  if (!store->finished.first) tg_error_clear(&store->refused); // who goes on knows of it
  pthread_mutex_unlock(&store->mutex);
}

void tg_store_submit(struct tg_store *store, struct tg_job *job) {
  tg_error_clear(&job->err);
  pthread_mutex_lock(&store->mutex);
  if (store->refused.code) job->err = store->refused;
  if (store->is_closing) tg_error_set(&job->err, TG_ECANCELLED, "the store is being closed");
  list_add(job->err.code ? &store->finished : &store->queued, job);
  bool is_awaited = !job->may_wait && store->queued.urgent == store->awaited;
  if (job->err.code)
    tg_wake_send(store->wake);
  else if (store->queued.first == job || is_awaited)
    pthread_cond_signal(&store->queued_some);
  pthread_mutex_unlock(&store->mutex);
}

// Gives the process that wrote itself into the lock file, 0 if none did.
static pid_t lock_owner(int fd) {
  char text[32] = "";
  ssize_t len = pread(fd, text, sizeof text - 1, 0);
  text[len > 0 ? (size_t)len : 0] = 0;
  return (pid_t)strtol(text, NULL, 10);
}

// Takes the lock. A host that is killed while it starts a child leaves the lock to that child until
// the child has closed what it inherited; a moment of patience with the dead is enough, and with
// those who hold it for a moment, who write nothing into it.
static int lock_take(int fd) {
  for (int tries = 0;; tries++) {
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return 0;
    pid_t owner = lock_owner(fd);
    bool is_gone = owner <= 0 || (kill(owner, 0) != 0 && errno == ESRCH);
    if (!is_gone || tries == LOCK_TRIES_MAX) return EWOULDBLOCK;
    usleep(LOCK_PAUSE_US);
  }
}

static int folder_lock(const char *data, bool is_brief, int *fd, struct tg_error *err) {
  char path[4096], owner[32];
  if ((size_t)snprintf(path, sizeof path, "%s/lock", data) >= sizeof path)
    return tg_error_set(err, TG_EINVALID, "path too long: %s", data);
  *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (*fd < 0)
    return tg_error_errno(err, tg_file_code(errno), errno, "cannot write in the data folder %s",
                          data);
  if (lock_take(*fd) != 0) {
    int code =
        tg_error_set(err, TG_EBUSY,
                     "the data folder %s is in use by another host (process %d); wait for it "
                     "to end, or give this one another folder with --data",
                     data, (int)lock_owner(*fd));
    close(*fd);
    *fd = -1;
    return code;
  }
  int len = is_brief ? 0 : snprintf(owner, sizeof owner, "%d", (int)getpid());
  if (ftruncate(*fd, 0) != 0 || pwrite(*fd, owner, (size_t)len, 0) != len)
    return tg_error_errno(err, TG_EIO, errno, "cannot write in the data folder %s", data);
  return TG_OK;
}

static int thread_start(struct tg_store *store, struct tg_error *err) {
  int errnum = tg_thread_start(&store->thread, thread_main, store);
  if (errnum) return tg_error_errno(err, TG_EIO, errnum, "cannot start the store's thread");
  store->has_thread = true;
  return TG_OK;
}

static int store_open(struct tg_loop *loop, const char *data, bool is_brief, struct tg_store **out,
                      struct tg_error *err) {
  int code = tg_file_make_folder(data, err);
  if (code) return code;
  struct tg_store *store = calloc(1, sizeof *store);
  if (!store) return tg_error_set(err, TG_ENOMEM, "no memory for the store");
  store->lock_fd = -1;
  pthread_mutex_init(&store->mutex, NULL);
  pthread_cond_init(&store->queued_some, NULL);
  list_init(&store->queued);
  list_init(&store->finished);
  code = folder_lock(data, is_brief, &store->lock_fd, err);
  if (!code) code = tg_database_open(data, true, &store->db, err);
  if (!code) code = tg_writer_init(&store->writer, store->db, err);
  if (!code) code = marks_prepare(store, err);
  if (!code) {
    store->wake = tg_wake_new(loop, jobs_finish, store, err);
    code = store->wake ? thread_start(store, err) : err ? err->code : TG_EIO;
  }
  if (code) {
    tg_store_close(store);
    return code;
  }
  *out = store;
  return TG_OK;
}

int tg_store_open(struct tg_loop *loop, const char *data, struct tg_store **out,
                  struct tg_error *err) {
  return store_open(loop, data, false, out, err);
}

int tg_store_open_briefly(struct tg_loop *loop, const char *data, struct tg_store **out,
                          struct tg_error *err) {
  return store_open(loop, data, true, out, err);
}

void tg_store_close(struct tg_store *store) {
  if (!store) return;
  if (store->has_thread) {
    pthread_mutex_lock(&store->mutex);
    store->is_closing = true;
    pthread_cond_signal(&store->queued_some);
    pthread_mutex_unlock(&store->mutex);
    pthread_join(store->thread, NULL);
    while (store->finished.first) jobs_finish(store); // what they queue now fails at once
  }
  tg_wake_free(store->wake);
  tg_writer_deinit(&store->writer);
  for (int i = 0; i < MARK_COUNT; i++) sqlite3_finalize(store->marks[i]);
  sqlite3_close(store->db);
  if (store->lock_fd >= 0) close(store->lock_fd);
  pthread_cond_destroy(&store->queued_some);
  pthread_mutex_destroy(&store->mutex);
  free(store);
}

struct batch_job {
  struct tg_job job;
  struct tg_batch *batch;
  tg_store_done *done;
  void *self;
};

static int batch_write(struct tg_job *job, struct tg_writer *writer, struct tg_error *err) {
  struct tg_batch *batch = ((struct batch_job *)job)->batch;
  int code = TG_OK;
  for (size_t i = 0; i < batch->count && !code; i++)
    code = tg_writer_put(writer, &batch->records[i], err);
  return code;
}

static void batch_finish(struct tg_job *job, const struct tg_error *err) {
  struct batch_job *own = (struct batch_job *)job;
  own->done(own->self, own->batch, err);
  free(own);
}

// Only a run may be refused: it is there already.
static bool is_sure(const struct tg_batch *batch) {
  for (size_t i = 0; i < batch->count; i++)
    if (batch->records[i].kind == TG_RECORD_RUN) return false;
  return true;
}

void tg_store_commit(struct tg_store *store, struct tg_batch *batch, tg_store_done *done,
                     void *self) {
  struct batch_job *own = tg_must(calloc(1, sizeof *own));
  *own = (struct batch_job){.job = {.write = batch_write,
                                    .finish = batch_finish,
                                    .is_sure = is_sure(batch),
                                    .may_wait = batch->may_wait},
                            .batch = batch,
                            .done = done,
                            .self = self};
  tg_store_submit(store, &own->job);
}

struct bundle_job {
  struct tg_job job;
  struct tg_bundle_row row;
  tg_store_kept *done;
  void *self;
};

static int bundle_write(struct tg_job *job, struct tg_writer *writer, struct tg_error *err) {
  return tg_writer_put_bundle(writer, &((struct bundle_job *)job)->row, err);
}

static void bundle_finish(struct tg_job *job, const struct tg_error *err) {
  struct bundle_job *own = (struct bundle_job *)job;
  own->done(own->self, err);
  free(own);
}

void tg_store_put_bundle(struct tg_store *store, const struct tg_bundle_row *row,
                         tg_store_kept *done, void *self) {
  struct bundle_job *own = tg_must(calloc(1, sizeof *own));
  *own = (struct bundle_job){.job = {.write = bundle_write, .finish = bundle_finish},
                             .row = *row,
                             .done = done,
                             .self = self};
  tg_store_submit(store, &own->job);
}
