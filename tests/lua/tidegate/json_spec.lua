-- SPDX-License-Identifier: Apache-2.0
local json = require "tidegate.json"
local cjson = require "cjson"

local function round(value) return assert(json.decode(assert(json.encode(value)))) end

local function fault(value, options)
  local text, err = json.encode(value, options)
  assert.is_nil(text)
  return err
end

describe("json numbers", function()
  it("keep all 64 bits of an integer", function()
    for _, text in ipairs { "9223372036854775807", "-9223372036854775808", "759600000012345",
      "9007199254740993", "0", "-1" } do
      local value = json.decode(text)
      assert.equal("integer", math.type(value))
      assert.equal(text, json.encode(value))
    end
    assert.equal(math.mininteger, round(math.mininteger))
  end)

  it("that do not fit are an error, never rounded", function()
    for _, text in ipairs { "9223372036854775808", "-9223372036854775809", "1e999" } do
      local value, err = json.decode(text)
      assert.is_nil(value)
      assert.equal("invalid", err.code)
    end
  end)

  it("keep integers and floats apart", function()
    assert.equal("3", json.encode(3))
    assert.equal("3.0", json.encode(3.0))
    assert.equal("float", math.type(json.decode("3.0")))
    assert.equal("1e+300", json.encode(1e300))
    assert.equal("-0.0", json.encode(-0.0))
    assert.equal("float", math.type(round(2.0 ^ 53)))
  end)

  it("read back as they were, in the shortest form", function()
    assert.equal("0.1", json.encode(0.1))
    assert.equal("0.30000000000000004", json.encode(0.1 + 0.2))
    math.randomseed(5)
    for _ = 1, 5000 do
      local value = string.unpack("d", string.pack("i8", math.random(0)))
      if value == value and value ~= math.huge and value ~= -math.huge then
        assert.equal(value, round(value))
      end
    end
  end)

  it("that are not finite are refused", function()
    assert.equal("$.a: a number that is not finite cannot be encoded", fault({ a = 0 / 0 }).message)
    assert.equal("$[1]: a number that is not finite cannot be encoded",
      fault({ -math.huge }).message)
  end)
end)

describe("json tables", function()
  it("are arrays with the keys 1..n, objects with strings", function()
    assert.equal("[1,2,3]", json.encode { 1, 2, 3 })
    assert.equal('{"a":1}', json.encode { a = 1 })
    assert.equal("{}", json.encode {})
  end)

  it("keep an empty array one", function()
    assert.equal("[]", json.encode(json.decode("[]")))
    assert.equal('{"a":[],"b":{}}', json.encode(json.decode('{"b":{},"a":[]}')))
    assert.equal("[]", json.encode(json.array()))
    assert.equal("[]", json.encode(json.array {}))
    assert.equal("[1]", json.encode(json.array(json.array { 1 })))
  end)

  it("take no mark over another metatable", function()
    assert.error_matches(function() json.array(setmetatable({}, {})) end, "another metatable")
    assert.error_matches(function() json.array(5) end, "table expected")
  end)

  it("keep null", function()
    assert.equal("null", tostring(json.null))
    assert.equal(json.null, json.decode("null"))
    assert.equal("[1,null,3]", json.encode(json.decode("[1,null,3]")))
    assert.equal("null", json.encode(nil))
    assert.equal(cjson.null, json.null)
  end)

  it("are refused with holes, mixed or other keys", function()
    assert.equal("$: an array with holes cannot be encoded: 2 of 3 items are there",
      fault({ 1, nil, 3 }).message)
    assert.equal("$.a: a table with both places and names cannot be encoded",
      fault({ a = { 1, b = 2 } }).message)
    assert.equal("$: a table with a boolean as a key cannot be encoded",
      fault({ [true] = 1 }).message)
    assert.equal("$: a table with a number that is no place in a list as a key cannot be encoded",
      fault({ [1.5] = 1 }).message)
    assert.matches("no place in a list", fault({ [0] = 1 }).message)
    assert.equal("$: an array cannot have a key that is a string",
      fault(json.array { x = 1 }).message)
    assert.matches("1 of 9223372036854775807 items are there$",
      fault({ [math.maxinteger] = 1 }).message)
  end)

  it("are refused when they are inside themselves", function()
    local t = { list = { {} } }
    t.list[1].back = t
    assert.equal("$.list[1].back: a cyclic table cannot be encoded", fault(t).message)
    local shared = { 1 }
    assert.equal("[[1],[1]]", json.encode { shared, shared })
  end)

  it("are read without metamethods", function()
    local bomb = setmetatable({ 1 }, { __index = error, __len = error, __pairs = error })
    assert.equal("[1]", json.encode(bomb))
  end)

  it("have their keys in order", function()
    local t = {}
    for i = 1, 200 do t["k" .. (i * 7919) % 1000] = i end
    local keys = {}
    for key in json.encode(t):gmatch('"(k%d+)"') do keys[#keys + 1] = key end
    local sorted = { table.unpack(keys) }
    table.sort(sorted)
    assert.equal(200, #keys)
    assert.same(sorted, keys)
    assert.same(t, json.decode(json.encode(t, { sort = false })))
    assert.equal('{"":1,"a":{"b":2,"c":3},"ab":4}',
      json.encode { a = { c = 3, b = 2 }, ab = 4, [""] = 1 })
  end)

  it("are indented when pretty", function()
    assert.equal('{\n  "a": [\n    1,\n    {}\n  ],\n  "b": []\n}',
      json.encode({ a = { 1, {} }, b = json.array() }, { pretty = true }))
    assert.equal('{\n  "a": 1\n}', json.encode({ a = 1 }, { pretty = true, sort = false }))
  end)
end)

describe("json strings", function()
  it("keep every character", function()
    for _, text in ipairs { "", "a\0b", '"\\/\b\f\n\r\t', "\u{7f}\u{80}\u{ffff}\u{10ffff}" } do
      assert.equal(text, round(text))
    end
    assert.equal("\u{1F600}", json.decode('"\\ud83d\\ude00"'))
  end)

  it("that are not UTF-8 are refused with their path", function()
    assert.equal("$.a[2]: a string that is not UTF-8 cannot be encoded",
      fault({ a = { "ok", "\xff" } }).message)
    assert.matches("^%$%.\xff: a string that is not UTF%-8", fault({ ["\xff"] = 1 }).message)
    assert.equal("invalid", select(2, json.decode('"\xff"')).code)
  end)
end)

describe("json.encode", function()
  it("refuses what is no data and names the path", function()
    local value = { a = { 1, 2, print } }
    assert.equal("$.a[3]: a function cannot be encoded", fault(value).message)
    assert.equal("$.a[3]: a function cannot be encoded", fault(value, { sort = false }).message)
    assert.equal("$: a thread cannot be encoded", fault(coroutine.create(print)).message)
    assert.equal("$.f: a userdata cannot be encoded", fault({ f = io.stdout }).message)
    local err = fault(print)
    assert.equal("invalid", err.code)
    assert.equal("permanent", err.class)
  end)

  it("has a cap on depth", function()
    local deep = {}
    for _ = 1, 63 do deep = { deep } end
    assert.truthy(json.encode(deep))
    local err = fault { deep }
    assert.equal("limit", err.code)
    assert.matches("too many tables inside one another", err.message)
  end)

  it("has a cap on values", function()
    local list = {}
    for i = 1, 1000000 do list[i] = true end
    local err = fault(list)
    assert.equal("limit", err.code)
    assert.matches("^%$%[1000000%]: too many values", err.message)
    list[1000000] = nil
    assert.equal(5 * 999999 + 1, #json.encode(list))
  end)

  it("has a cap on bytes", function()
    local long = ("x"):rep(1 << 20)
    local list = {}
    for i = 1, 65 do list[i] = long end
    assert.equal("limit", fault(list).code)
  end)

  it("raises for wrong arguments", function()
    assert.error_matches(function() json.encode() end, "value expected")
    assert.error_matches(function() json.encode({}, { prety = true }) end,
      "json.encode: option 'prety' is not known; did you mean 'pretty'%?")
    assert.error_matches(function() json.encode({}, { pretty = 1 }) end,
      "pretty must be true or false")
    assert.error_matches(function() json.encode({}, "pretty") end, "table expected")
  end)
end)

describe("json.decode", function()
  it("says where a fault is", function()
    local value, err = json.decode('{\n  "a": 1,\n  "b" 2\n}')
    assert.is_nil(value)
    assert.equal("invalid", err.code)
    assert.equal(3, err.line)
    assert.equal(7, err.column)
    assert.equal(19, err.position)
    assert.matches("^line 3, column 7: ", err.message)
  end)

  it("refuses what is no JSON", function()
    for _, text in ipairs { "", " ", "{", "[1,]", "nul", "'a'", "01", "+1", "1 2", "[1}", "NaN",
      "]", '"\\x"', '{"a":}', '"\\ud800"', "\0", '{"a" "b"}' } do
      local value, err = json.decode(text)
      assert.is_nil(value, text)
      assert.equal("invalid", err.code, text)
    end
  end)

  it("takes the last of equal keys", function()
    assert.same({ a = 2 }, json.decode('{"a":1,"a":2}'))
  end)

  it("has caps on depth, values and bytes", function()
    assert.truthy(json.decode(("["):rep(64) .. ("]"):rep(64)))
    local _, err = json.decode(("["):rep(65) .. ("]"):rep(65))
    assert.equal("limit", err.code)
    assert.equal("limit", select(2, json.decode("[" .. ("0,"):rep(1000001) .. "0]")).code)
    assert.equal("limit", select(2, json.decode((" "):rep((64 << 20) + 1))).code)
    assert.equal(1, #json.decode('["[[[{{{,,,\\"[["]'))
    assert.equal(999999, #json.decode("[" .. ("[],"):rep(999998) .. "{ }]"))
    assert.equal("limit", select(2, json.decode("[" .. ("[],"):rep(999999) .. "{ }]")).code)
  end)

  it("raises for what is no string", function()
    assert.error_matches(function() json.decode() end, "string expected")
    assert.error_matches(function() json.decode {} end, "string expected")
  end)
end)

describe("json and cjson", function()
  local documents = {
    '{"name":"orders","rows":12,"ok":true,"none":null,"tags":["a","b"]}',
    '{"nested":{"x":{"y":[1,2,{"z":"w"}]}}}',
    '[1,-2,3.5,1e10,"\\u00e4\\n",[],{},[[]],false]',
    '{"unicode":"\\u20ac\\ud83d\\ude00","escaped":"\\"\\\\\\/\\b\\f\\n\\r\\t"}',
    '"text"', "true", "[null]",
  }

  it("agree on what ordinary documents mean", function()
    for _, text in ipairs(documents) do assert.same(cjson.decode(text), json.decode(text)) end
  end)

  it("agree on what was written", function()
    for _, text in ipairs(documents) do
      local value = json.decode(text)
      assert.same(value, cjson.decode(json.encode(value)))
      assert.same(value, cjson.decode(json.encode(value, { pretty = true, sort = false })))
    end
  end)

  it("differ where cjson loses an id", function()
    assert.equal(759600000012345, json.decode(json.encode { id = 759600000012345 }).id)
    assert.not_equal("759600000012345", cjson.encode(759600000012345))
  end)
end)

-- A text beside an escaped NUL is read by another parser, so each text can be read by both.
local function read_both(text)
  local one, fault_of_one = json.decode(text)
  local other, fault_of_other = json.decode('["\\u0000",' .. text .. "]")
  return one, fault_of_one, other and other[2], fault_of_other
end

describe("json text", function()
  it("may have every escape", function()
    assert.equal('"\\/\b\f\n\r\t', json.decode [["\"\\\/\b\f\n\r\t"]])
    assert.equal("aé€😀z", json.decode [["a\u00e9\u20AC\uD83d\uDE00z"]])
    assert.equal("\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}",
      json.decode [["\u007f\u0080\u07ff\u0800\uffff\ud800\udc00\udbff\udfff"]])
    assert.equal("a\0b", json.decode [["a\u0000b"]])
    for _, text in ipairs { [["\ud800"]], [["\udc00"]], [["\ud800\u0041"]], [["\x41"]], [["\u12g4"]],
      [["\u12]], [["\]] } do
      assert.equal("invalid", select(2, json.decode(text)).code, text)
    end
  end)

  it("may be larger than what is looked at ahead", function()
    local rows, wide = {}, {}
    for i = 1, 300 do rows[i] = { id = i, tags = { "a", "b" } } end
    for i = 1, 5000 do wide[i], wide["k" .. i] = i, nil end
    assert.same(rows, round(rows))
    assert.same(wide, round(wide))
  end)

  it("says the same to both parsers", function()
    local seeds = {
      '{"run":"r1","attempt":1,"params":{},"interval":{"start":"2024-01-01T00:00:00Z"},"x":[]}',
      '[1,-2.5e3,0,-0,1E+2,0.125,123456789012345678,1234567890123456789,true,false,null]',
      [[{"a":"\u00e9\n\\\"\/","b":["\ud83d\ude00","é€😀",""],"a":2, "c" : [ [ ] , { } ] }]],
    }
    local pieces = { '"', "\\", "{", "}", "[", "]", ",", ":", "0", "1e5", "-", ".", "\\u00", "\xff",
      "\xc3\xa9", "null", "tru", " ", "\n", "\1", "e" }
    math.randomseed(11)
    for i = 1, 6000 do
      local text = seeds[i % #seeds + 1]
      for _ = 1, math.random(0, 3) do
        local at = math.random(#text)
        text = text:sub(1, at) .. pieces[math.random(#pieces)] .. text:sub(at + math.random(1, 3))
      end
      local one, fault_of_one, other, fault_of_other = read_both(text)
      assert.equal(not fault_of_one, not fault_of_other, text)
      assert.same(one, other, text)
    end
  end)
end)
