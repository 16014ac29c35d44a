-- SPDX-License-Identifier: Apache-2.0
local json = require "tidegate.json"
local store = require "tidegate.store"

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

  it("gives an error for a folder that cannot be", function()
    local ok, err = store.open { path = "/proc/no/such/folder" }
    assert.is_nil(ok)
    assert.is_string(err.code)
    assert(store.open { path = folder })
  end)
end)
