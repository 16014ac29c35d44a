// SPDX-License-Identifier: Apache-2.0
// The sandbox's own versions of Lua's functions against Lua's: where ours gives a result, Lua's
// gives the same. Ours is asked first, so that Lua's is asked for nothing that ends late or never.
//
// The input: which function, the number of arguments, the arguments.
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <math.h>

#include "base/buf.h"
#include "fuzz/clock.h"
#include "fuzz/input.h"
#include "script/sandbox.h"

enum { ARGS_MAX = 5, LIST_MAX = 8, BUDGET_MS = 400, MIB = 1 << 20, INPUTS_PER_STATE = 5000 };

// Run in both states; gives the functions.
static const char prelude[] =
    "local function scalar(x) return type(x) ~= 'table' end\n"
    "return {\n"
    "  string.find, string.match, string.gsub, string.byte, string.char, string.sub,\n"
    "  string.reverse, string.upper, string.lower, string.len, string.pack, string.unpack,\n"
    "  string.packsize, table.concat, table.unpack, table.pack, utf8.char, utf8.codepoint,\n"
    "  utf8.len, utf8.offset, math.floor, math.ceil, math.fmod, math.tointeger, math.type,\n"
    "  math.ult, math.abs, math.max, math.min, math.modf, tonumber, select, rawequal, rawlen,\n"
    "  function(s, n, by)\n" // Lua's own repeats nothing for ever
    "    assert(#s + #(by or '') > 0)\n"
    "    return string.rep(s, n, by)\n"
    "  end,\n"
    "  function(s, p, i)\n"
    "    local all = {}\n"
    "    for a, b in string.gmatch(s, p, i) do\n"
    "      all[#all + 1] = a all[#all + 1] = b or false\n"
    "      if #all > 100 then break end\n"
    "    end\n"
    "    return all\n"
    "  end,\n"
    "  function(f, ...)\n" // %p and the text of a table are addresses
    "    for i = 1, select('#', ...) do assert(scalar((select(i, ...)))) end\n"
    "    assert(not f:find('%%[^%%]*p'))\n"
    "    return string.format(f, ...)\n"
    "  end,\n"
    "  function(x) assert(scalar(x)) return tostring(x) end,\n"
    "  function(t) for i, x in ipairs(t) do t[i] = tostring(x) end table.sort(t) return t end,\n"
    "  function(t) table.sort(t, function(a, b) return #tostring(a) < #tostring(b) end)\n"
    "    for i, x in ipairs(t) do t[i] = #tostring(x) end return t end,\n"
    "  function(t, ...) table.insert(t, ...) return t end,\n"
    "  function(t, ...) local x = table.remove(t, ...) return x, t end,\n"
    "  function(t, a, b, c) return table.move(t, a, b, c) end,\n"
    "  function(s) local all = {} for p, c in utf8.codes(s) do all[#all + 1] = p + c end\n"
    "    return all end,\n"
    "  function(f, t)\n" // %Z of ours says UTC, not GMT
    "    assert(t)\n"
    "    return os.date('!' .. f:gsub('%%Z', ''), t)\n"
    "  end,\n"
    "  function(t) assert(t) return os.time(t) end,\n"
    "  function(y, m, d, h) return os.time { year = y, month = m, day = d, hour = h } end,\n"
    "  function(s) return load('return ' .. s, 's', 't') ~= nil end,\n"
    "  function(...) return pcall(error, ...) end,\n"
    "  function(t) local n = 0 for k in pairs(t) do n = n + 1 end return n end,\n"
    "}\n";

static lua_State *stock;
static struct tg_sandbox box;
static struct fuzz_clock box_clock;
static int inputs;

static void scalar_push(lua_State *L, struct input *in) {
  static const lua_Number numbers[] = {0.5, -1.5, 1e15, 1e300, -0.0, 2.0, 3e9, 0.1};
  uint8_t kind = input_u8(in);
  struct input bytes;
  switch (kind % 8) {
  case 0:
    lua_pushinteger(L, (int8_t)input_u8(in));
    break;
  case 1:
    lua_pushinteger(L, (lua_Integer)input_number(in, 8));
    break;
  case 2:
    lua_pushnumber(L, numbers[kind >> 3 & 7]);
    break;
  case 3:
    if (kind & 8)
      lua_pushnil(L);
    else
      lua_pushboolean(L, kind & 16);
    break;
  default:
    bytes = input_bytes(in, input_u8(in) & 63);
    lua_pushlstring(L, (const char *)bytes.at, input_left(&bytes));
  }
}

static void list_push(lua_State *L, struct input *in) {
  int count = input_u8(in) % LIST_MAX;
  lua_newtable(L);
  for (int i = 1; i <= count; i++) {
    scalar_push(L, in);
    if (lua_isnil(L, -1)) { // the length of a list with holes is Lua's own choice
      lua_pop(L, 1);
      lua_pushboolean(L, 0);
    }
    lua_rawseti(L, -2, i);
  }
}

static void value_put(lua_State *L, int index, struct tg_buf *out, bool is_inside) {
  size_t len;
  const char *text;
  switch (lua_type(L, index)) {
  case LUA_TNUMBER:
    if (lua_isinteger(L, index))
      tg_buf_putf(out, "i%lld ", (long long)lua_tointeger(L, index));
    else if (isnan(lua_tonumber(L, index)))
      tg_buf_puts(out, "nan ");
    else
      tg_buf_putf(out, "n%a ", lua_tonumber(L, index));
    break;
  case LUA_TSTRING:
    text = lua_tolstring(L, index, &len);
    tg_buf_putf(out, "s%zu:", len);
    tg_buf_put(out, text, len);
    break;
  case LUA_TTABLE:
    tg_buf_putf(out, "t%llu ", is_inside ? 0 : (unsigned long long)lua_rawlen(L, index));
    for (lua_Unsigned i = 1; !is_inside && i <= lua_rawlen(L, index); i++) {
      lua_rawgeti(L, index, (lua_Integer)i);
      value_put(L, lua_gettop(L), out, true);
      lua_pop(L, 1);
    }
    break;
  default:
    tg_buf_putf(out, "%s%d ", lua_typename(L, lua_type(L, index)), lua_toboolean(L, index));
  }
}

struct call {
  struct input in;
  struct tg_buf out; // the results as text
};

// Called with the list of functions and the call.
static int l_call(lua_State *L) {
  struct call *call = lua_touserdata(L, 2);
  struct input in = call->in;
  lua_rawgeti(L, 1, 1 + input_u8(&in) % (lua_Integer)lua_rawlen(L, 1));
  int count = input_u8(&in) % (ARGS_MAX + 1), base = lua_gettop(L);
  for (int i = 0; i < count; i++) {
    if (input_u8(&in) % 4 == 0)
      list_push(L, &in);
    else
      scalar_push(L, &in);
  }
  lua_call(L, count, LUA_MULTRET);
  luaL_checkstack(L, 8, NULL);
  for (int i = base; i <= lua_gettop(L); i++) value_put(L, i, &call->out, false);
  return 0;
}

static void states_open(void) {
  struct tg_sandbox_options options = {.bytes_max = 32 * MIB, .clock = &box_clock.face};
  setenv("TZ", "UTC0", 1);
  fuzz_clock_init(&box_clock, 50);
  fuzz_check(tg_sandbox_open(&box, &options, NULL) == TG_OK);
  fuzz_check(tg_sandbox_load(box.L, prelude, sizeof prelude - 1, "=prelude") == LUA_OK);
  lua_call(box.L, 0, 1);
  fuzz_check((stock = luaL_newstate()));
  luaL_openlibs(stock);
  fuzz_check(luaL_dostring(stock, prelude) == LUA_OK);
}

static void states_close(void) {
  lua_close(stock);
  tg_sandbox_close(&box);
}

static bool sandbox_call(struct call *call) {
  struct tg_meter meter;
  tg_meter_init(&meter, box_clock.now_ms + BUDGET_MS);
  lua_pushcfunction(box.L, l_call);
  lua_pushvalue(box.L, 1);
  lua_pushlightuserdata(box.L, call);
  int status = tg_script_call(box.L, 2, 0, 0, &meter);
  lua_settop(box.L, 1);
  return status == LUA_OK && !call->out.is_failed;
}

static void stock_call(struct call *call) {
  lua_pushcfunction(stock, l_call);
  lua_pushvalue(stock, 1);
  lua_pushlightuserdata(stock, call);
  if (lua_pcall(stock, 2, 0, 0) != LUA_OK)
    tg_buf_putf(&call->out, "raised %s", lua_tostring(stock, -1));
  lua_settop(stock, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (inputs == 0) states_open();
  struct call ours = {.in = input_of(data, size)}, lua = ours;
  tg_buf_init(&ours.out, MIB);
  tg_buf_init(&lua.out, 2 * MIB);
  if (sandbox_call(&ours)) {
    stock_call(&lua);
    if (ours.out.len != lua.out.len ||
        memcmp(tg_buf_text(&ours.out), tg_buf_text(&lua.out), ours.out.len) != 0) {
      fprintf(stderr, "function %u\nours: %.300s\nLua:  %.300s\n", size ? data[0] : 0,
              tg_buf_text(&ours.out), tg_buf_text(&lua.out));
      abort();
    }
  }
  tg_buf_deinit(&ours.out);
  tg_buf_deinit(&lua.out);
  if (++inputs < INPUTS_PER_STATE) return 0;
  inputs = 0;
  states_close();
  return 0;
}
