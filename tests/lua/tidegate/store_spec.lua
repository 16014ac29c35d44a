-- SPDX-License-Identifier: Apache-2.0
local json = require "tidegate.json"
local store = require "tidegate.store"

-- Runs Lua in a process of its own, on the pipeline "from_shell" of a data folder.
local function shell(data, chunk)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(("package.path, package.cpath = %q, %q\n"):format(package.path, package.cpath), chunk)
  file:close()
  local pipe = assert(io.popen(("TIDEGATE_DATA=%s TIDEGATE_PIPELINE=from_shell lua5.4 %s 2>&1")
    :format(data, path)))
  local text = pipe:read "a"
  pipe:close()
  os.remove(path)
  return text
end

describe("tidegate.store", function()
  local folder

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    os.execute("mkdir '" .. folder .. "'")
    assert(store.open { path = folder, pipeline = "orders" })
  end)

  after_each(function() os.execute("rm -r '" .. folder .. "'") end)

  it("gives nothing for a key that is not there", function()
    assert.same({ n = 1 }, table.pack(store.get "cursor"))
  end)

  it("keeps plain data exactly", function()
    local value = { id = 759600000012345, rows = { 1, 2.5, "x" }, done = false, none = json.null }
    assert.is_true(store.put("cursor", value))
    assert.same(value, (store.get "cursor"))
    assert.equal("integer", math.type(store.get("cursor").id))
  end)

  it("counts the changes of a key", function()
    store.put("cursor", 1)
    local _, first = store.get "cursor"
    store.put("cursor", 2)
    local _, second = store.get "cursor"
    assert.is_true(second > first)
  end)

  it("removes a key once", function()
    store.put("cursor", 1)
    assert.is_true(store.delete "cursor")
    assert.is_false(store.delete "cursor")
    assert.is_nil(store.get "cursor")
  end)

  it("lists the keys with a prefix in order", function()
    for _, key in ipairs { "day/2", "day/1", "hour/1", "day/3" } do store.put(key, key) end
    local entries = store.list "day/"
    assert.same({ "day/1", "day/2", "day/3" },
      { entries[1].key, entries[2].key, entries[3].key })
    assert.equal("day/2", entries[2].value)
    assert.equal(2, #store.list("day/", { limit = 2 }))
    assert.equal(4, #store.list "")
  end)

  it("swaps only what is as expected", function()
    assert.is_true(store.cas("lock", nil, { owner = "a" }))
    assert.same({ false, { owner = "a" } }, { store.cas("lock", nil, { owner = "b" }) })
    assert.is_true(store.cas("lock", { owner = "a" }, { owner = "b" }))
    assert.same({ owner = "b" }, (store.get "lock"))
    assert.same({ n = 2, false }, table.pack(store.cas("other", 1, 2)))
  end)

  it("forgets what has outlived its time", function()
    store.put("token", "x", { ttl = "1ms" })
    os.execute "sleep 0.01"
    assert.is_nil(store.get "token")
    assert.is_true(store.cas("token", nil, "y", { ttl = "1h" }))
    assert.equal("y", (store.get "token"))
  end)

  it("keeps the state of each pipeline apart, and keeps it", function()
    store.put("cursor", 1)
    assert(store.open { path = folder, pipeline = "invoices" })
    assert.is_nil(store.get "cursor")
    assert(store.open { path = folder, pipeline = "orders" })
    assert.equal(1, (store.get "cursor"))
  end)

  it("raises at a wrong argument", function()
    assert.has_error(function() store.get "" end)
    assert.has_error(function() store.get(("k"):rep(513)) end)
    assert.has_error(function() store.put("k") end)
    assert.has_error(function() store.put("k", print) end)
    assert.has_error(function() store.put("k", 1, { ttl = 5 }) end)
    assert.has_error(function() store.put("k", 1, { tll = "1h" }) end)
    assert.has_error(function() store.list("", { limit = 0 }) end)
    assert.has_error(function() store.put("k", ("x"):rep(1024 * 1024)) end)
  end)

  it("gives an error for a folder that cannot be, and does not take another one", function()
    local ok, err = store.open { path = "/proc/no/such/folder" }
    assert.is_nil(ok)
    assert.is_string(err.code)
    ok, err = store.put("k", 1)
    assert.is_nil(ok)
    assert.truthy(err.message:find("/proc/no", 1, true))
    assert(store.open { path = folder })
  end)

  it("compares what was put, whatever the order of its fields", function()
    local one, other = {}, {}
    for i = 1, 20 do one["f" .. i], other["f" .. 21 - i] = i, 21 - i end
    store.put("k", one)
    assert.is_true(store.cas("k", other, "swapped"))
  end)

  it("forgets no write when the process is killed after it", function()
    store.open { path = folder .. "/own" } -- a folder is held by one process at a time
    shell(folder, [[
      local store = require "tidegate.store"
      for i = 1, 10 do assert(store.put("k", i)) end
      os.execute "kill -9 $PPID"]])
    assert(store.open { path = folder, pipeline = "from_shell" })
    assert.equal(10, (store.get "k"))
  end)

  it("takes its folder and pipeline from the environment when it is first used", function()
    store.open { path = folder .. "/own" }
    assert.equal("nil\n", shell(folder, 'print(require("tidegate.store").get "k")'))
    assert.equal("true\n", shell(folder, 'print(require("tidegate.store").put("k", 5))'))
    assert.equal("5\t1\n", shell(folder, 'print(require("tidegate.store").get "k")'))
    assert.equal("", shell(folder .. "/unused", 'require "tidegate.store"'))
    assert.is_nil(io.open(folder .. "/unused/state.db"))
  end)

  it("lets go of its folder when the module is loaded again", function()
    store.put("k", 1)
    package.loaded["tidegate.store"] = nil
    local again = require "tidegate.store"
    assert(again.open { path = folder, pipeline = "orders" })
    assert.equal(1, (again.get "k"))
    package.loaded["tidegate.store"] = nil
    store = require "tidegate.store"
  end)

  it("refuses a folder that another process holds, and says which", function()
    local text = shell(folder, [[
      local ok, err = require("tidegate.store").get "k"
      print(ok, err.code, err.class, err.message:match "%(process (%d+)%)")]])
    assert.truthy(text:find "^nil\tbusy\ttransient\t%d+\n$", text)
  end)
end)
