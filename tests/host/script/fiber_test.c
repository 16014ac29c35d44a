// SPDX-License-Identifier: Apache-2.0
// In which order fibers get their turns. The clock of the box goes on by a millisecond each time
// it is read, so a turn of a busy fiber is over after a few looks.
#include "script/fiber.h"

#include <errno.h>
#include <sys/socket.h>

#include "box.h"

struct scene {
  struct box box;
  struct tg_channel channel;
  int host; // the other end
  struct tg_scheduler scheduler;
  struct tg_fiber_list siblings;
  char order[64]; // the names of those that finished, and "|" for each round
};

// A fiber that appends its name when it finishes.
struct named {
  struct tg_fiber fiber;
  struct scene *scene;
  const char *script, *name;
  bool is_over;
};

static void order_add(struct scene *scene, const char *text) {
  size_t len = strlen(scene->order);
  snprintf(scene->order + len, sizeof scene->order - len, "%s", text);
}

static int setup(void **state) {
  static struct scene scene;
  memset(&scene, 0, sizeof scene);
  box_open(&scene.box, TG_BUNDLE_STATE_BYTES_MAX, false);
  int ends[2];
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  tg_channel_init(&scene.channel, ends[0]);
  scene.host = ends[1];
  tg_scheduler_init(&scene.scheduler, &scene.channel, &scene.box.clock);
  TAILQ_INIT(&scene.siblings);
  *state = &scene;
  return 0;
}

static int teardown(void **state) {
  struct scene *scene = *state;
  tg_scheduler_deinit(&scene->scheduler);
  tg_channel_deinit(&scene->channel);
  close(scene->host);
  box_close(&scene->box);
  return 0;
}

static void on_finish(struct tg_fiber *fiber, enum tg_turn turn, int nresults) {
  struct named *named = (struct named *)fiber;
  (void)nresults;
  named->is_over = true;
  order_add(named->scene, turn == TG_TURN_DONE ? named->name : "?");
}

static int l_prepare(lua_State *L) {
  const struct named *named = lua_touserdata(L, 1);
  if (luaL_loadstring(L, named->script) != LUA_OK) return lua_error(L);
  return 1;
}

static void begin(struct scene *scene, struct named *named, const char *name, const char *script) {
  *named = (struct named){.scene = scene, .name = name, .script = script};
  tg_fiber_init(&named->fiber, &scene->scheduler, &scene->box.sandbox, &scene->siblings,
                TG_FIBER_ATTEMPT, INT64_MAX);
  named->fiber.finish = on_finish;
  struct tg_error err;
  assert_int_equal(tg_fiber_start(&named->fiber, l_prepare, named, &err), TG_OK);
}

static void round_run(struct scene *scene) {
  assert_int_equal(tg_scheduler_run(&scene->scheduler, TG_SLICE_MS), 0);
  order_add(scene, "|");
}

static const char spin[] = "while true do end";
static const char nothing[] = "return 1";

static void a_fresh_fiber_goes_before_those_that_are_busy(void **state) {
  struct scene *scene = *state;
  struct named busy[2], fresh[2];
  begin(scene, &busy[0], "A", spin);
  begin(scene, &busy[1], "B", spin);
  round_run(scene);
  round_run(scene);
  begin(scene, &fresh[0], "x", nothing);
  begin(scene, &fresh[1], "y", nothing);
  round_run(scene);
  assert_string_equal(scene->order, "||xy|");
  for (int i = 0; i < 2; i++) {
    tg_fiber_close(&fresh[i].fiber);
    tg_fiber_close(&busy[i].fiber);
  }
}

static void the_busy_ones_get_a_turn_each_beside_a_stream_of_fresh_ones(void **state) {
  struct scene *scene = *state;
  struct named busy[2], fresh;
  begin(scene, &busy[0], "A", "for i = 1, 3e5 do end");
  begin(scene, &busy[1], "B", "for i = 1, 3e5 do end");
  int rounds = 0;
  for (; !(busy[0].is_over && busy[1].is_over) && rounds < 100; rounds++) {
    begin(scene, &fresh, "", nothing);
    assert_int_equal(tg_scheduler_run(&scene->scheduler, TG_SLICE_MS), 0);
    tg_fiber_close(&fresh.fiber);
  }
  assert_string_equal(scene->order, "AB");
  for (int i = 0; i < 2; i++) tg_fiber_close(&busy[i].fiber);
}

// So that the host can act on it while the worker is busy.
static void what_was_made_leaves_before_a_busy_turn(void **state) {
  struct scene *scene = *state;
  struct named busy;
  begin(scene, &busy, "A", spin);
  round_run(scene);
  tg_scheduler_log(&scene->scheduler, TG_LOG_INFO, "made", 4);
  round_run(scene);
  char bytes[256];
  assert_true(recv(scene->host, bytes, sizeof bytes, MSG_DONTWAIT) > 4);
  tg_fiber_close(&busy.fiber);
}

static void a_channel_that_is_broken_is_told(void **state) {
  struct scene *scene = *state;
  struct named busy;
  begin(scene, &busy, "A", spin);
  round_run(scene);
  shutdown(scene->host, SHUT_RDWR);
  tg_scheduler_log(&scene->scheduler, TG_LOG_INFO, "made", 4);
  assert_int_equal(tg_scheduler_run(&scene->scheduler, TG_SLICE_MS), EPIPE);
  tg_fiber_close(&busy.fiber);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_fresh_fiber_goes_before_those_that_are_busy),
      TEST(the_busy_ones_get_a_turn_each_beside_a_stream_of_fresh_ones),
      TEST(what_was_made_leaves_before_a_busy_turn),
      TEST(a_channel_that_is_broken_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
