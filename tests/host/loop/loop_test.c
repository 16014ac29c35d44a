// SPDX-License-Identifier: Apache-2.0
#include "loop/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

struct scene {
  struct tg_loop *loop;
  struct tg_timer *timer;
  struct tg_poll *poll;
  struct tg_wake *wake;
  struct tg_signal *signal;
  struct tg_deferred first, second;
  int fds[2];
  int count;
  char order[8];
};

static int setup(void **state) {
  static struct scene scene;
  scene = (struct scene){.fds = {-1, -1}};
  scene.loop = tg_loop_new(NULL);
  *state = &scene;
  return scene.loop ? 0 : -1;
}

static int teardown(void **state) {
  struct scene *scene = *state;
  tg_timer_free(scene->timer);
  tg_poll_free(scene->poll);
  tg_wake_free(scene->wake);
  tg_signal_free(scene->signal);
  tg_loop_free(scene->loop);
  for (int i = 0; i < 2; i++)
    if (scene->fds[i] >= 0) close(scene->fds[i]);
  return 0;
}

static void counted(void *self) {
  struct scene *scene = self;
  scene->count++;
}

static void fires_once_and_the_loop_ends(void **state) {
  struct scene *scene = *state;
  scene->timer = tg_timer_new(scene->loop, counted, scene, NULL);
  int64_t start = tg_clock_mono_ms(tg_loop_clock(scene->loop));
  tg_timer_start(scene->timer, 20);
  assert_true(tg_timer_is_running(scene->timer));
  tg_loop_run(scene->loop);
  assert_int_equal(scene->count, 1);
  assert_true(tg_clock_mono_ms(tg_loop_clock(scene->loop)) - start >= 19);
  assert_false(tg_timer_is_running(scene->timer));
}

static void a_stopped_timer_does_not_fire(void **state) {
  struct scene *scene = *state;
  scene->timer = tg_timer_new(scene->loop, counted, scene, NULL);
  tg_timer_start(scene->timer, 0);
  tg_timer_stop(scene->timer);
  tg_loop_run(scene->loop);
  assert_int_equal(scene->count, 0);
}

static void timer_frees_itself(void *self) {
  struct scene *scene = self;
  scene->count++;
  tg_timer_free(scene->timer);
  scene->timer = NULL;
}

static void a_handle_may_be_freed_in_its_own_callback(void **state) {
  struct scene *scene = *state;
  scene->timer = tg_timer_new(scene->loop, timer_frees_itself, scene, NULL);
  tg_timer_start(scene->timer, 0);
  tg_loop_run(scene->loop);
  assert_int_equal(scene->count, 1);
}

static void descriptor_ready(void *self, int events, int errnum) {
  struct scene *scene = self;
  char byte;
  assert_int_equal(errnum, 0);
  assert_int_equal(events, TG_POLL_READ);
  assert_int_equal(read(scene->fds[0], &byte, 1), 1);
  if (++scene->count == 3) tg_poll_stop(scene->poll);
}

static void tells_that_a_descriptor_is_ready_until_it_is_read(void **state) {
  struct scene *scene = *state;
  assert_int_equal(pipe(scene->fds), 0);
  assert_int_equal(write(scene->fds[1], "abc", 3), 3);
  scene->poll = tg_poll_new(scene->loop, scene->fds[0], descriptor_ready, scene, NULL);
  tg_poll_start(scene->poll, TG_POLL_READ);
  tg_loop_run(scene->loop);
  assert_int_equal(scene->count, 3);
}

static void noted(void *self) {
  struct scene *scene = self;
  scene->order[scene->count++] = 't';
}

static void byte_noted(void *self, int events, int errnum) {
  struct scene *scene = self;
  char byte;
  (void)events;
  assert_int_equal(errnum, 0);
  assert_int_equal(read(scene->fds[0], &byte, 1), 1);
  scene->order[scene->count++] = 'p';
  tg_poll_stop(scene->poll);
}

// As in a process that was stopped: the deadline is over, and so is what it was for.
static void what_came_in_is_heard_before_a_timer_that_is_late(void **state) {
  struct scene *scene = *state;
  assert_int_equal(pipe(scene->fds), 0);
  scene->timer = tg_timer_new(scene->loop, noted, scene, NULL);
  scene->poll = tg_poll_new(scene->loop, scene->fds[0], byte_noted, scene, NULL);
  tg_poll_start(scene->poll, TG_POLL_READ);
  tg_timer_start(scene->timer, 1);
  assert_int_equal(write(scene->fds[1], "a", 1), 1);
  usleep(100000);
  tg_loop_run(scene->loop);
  assert_string_equal(scene->order, "pt");
}

static void refuses_to_watch_what_is_no_descriptor(void **state) {
  struct scene *scene = *state;
  struct tg_error err;
  assert_null(tg_poll_new(scene->loop, 12345, descriptor_ready, scene, &err));
  assert_int_equal(err.code, TG_EIO);
}

static void *ring(void *wake) {
  tg_wake_send(wake);
  return NULL;
}

static void stop_at_wake(void *self) {
  struct scene *scene = self;
  scene->count++;
  tg_loop_stop(scene->loop);
}

static void another_thread_wakes_the_loop(void **state) {
  struct scene *scene = *state;
  scene->wake = tg_wake_new(scene->loop, stop_at_wake, scene, NULL);
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, ring, scene->wake), 0);
  tg_loop_run(scene->loop);
  pthread_join(thread, NULL);
  assert_int_equal(scene->count, 1);
}

static void signal_caught(void *self, int signum) {
  struct scene *scene = self;
  scene->count = signum;
  tg_loop_stop(scene->loop);
}

static void catches_a_signal(void **state) {
  struct scene *scene = *state;
  scene->signal = tg_signal_new(scene->loop, SIGUSR1, signal_caught, scene, NULL);
  raise(SIGUSR1);
  tg_loop_run(scene->loop);
  assert_int_equal(scene->count, SIGUSR1);
}

static void an_unreferenced_signal_does_not_keep_the_loop_going(void **state) {
  struct scene *scene = *state;
  scene->signal = tg_signal_new(scene->loop, SIGUSR1, signal_caught, scene, NULL);
  tg_signal_unref(scene->signal);
  tg_loop_run(scene->loop);
  assert_int_equal(scene->count, 0);
}

// As a shell has SIGINT for what it starts in the background, and a careless parent SIGCHLD.
static void catches_a_signal_that_was_ignored(void **state) {
  struct scene *scene = *state;
  signal(SIGUSR1, SIG_IGN);
  catches_a_signal(state);
  tg_signal_free(scene->signal);
  scene->signal = NULL;
  struct sigaction now;
  sigaction(SIGUSR1, NULL, &now);
  assert_ptr_equal(now.sa_handler, SIG_IGN);
  signal(SIGUSR1, SIG_DFL);
}

// It would end this process.
static void what_was_not_told_goes_with_its_watch(void **state) {
  struct scene *scene = *state;
  sigset_t mask;
  scene->signal = tg_signal_new(scene->loop, SIGUSR1, signal_caught, scene, NULL);
  raise(SIGUSR1);
  tg_signal_free(scene->signal);
  scene->signal = NULL;
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  assert_int_equal(sigismember(&mask, SIGUSR1), 0);
  tg_loop_run(scene->loop);
  assert_int_equal(scene->count, 0);
}

static void note_second(void *self) {
  struct scene *scene = self;
  scene->order[scene->count++] = '2';
}

static void note_first(void *self) {
  struct scene *scene = self;
  scene->order[scene->count++] = '1';
  if (scene->count == 1) tg_loop_defer(scene->loop, &scene->first); // again, on the next turn
}

static void deferred_calls_keep_their_order_and_may_come_again(void **state) {
  struct scene *scene = *state;
  scene->first = (struct tg_deferred){.call = note_first, .self = scene};
  scene->second = (struct tg_deferred){.call = note_second, .self = scene};
  tg_loop_defer(scene->loop, &scene->first);
  tg_loop_defer(scene->loop, &scene->second);
  tg_loop_defer(scene->loop, &scene->first);
  assert_int_equal(scene->count, 0);
  tg_loop_run(scene->loop);
  assert_string_equal(scene->order, "121");
}

static void takes_second_back(void *self) {
  struct scene *scene = self;
  scene->count++;
  tg_loop_undefer(scene->loop, &scene->second);
}

static void a_deferred_call_can_be_taken_back_even_while_the_queue_is_worked_off(void **state) {
  struct scene *scene = *state;
  scene->first = (struct tg_deferred){.call = takes_second_back, .self = scene};
  scene->second = (struct tg_deferred){.call = note_second, .self = scene};
  tg_loop_defer(scene->loop, &scene->second);
  tg_loop_undefer(scene->loop, &scene->second);
  tg_loop_run(scene->loop);
  assert_int_equal(scene->count, 0);
  tg_loop_defer(scene->loop, &scene->first);
  tg_loop_defer(scene->loop, &scene->second);
  tg_loop_run(scene->loop);
  assert_int_equal(scene->count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(fires_once_and_the_loop_ends),
      TEST(a_stopped_timer_does_not_fire),
      TEST(a_handle_may_be_freed_in_its_own_callback),
      TEST(tells_that_a_descriptor_is_ready_until_it_is_read),
      TEST(what_came_in_is_heard_before_a_timer_that_is_late),
      TEST(refuses_to_watch_what_is_no_descriptor),
      TEST(another_thread_wakes_the_loop),
      TEST(catches_a_signal),
      TEST(an_unreferenced_signal_does_not_keep_the_loop_going),
      TEST(catches_a_signal_that_was_ignored),
      TEST(what_was_not_told_goes_with_its_watch),
      TEST(deferred_calls_keep_their_order_and_may_come_again),
      TEST(a_deferred_call_can_be_taken_back_even_while_the_queue_is_worked_off),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
