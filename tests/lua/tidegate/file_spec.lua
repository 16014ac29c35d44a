-- SPDX-License-Identifier: Apache-2.0
local file = require "tidegate.file"

describe("tidegate.file", function()
  local folder

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    os.execute(("mkdir -p '%s/in' && echo secret > '%s/secret'"):format(folder, folder))
    assert(file.allow { { path = folder .. "/in" }, { path = folder .. "/out", write = true } })
  end)

  after_each(function()
    assert(file.allow {})
    os.execute("rm -r '" .. folder .. "'")
  end)

  it("writes and reads a file", function()
    assert.is_true(file.write(folder .. "/out/sub/a.bin", "x\0y"))
    assert.equal("x\0y", file.read(folder .. "/out/sub/a.bin"))
    assert.same({ { name = "a.bin", type = "file", size = 3 } }, file.list(folder .. "/out/sub"))
    local info = file.stat(folder .. "/out/sub")
    assert.equal("folder", info.type)
    assert.equal("integer", math.type(info.modified_ms))
  end)

  it("streams lines across chunks", function()
    local lines = {}
    for i = 1, 30000 do lines[i] = ("%d %s"):format(i, ("x"):rep(i % 97)) end
    lines[20000] = ""
    assert(file.write(folder .. "/out/lines", table.concat(lines, "\n")))
    assert.is_true(file.stat(folder .. "/out/lines").size > 1 << 20)
    local n = 0
    for line in file.lines(folder .. "/out/lines") do
      n = n + 1
      if line ~= lines[n] then assert.equal(lines[n], line) end
    end
    assert.equal(30000, n)
  end)

  it("gives no lines of an empty file and no last one behind a line end", function()
    for text, expected in pairs { [""] = {}, ["\n"] = { "" }, ["a\n"] = { "a" }, ["a\n\nb"] = { "a", "", "b" } } do
      local got = {}
      assert(file.write(folder .. "/out/t", text))
      for line in file.lines(folder .. "/out/t") do got[#got + 1] = line end
      assert.same(expected, got)
    end
  end)

  it("returns what the world refuses", function()
    local cases = {
      [folder .. "/secret"] = "denied", [folder .. "/in/../secret"] = "denied",
      [folder .. "/in/absent"] = "not_found", [folder .. "/in"] = "invalid",
    }
    for path, code in pairs(cases) do
      local text, err = file.read(path)
      assert.is_nil(text)
      assert.equal(code, err.code)
    end
    local _, err = file.write(folder .. "/in/a", "x")
    assert.equal("denied", err.code)
    assert.matches("files:", err.message)
    assert(file.write(folder .. "/out/t", "12345"))
    local _, limit = file.read(folder .. "/out/t", 4)
    assert.equal("limit", limit.code)
  end)

  it("raises an error table inside an iteration", function()
    local ok, err = pcall(function()
      for _ in file.lines(folder .. "/in/absent") do error("not reached") end
    end)
    assert.is_false(ok)
    assert.equal("not_found", err.code)
  end)

  it("raises a programmer's mistake", function()
    local _, err = pcall(function() file.read(nil) end)
    assert.matches("file_spec.lua:%d+: file.read: the path is a nil", err)
    assert.error_matches(function() file.read("a\0b") end, "zero byte")
    assert.error_matches(function() file.write("x", {}) end, "what to write is a table")
  end)
end)
