// SPDX-License-Identifier: Apache-2.0
// Script workers that lie. The first worker of a test does as the file `malice` in the project says
// (and takes the file away when it has done it, so that those who come after it are honest); it
// knows the protocol well enough to get there. The host has to survive, to kill it, and to bring
// the run to its end with others.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "host/worker/stand.h"
#include "ipc/channel.h"

// The worker.

enum { WORKER_FD = 3, HANDLES = 40 };

static const char plan_text[] =
    "{\"name\":\"p\",\"file\":\"pipelines/p.lua\",\"params\":[],\"tasks\":["
    "{\"name\":\"a\",\"word\":\"task\",\"runner\":\"script\",\"when\":\"all_success\","
    "\"retry\":null},"
    "{\"name\":\"b\",\"word\":\"task\",\"runner\":\"script\",\"when\":\"all_success\","
    "\"after\":[0]},"
    "{\"name\":\"c\",\"word\":\"task\",\"runner\":\"script\",\"when\":\"all_success\"}]}";

struct liar {
  uint64_t peeking; // attempt that waits for a reply
  struct tg_channel channel;
  char malice[64];
};

static struct tg_buf *begin(struct liar *liar, enum tg_message type) {
  return tg_channel_begin(&liar->channel, (uint8_t)type);
}

static void wait_for(struct liar *liar, short events) {
  struct pollfd fd = {.fd = liar->channel.fd, .events = events};
  poll(&fd, 1, -1);
}

static void end(struct liar *liar) {
  if (tg_channel_end(&liar->channel, NULL)) _exit(9);
  while (tg_channel_is_pending(&liar->channel)) {
    if (tg_channel_flush(&liar->channel)) _exit(9);
    if (tg_channel_is_pending(&liar->channel)) wait_for(liar, POLLOUT);
  }
}

static void bytes_send(struct liar *liar, const void *bytes, size_t len) {
  tg_buf_put(&liar->channel.out, bytes, len);
  while (tg_channel_is_pending(&liar->channel))
    if (tg_channel_flush(&liar->channel)) _exit(9);
}

static void result_send(struct liar *liar, uint64_t attempt, const char *result,
                        const char *facts) {
  struct tg_buf *out = begin(liar, TG_MESSAGE_RESULT);
  tg_wire_put_u64(out, attempt);
  tg_wire_put_error(out, NULL);
  tg_wire_put_text(out, "");
  tg_wire_put_text(out, result);
  tg_wire_put_text(out, facts);
  end(liar);
}

static struct tg_buf *request_begin(struct liar *liar, uint64_t attempt, uint8_t kind) {
  struct tg_buf *out = begin(liar, TG_MESSAGE_REQUEST);
  tg_wire_put_u64(out, attempt);
  tg_wire_put_u64(out, 77);
  tg_wire_put_u8(out, kind);
  return out;
}

static void decided_send(struct liar *liar, uint64_t decision) {
  struct tg_buf *out = begin(liar, TG_MESSAGE_DECIDED);
  tg_wire_put_u64(out, decision);
  tg_wire_put_error(out, NULL);
  tg_wire_put_text(out, "{\"action\":\"x\"}");
  end(liar);
}

static bool is(const struct liar *liar, const char *malice) {
  return strcmp(liar->malice, malice) == 0;
}

// Asks for more than it ever reads: each reply is 7 MiB.
static void reply_flood(struct liar *liar, uint64_t attempt) {
  for (;;) {
    tg_wire_put_text(request_begin(liar, attempt, TG_REQUEST_OUTPUT), "a");
    end(liar);
  }
}

static void big_result(struct liar *liar, uint64_t attempt, size_t len) {
  char *text = malloc(len + 1);
  memset(text, 'x', len);
  text[0] = text[len - 1] = '"';
  text[len] = 0;
  result_send(liar, attempt, text, "");
  free(text);
}

static void error_code_send(struct liar *liar, uint64_t attempt, uint8_t code, uint8_t class) {
  struct tg_buf *out = begin(liar, TG_MESSAGE_RESULT);
  tg_wire_put_u64(out, attempt);
  tg_wire_put_u8(out, code);
  tg_wire_put_u8(out, class);
  tg_wire_put_i64(out, 0);
  tg_wire_put_text(out, "");
  tg_wire_put_text(out, "");
  tg_wire_put_text(out, "");
  tg_wire_put_text(out, "");
  end(liar);
}

// Of two liars, the first one goes on when the second has its attempt too; the second one does
// nothing and ends when the first one is gone. `malice` is then the first one's process id.
static void second_await(const struct liar *liar) {
  char text[16];
  int len = snprintf(text, sizeof text, "%d", (int)getpid());
  if (!is(liar, "others") && !is(liar, "others' requests")) return;
  if (rename("malice", "malice.first") == 0) {
    tg_file_write("malice.pid", text, (size_t)len, NULL);
    while (access("malice.first", F_OK) == 0) usleep(1000);
    return;
  }
  struct tg_buf pid;
  tg_buf_init(&pid, 100);
  while (tg_file_read("malice.pid", &pid, NULL)) usleep(1000);
  unlink("malice.first");
  while (kill(atoi(tg_buf_text(&pid)), 0) == 0) usleep(1000);
  _exit(0);
}

static void started(struct liar *liar, uint64_t attempt, uint32_t task) {
  if (is(liar, "deaf")) {
    if (task == 1) {
      unlink("malice");
      reply_flood(liar, attempt);
    }
    big_result(liar, attempt, 7 << 20);
    return;
  }
  if (is(liar, "peek")) {
    if (task == 1) {
      tg_wire_put_text(request_begin(liar, attempt, TG_REQUEST_OUTPUT), "c");
      end(liar);
      liar->peeking = attempt;
    } else {
      result_send(liar, attempt, "\"secret\"", "");
    }
    return;
  }
  second_await(liar);
  unlink("malice");
  if (is(liar, "type")) end((begin(liar, (enum tg_message)200), liar));
  if (is(liar, "length")) bytes_send(liar, "\xff\xff\xff\xff\x22", 5);
  if (is(liar, "empty")) bytes_send(liar, "\0\0\0\0", 4);
  if (is(liar, "short")) {
    tg_wire_put_u64(begin(liar, TG_MESSAGE_RESULT), attempt);
    end(liar);
  }
  if (is(liar, "json")) result_send(liar, attempt, "{\"a\":1}}", "");
  if (is(liar, "utf8")) result_send(liar, attempt, "\"\xff\"", "");
  if (is(liar, "large")) big_result(liar, attempt, (8 << 20) + 1);
  if (is(liar, "code")) error_code_send(liar, attempt, 250, 1);
  if (is(liar, "class")) error_code_send(liar, attempt, TG_EIO, 99);
  if (is(liar, "others"))
    for (uint64_t other = 1; other <= HANDLES; other++)
      if (other != attempt) result_send(liar, other, "1", "");
  if (is(liar, "others' requests"))
    for (uint64_t other = 1; other <= HANDLES; other++) {
      if (other == attempt) continue;
      tg_wire_put_i64(request_begin(liar, other, TG_REQUEST_SLEEP), 1);
      end(liar);
    }
  if (is(liar, "kind")) end((request_begin(liar, attempt, 99), liar));
  if (is(liar, "body"))
    for (uint8_t kind = TG_REQUEST_HTTP; kind <= TG_REQUEST_OUTPUT; kind++) {
      tg_wire_put_u32(request_begin(liar, attempt, kind), 0x7fffffff);
      end(liar);
    }
  if (is(liar, "sleepers"))
    for (int i = 0; i < 1000; i++) {
      tg_wire_put_i64(request_begin(liar, attempt, TG_REQUEST_SLEEP), INT64_MAX);
      end(liar);
    }
  if (is(liar, "source")) {
    struct tg_buf *out = request_begin(liar, 0, TG_REQUEST_SOURCE);
    tg_wire_put_text(out, "module");
    tg_wire_put_text(out, "p");
    end(liar);
  }
  if (is(liar, "loaded")) {
    struct tg_buf *out = begin(liar, TG_MESSAGE_LOADED);
    tg_wire_put_u64(out, 1);
    tg_wire_put_text(out, plan_text);
    tg_wire_put_u8(out, 1);
    end(liar);
  }
  if (is(liar, "plan")) {
    struct tg_buf *out = begin(liar, TG_MESSAGE_PLAN);
    tg_wire_put_u64(out, 1);
    tg_wire_put_text(out, plan_text);
    end(liar);
  }
  if (is(liar, "level")) {
    struct tg_buf *out = begin(liar, TG_MESSAGE_LOG);
    tg_wire_put_u64(out, attempt);
    tg_wire_put_u8(out, 77);
    tg_wire_put_text(out, "x");
    end(liar);
  }
  if (is(liar, "exit")) _exit(3);
}

static void load_take(struct liar *liar, struct tg_reader *body) {
  uint64_t bundle = tg_wire_get_u64(body);
  if (is(liar, "silent")) return;
  if (tg_wire_get_u8(body) == TG_BUNDLE_POLICY) { // answers before it is asked
    unlink("malice");
    for (uint64_t decision = 1; decision <= HANDLES; decision++) decided_send(liar, decision);
  }
  struct tg_buf *out = begin(liar, TG_MESSAGE_LOADED);
  tg_wire_put_u64(out, bundle);
  tg_wire_put_text(out, plan_text);
  tg_wire_put_u8(out, 1);
  end(liar);
}

static void reply_take(struct liar *liar, struct tg_reader *body) {
  struct tg_error err;
  tg_wire_get_u64(body);
  tg_wire_get_error(body, &err);
  result_send(liar, liar->peeking, err.code == TG_EINVALID ? "\"refused\"" : "\"given\"", "");
}

static void liar_work(struct liar *liar) {
  for (;;) {
    uint8_t type;
    struct tg_reader body;
    wait_for(liar, POLLIN);
    if (tg_channel_fill(&liar->channel)) _exit(0);
    while (tg_channel_next(&liar->channel, &type, &body) == 1) {
      if (type == TG_MESSAGE_LOAD) load_take(liar, &body);
      if (type == TG_MESSAGE_REPLY) reply_take(liar, &body);
      if (type != TG_MESSAGE_START) continue;
      uint64_t attempt = tg_wire_get_u64(&body);
      tg_wire_get_u64(&body);
      started(liar, attempt, tg_wire_get_u32(&body));
    }
  }
}

// Becomes a liar if there is malice.
static void liar_main(void) {
  struct liar liar = {.malice = ""};
  int fd = open("malice", O_RDONLY);
  if (fd < 0) fd = open("malice.first", O_RDONLY);
  if (fd < 0) return;
  ssize_t len = read(fd, liar.malice, sizeof liar.malice - 1);
  close(fd);
  if (len <= 0) return;
  tg_channel_init(&liar.channel, WORKER_FD);
  liar_work(&liar);
}

// The host.

static struct stand stand;

static int setup(void **state) {
  (void)state;
  stand_init(&stand);
  stand_write(&stand, "pipelines/p.lua",
              "local tg = require 'tidegate'\n"
              "local function run() return 1 end\n"
              "return tg.pipeline 'p' { tasks = { tg.task 'a' { run = run },"
              " tg.task 'b' { after = 'a', run = run }, tg.task 'c' { run = run } } }");
  return 0;
}

static int teardown(void **state) {
  (void)state;
  stand_deinit(&stand);
  return 0;
}

static void run_with(const char *malice, uint32_t workers) {
  unlink("malice.pid"); // of the liars before
  stand_write(&stand, "malice", malice);
  stand_open(&stand, workers);
  stand_build(&stand);
  stand_begin(&stand, "{}");
  stand_finish(&stand);
}

static const struct {
  const char *malice;
  uint32_t workers;
  const char *why; // it was killed
} lies[] = {
    {"type", 1, "it sent a message of unknown type 200"},
    {"length", 1, "it sent a malformed frame"},
    {"empty", 1, "it sent a malformed frame"},
    {"short", 1, "its result is malformed"},
    {"json", 1, "its result is malformed"},
    {"utf8", 1, "its result is malformed"},
    {"large", 1, "its result is malformed"},
    {"code", 1, "its result is malformed"},
    {"class", 1, "its result is malformed"},
    {"others", 2, "it tells the result of what it was not given"},
    {"others' requests", 2, "it asks for what it was not given"},
    {"kind", 1, "it asks for a thing of unknown kind 99"},
    {"body", 1, "malformed"},
    {"sleepers", 1, "it asks for 64 things at once"},
    {"source", 1, "it asks for a file of no bundle"},
    {"loaded", 1, "it says it loaded what nobody asked for"},
    {"plan", 1, "it tells a plan that nobody asked for"},
    {"level", 1, "its log line is malformed"},
    {"exit", 1, "exit code 3"},
};

static bool was_killed_for(const char *why) {
  for (size_t i = 0; i < stand.attempt_count; i++) {
    const struct tg_attempt *attempt = &stand.attempts[i];
    if (attempt->state == TG_ATTEMPT_LOST && strstr(attempt->failure.text, why)) return true;
  }
  return false;
}

static void a_liar_is_killed_and_the_run_goes_on(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
    run_with(lies[i].malice, lies[i].workers);
    if (stand.end != TG_RUN_SUCCESS)
      fail_msg("%s: the run ended %s: %s", lies[i].malice, tg_run_state_word(stand.end),
               stand.run.failure.text);
    if (!was_killed_for(lies[i].why))
      fail_msg("%s: the worker was not killed, or for another reason: %s", lies[i].malice,
               stand.attempts[0].failure.text);
    stand_close(&stand);
  }
}

static void a_worker_that_asks_and_never_reads_is_killed(void **state) {
  (void)state;
  run_with("deaf", 1);
  assert_int_equal(stand.end, TG_RUN_SUCCESS);
  assert_string_equal(stand_attempt(&stand, "b", 1)->failure.text,
                      "its worker was lost (it asks and does not listen)");
}

static void the_output_of_a_task_that_is_not_upstream_is_refused(void **state) {
  (void)state;
  run_with("peek", 1);
  assert_string_equal(stand_task(&stand, "c")->output, "\"secret\"");
  assert_string_equal(stand_task(&stand, "b")->output, "\"refused\"");
}

static void answered(void *self, const struct tg_error *err, const char *output,
                     const char *version) {
  (void)output;
  (void)version;
  *(int *)self = err ? err->code : -1;
}

// The liar is given a policy whose files are known (a LOAD that is not a build), and answers every
// decision there may be before it says that it has them.
static void a_decision_that_nobody_asked_for_is_none(void **state) {
  (void)state;
  static const char text[] = "return { doc = 'd', kind = 'branch', input = {}, decide = function()"
                             " return { action = 'honest' } end }";
  struct tg_source source = {.key = "policy:route",
                             .path = "pipelines/policies/route.lua",
                             .text = text,
                             .len = sizeof text - 1};
  int told = 0;
  stand_write(&stand, "malice", "early");
  stand_open(&stand, 1);
  struct tg_scripts *scripts = tg_host_scripts(stand.host);
  const struct tg_bundle_row row = {.plan = "{}", .program = "", .sources = &source, .count = 1};
  const struct tg_version *bundle = tg_bundles_adopt(tg_scripts_bundles(scripts), "p", &row);
  struct tg_question question = {.policy = "route", .input = "{}", .bundle = bundle};
  tg_policies_ask(tg_scripts_policies(scripts), &question, answered, &told);
  while (!told) stand_turn(&stand);
  assert_int_equal(told, TG_ELOST);
  told = 0;
  tg_policies_ask(tg_scripts_policies(scripts), &question, answered, &told);
  while (!told) stand_turn(&stand);
  assert_int_equal(told, -1);
}

// The liar of the policy never gets to load it: it is asked to load the pipeline, and says nothing.
static void an_attempt_that_was_not_sent_is_cancelled_without_its_worker(void **state) {
  (void)state;
  stand_open(&stand, 1);
  stand_build(&stand); // by an honest worker, in a host that has it from now on
  pid_t pid;
  stand_await_workers(&stand, 1);
  assert_int_equal(stand_workers(&pid, 1), 1);
  assert_int_equal(kill(pid, SIGKILL), 0);
  stand_await_workers(&stand, 0);
  stand_write(&stand, "malice", "silent");
  stand_begin(&stand, "{}");
  stand_await_running(&stand, 2);
  stand_await_workers(&stand, 1); // the dead one may be missed only when it is given something
  tg_conductor_input(
      tg_host_services(stand.host)->conductor,
      &(struct tg_input){.kind = TG_INPUT_CANCEL,
                         .cancel = {.run = 1, .code = TG_ECANCELLED, .reason = "asked for"}});
  stand_finish(&stand);
  assert_int_equal(stand.end, TG_RUN_CANCELLED);
  stand_await_workers(&stand, 1); // it lives
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "script-worker") == 0) liar_main();
  stand_main(argc, argv);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_liar_is_killed_and_the_run_goes_on, setup, teardown),
      cmocka_unit_test_setup_teardown(a_worker_that_asks_and_never_reads_is_killed, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(the_output_of_a_task_that_is_not_upstream_is_refused, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(a_decision_that_nobody_asked_for_is_none, setup, teardown),
      cmocka_unit_test_setup_teardown(an_attempt_that_was_not_sent_is_cancelled_without_its_worker,
                                      setup, teardown),
  };
  return cmocka_run_group_tests_name("host/worker/hostile", tests, NULL, NULL);
}
