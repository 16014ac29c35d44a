// SPDX-License-Identifier: Apache-2.0
#include "loop/serial.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CALL_COUNT = 100 };

struct scene {
  struct tg_loop *loop;
  struct tg_serial *serial;
  pthread_t loop_thread;
  sem_t gate; // what the first call waits for
  int run_count, done_count;
  int run_order[CALL_COUNT], done_order[CALL_COUNT];
};

struct call {
  struct tg_serial_call serial;
  struct scene *scene;
  int number;
  struct call *then; // is added when this one is done
};

static int setup(void **state) {
  struct scene *scene = calloc(1, sizeof *scene);
  *state = scene;
  scene->loop = tg_loop_new(NULL);
  scene->serial = tg_serial_new(scene->loop, NULL);
  scene->loop_thread = pthread_self();
  sem_init(&scene->gate, 0, 0);
  return scene->serial ? 0 : -1;
}

static int teardown(void **state) {
  struct scene *scene = *state;
  tg_serial_free(scene->serial);
  tg_loop_free(scene->loop);
  free(scene);
  return 0;
}

static void call_run(void *self) {
  struct call *call = self;
  struct scene *scene = call->scene;
  assert_false(pthread_equal(pthread_self(), scene->loop_thread));
  if (call->number == 0)
    while (sem_wait(&scene->gate)) continue;
  scene->run_order[scene->run_count++] = call->number;
}

static void call_done(void *self) {
  struct call *call = self;
  struct scene *scene = call->scene;
  assert_true(pthread_equal(pthread_self(), scene->loop_thread));
  scene->done_order[scene->done_count++] = call->number;
  if (call->then) tg_serial_add(scene->serial, &call->then->serial);
  memset(call, 0x55, sizeof *call); // it is ours again
}

static void call_add(struct scene *scene, struct call *call, int number) {
  *call = (struct call){.serial = {.run = call_run, .done = call_done, .self = call},
                        .scene = scene,
                        .number = number};
  tg_serial_add(scene->serial, &call->serial);
}

static void calls_are_made_in_their_order_beside_the_loop(void **state) {
  struct scene *scene = *state;
  struct call calls[CALL_COUNT];
  for (int i = 0; i < CALL_COUNT; i++) call_add(scene, &calls[i], i);
  tg_loop_turn(scene->loop, false);
  assert_int_equal(scene->done_count, 0); // the loop goes round while the first call is held
  sem_post(&scene->gate);
  while (scene->done_count < CALL_COUNT) tg_loop_turn(scene->loop, true);
  for (int i = 0; i < CALL_COUNT; i++) {
    assert_int_equal(scene->run_order[i], i);
    assert_int_equal(scene->done_order[i], i);
  }
}

static void freeing_waits_for_all_calls_and_what_they_add(void **state) {
  struct scene *scene = *state;
  struct call first, second, third;
  call_add(scene, &first, 1);
  call_add(scene, &second, 2);
  third = (struct call){
      .serial = {.run = call_run, .done = call_done, .self = &third}, .scene = scene, .number = 3};
  second.then = &third;
  tg_serial_free(scene->serial);
  scene->serial = NULL;
  assert_int_equal(scene->run_count, 3);
  assert_int_equal(scene->done_count, 3);
  assert_int_equal(scene->done_order[2], 3);
}

static void a_queue_that_was_never_used_is_freed(void **state) {
  (void)state;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(calls_are_made_in_their_order_beside_the_loop),
      TEST(freeing_waits_for_all_calls_and_what_they_add),
      TEST(a_queue_that_was_never_used_is_freed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
