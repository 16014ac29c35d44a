// SPDX-License-Identifier: Apache-2.0
#include "loop/serial.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/thread.h"

struct queue {
  struct tg_serial_call *first, **last;
};

struct tg_serial {
  struct tg_wake *wake;
  pthread_t thread;
  bool has_thread;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  struct queue added, made;
  bool is_busy; // a call is being made
  bool is_closing;
};

static void queue_init(struct queue *queue) {
  queue->first = NULL;
  queue->last = &queue->first;
}

static void queue_push(struct queue *queue, struct tg_serial_call *call) {
  call->next = NULL;
  *queue->last = call;
  queue->last = &call->next;
}

static struct tg_serial_call *queue_pop(struct queue *queue) {
  struct tg_serial_call *call = queue->first;
  if (!call) return NULL;
  queue->first = call->next;
  if (!queue->first) queue->last = &queue->first;
  return call;
}

static void *thread_main(void *arg) {
  struct tg_serial *self = arg;
  pthread_mutex_lock(&self->mutex);
  for (;;) {
    struct tg_serial_call *call = queue_pop(&self->added);
    self->is_busy = call != NULL;
    if (call) {
      pthread_mutex_unlock(&self->mutex);
      call->run(call->self);
      pthread_mutex_lock(&self->mutex);
      queue_push(&self->made, call);
      tg_wake_send(self->wake);
      continue;
    }
    pthread_cond_broadcast(&self->changed);
    if (self->is_closing) break;
    pthread_cond_wait(&self->changed, &self->mutex);
  }
  pthread_mutex_unlock(&self->mutex);
  return NULL;
}

// Tells what was made; a `done` may add further calls, and free its own.
static void made_tell(void *arg) {
  struct tg_serial *self = arg;
  for (;;) {
    pthread_mutex_lock(&self->mutex);
    struct tg_serial_call *call = queue_pop(&self->made);
    pthread_mutex_unlock(&self->mutex);
    if (!call) return;
    call->done(call->self);
  }
}

struct tg_serial *tg_serial_new(struct tg_loop *loop, struct tg_error *err) {
  struct tg_serial *self = calloc(1, sizeof *self);
  if (!self) {
    tg_error_set(err, TG_ENOMEM, "out of memory");
    return NULL;
  }
  self->wake = tg_wake_new(loop, made_tell, self, err);
  if (!self->wake) {
    free(self);
    return NULL;
  }
  pthread_mutex_init(&self->mutex, NULL);
  pthread_cond_init(&self->changed, NULL);
  queue_init(&self->added);
  queue_init(&self->made);
  return self;
}

void tg_serial_add(struct tg_serial *self, struct tg_serial_call *call) {
  if (!self->has_thread) self->has_thread = tg_thread_start(&self->thread, thread_main, self) == 0;
  if (!self->has_thread) {
    call->run(call->self);
    pthread_mutex_lock(&self->mutex);
    queue_push(&self->made, call);
    pthread_mutex_unlock(&self->mutex);
    tg_wake_send(self->wake);
    return;
  }
  pthread_mutex_lock(&self->mutex);
  queue_push(&self->added, call);
  pthread_cond_broadcast(&self->changed);
  pthread_mutex_unlock(&self->mutex);
}

// Waits until nothing is left; gives whether there was anything to tell, which may add more.
static bool drain(struct tg_serial *self) {
  pthread_mutex_lock(&self->mutex);
  while (self->added.first || self->is_busy) pthread_cond_wait(&self->changed, &self->mutex);
  bool has_made = self->made.first != NULL;
  pthread_mutex_unlock(&self->mutex);
  made_tell(self);
  return has_made;
}

void tg_serial_free(struct tg_serial *self) {
  if (!self) return;
  while (drain(self)) continue;
  pthread_mutex_lock(&self->mutex);
  self->is_closing = true;
  pthread_cond_broadcast(&self->changed);
  pthread_mutex_unlock(&self->mutex);
  if (self->has_thread) pthread_join(self->thread, NULL);
  tg_wake_free(self->wake);
  pthread_cond_destroy(&self->changed);
  pthread_mutex_destroy(&self->mutex);
  free(self);
}
