// SPDX-License-Identifier: Apache-2.0
// JSON into Lua and back. A text that is read is written as one that reads the same, whatever the
// format. The first byte may make one of the next allocations fail, or squeeze the caps.
#include "fuzz/script_state.h"
#include "script/json_module.h"

enum { MIB = 1 << 20 };

struct text {
  const char *bytes;
  size_t len;
};

static int text_push(lua_State *L, const struct tg_json_caps *caps, struct tg_json_format format,
                     struct text *text) {
  struct tg_error err;
  int code = tg_lua_json_push_text(L, -1, caps, format, &err);
  if (code == TG_OK) text->bytes = lua_tolstring(L, -1, &text->len);
  return code;
}

// Reads a text that was written, writes it again, and wants the same.
static void again_check(lua_State *L, const struct tg_json_caps *caps, const struct text *text,
                        const struct text *expected) {
  struct tg_json_format format = {.is_sorted = true};
  struct text again;
  fuzz_check(tg_lua_json_push(L, text->bytes, text->len, caps, NULL) == TG_OK);
  fuzz_check(text_push(L, caps, format, &again) == TG_OK);
  fuzz_check(again.len == expected->len && !memcmp(again.bytes, expected->bytes, again.len));
  lua_pop(L, 2);
}

static void value_check(lua_State *L, const struct tg_json_caps *caps) {
  struct tg_json_format sorted = {.is_sorted = true},
                        pretty = {.is_sorted = true, .is_pretty = true};
  struct text compact, spaced;
  struct tg_buf out;
  fuzz_check(text_push(L, caps, sorted, &compact) == TG_OK);
  again_check(L, caps, &compact, &compact);
  lua_pushvalue(L, -2);
  fuzz_check(text_push(L, caps, pretty, &spaced) == TG_OK);
  again_check(L, caps, &spaced, &compact);
  lua_pop(L, 2);
  tg_buf_init(&out, 8 * MIB);
  fuzz_check(tg_lua_json_encode(L, -2, caps, &out, NULL) == TG_OK);
  fuzz_check(out.len == compact.len && !memcmp(out.data, compact.bytes, out.len));
  tg_buf_deinit(&out);
  lua_pop(L, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct script_state self;
  if (!self.state.box.L) script_state_open(&self, 64 * MIB);
  struct tg_allocator *allocator = &self.state.box.allocator;
  struct tg_json_caps caps = tg_json_caps_default();
  struct tg_json_place place;
  struct tg_error err;
  struct input in = input_of(data, size);
  lua_State *L = self.state.box.L;
  uint8_t mode = input_u8(&in);
  if (mode >= 0xc0) allocator->fail_at = allocator->calls + 1 + (mode & 0x1f);
  if (mode >= 0x80 && mode < 0xc0) caps.depth_max = mode & 7, caps.nodes_max = mode & 0x3f;
  int code = tg_lua_json_push_at(L, (const char *)in.at, input_left(&in), &caps, &place, &err);
  allocator->fail_at = 0;
  if (code == TG_OK && mode < 0x80) value_check(L, &caps);
  if (code != TG_OK) fuzz_check(code == err.code && *err.text);
  lua_settop(L, 0);
  return 0;
}
