// SPDX-License-Identifier: Apache-2.0
// A selection of tasks. One that is accepted selects something, and marks are those there are.
#include "cli/select.h"
#include "fuzz/input.h"

static const char plan_text[] =
    "{\"name\":\"p\",\"tasks\":["
    "{\"name\":\"a\",\"runner\":\"script\",\"when\":\"all_success\",\"tags\":[\"nightly\"]},"
    "{\"name\":\"gold_b\",\"runner\":\"script\",\"when\":\"all_success\",\"after\":[0]},"
    "{\"name\":\"gold_c\",\"runner\":\"script\",\"when\":\"all_success\",\"after\":[0]},"
    "{\"name\":\"d\",\"runner\":\"script\",\"when\":\"all_success\",\"after\":[1,2]}]}";

enum { TASKS = 4, TEXT_MAX = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct tg_plan *plan;
  static const struct tg_task tasks[TASKS] = {{.name = "a", .state = TG_TASK_SUCCESS},
                                              {.name = "gold_b", .state = TG_TASK_FAILED},
                                              {.name = "gold_c", .state = TG_TASK_SKIPPED},
                                              {.name = "d", .state = TG_TASK_UPSTREAM_FAILED}};
  static const bool has_items[TASKS] = {false, true, false, false};
  static const struct tg_earlier earlier = {
      .tasks = tasks, .has_items = has_items, .has_failed_items = has_items};
  if (!plan) fuzz_check(tg_plan_parse(plan_text, sizeof plan_text - 1, &plan, NULL) == TG_OK);
  if (size > TEXT_MAX) return 0; // it comes from the command line of whoever waits for it
  struct input in = input_of(data, size);
  bool has_earlier = input_u8(&in) & 1;
  char *text = input_text(&in);
  uint8_t marks[TASKS], any = 0;
  struct tg_error err;
  if (tg_select(plan, has_earlier ? &earlier : NULL, text, marks, &err) == TG_OK) {
    for (int i = 0; i < TASKS; i++) any |= marks[i];
    fuzz_check(any && any <= (TG_MARK_TASK | TG_MARK_ITEMS));
  }
  free(text);
  return 0;
}
