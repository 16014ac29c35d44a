-- SPDX-License-Identifier: Apache-2.0
-- Events come in once and are not lost, by the real binary.
local project = require "support.project"

local box
before_each(function() box = project.new() end)
after_each(function() if box then box:close() end box = nil end)

local function text(fields)
  return ('{"specversion":"1.0","source":"/s","type":"t",%s}'):format(fields)
end

local function send(body, ...)
  box:write("event.json", body)
  return box:tidegate("event", "send", "event.json", ...)
end

describe("event", function()
  it("sends events and shows them", function()
    local sent = send(text '"id":"a","subject":"x/y","data":{"n":[1,2.5,null]}' .. "\n" ..
      text '"id":"b"')
    assert.equal(0, sent.code, sent.err)
    assert.matches("2 events accepted", sent.err)
    local list = box:document("event", "ls").events
    assert.same({ "b", "a" }, { list[1].event.id, list[2].event.id })
    local event = box:document("event", "show", "a").event
    assert.same({ specversion = "1.0", id = "a", source = "/s", type = "t", subject = "x/y",
      data = { n = { 1, 2.5 } } }, event)
    assert.matches("a%s+2%d+%-.*t%s+/s%s+x/y", box:tidegate("event", "ls").out)
    assert.matches('"subject": "x/y"', box:tidegate("event", "show", "a").out, 1, true)
  end)

  it("reads standard input", function()
    local echo = "echo '" .. text '"id":"a"' .. "' |"
    local code = project.shell(("cd %s && %s %s 2>/dev/null"):format(box.dir, echo,
      project.command { "event", "send", "-" }))
    assert.equal(0, code)
    assert.equal("a", box:sql "SELECT id FROM events")
  end)

  it("that comes again is told and kept once", function()
    send(text '"id":"a"')
    local again = send("[" .. text '"id":"a"' .. "," .. text '"id":"b"' .. "]", "-o", "json")
    assert.equal(0, again.code)
    assert.matches("1 event accepted; 1 was known already", again.err)
    local list = project.json(again.out).events
    assert.same({ true, false }, { list[1].known, list[2].known })
    assert.equal("2", box:sql "SELECT count(*) FROM events")
  end)

  it("that is wrong is refused with all that were sent with it", function()
    local result = send(text '"id":"a"' .. "\n" .. text '"id":7')
    assert.equal(2, result.code)
    assert.matches('event 2: "id" must be a text', result.err, 1, true)
    assert.matches("no event has the id 'a'", box:tidegate("event", "show", "a").err, 1, true)
  end)

  it("of two sources with one id is asked for by both", function()
    send(text '"id":"a"')
    send(text('"id":"a"'):gsub('"/s"', '"/other"'), "-q")
    local result = box:tidegate("event", "show", "a")
    assert.equal(2, result.code)
    assert.matches("/s and /other", result.err, 1, true)
    assert.equal(0, box:tidegate("event", "show", "a", "--source", "/s").code)
  end)

  it("goes into the store of a host that is at work", function()
    box:pipeline("p", [[
      tg.cmd "a" { argv = { "sh", "-c", "while [ -e files/wait ]; do sleep 0.05; done" } },
    ]])
    box:write("files/wait", "")
    project.shell(("cd %s && { %s >/dev/null 2>.run & echo $! >.pid; }"):format(box.dir,
      project.command { "run", "p" }))
    project.shell(("cd %s && for i in $(seq 2000); do sqlite3 .tidegate/state.db " ..
      "'SELECT 1 FROM attempts' 2>/dev/null | grep -q 1 && break; sleep 0.01; done"):format(box.dir))
    assert.equal(0, send(text '"id":"a"').code)
    project.shell(("cd %s && for i in $(seq 2000); do sqlite3 .tidegate/state.db " ..
      "'SELECT 1 FROM events' 2>/dev/null | grep -q 1 && break; sleep 0.01; done"):format(box.dir))
    assert.equal("a", box:sql "SELECT id FROM events")
    assert.matches("1 was known already", send(text '"id":"a"').err)
    os.remove(box.dir .. "/files/wait")
    project.shell(("cd %s && tail --pid=$(cat .pid) -f /dev/null"):format(box.dir))
    assert.matches("success", box:read ".run")
  end)

  it("lies in the inbox until a host takes it, whole or not at all", function()
    send(text '"id":"a"')
    box:write(".tidegate/requests/0.event", text '"id":"b"')
    box:write(".tidegate/requests/1.event", "nonsense")
    box:write(".tidegate/requests/2.event.Ab3xZ9", text '"id":"half')
    box:write(".tidegate/requests/3.event.Ab3xZ9", text '"id":"left')
    project.shell(("touch -d '1 hour ago' %s/.tidegate/requests/3.event.Ab3xZ9"):format(box.dir))
    local result = send(text '"id":"c"')
    assert.equal(0, result.code)
    assert.is_nil(box:read ".tidegate/requests/3.event.Ab3xZ9")
    assert.equal(text '"id":"half', box:read ".tidegate/requests/2.event.Ab3xZ9")
    assert.matches("1.event is no request", result.err, 1, true)
    assert.equal("a,b,c", box:sql "SELECT group_concat(id) FROM (SELECT id FROM events ORDER BY number)")
    assert.equal("nonsense", box:read ".tidegate/requests/1.event.refused")
  end)

  it("is neither lost nor kept twice when its sender is killed at any instant", function()
    send(text '"id":"first"')
    local script = [[
      cd %s; told=
      for i in $(seq 60); do
        printf '%%s' '{"specversion":"1.0","source":"/s","type":"t","id":"'$i'"}' >e$i
        { %s 2>/dev/null & pid=$!; sleep 0.0$((i %% 40 / 10))$((i %% 10)); kill -9 $pid; wait $pid; } 2>/dev/null
        [ $? = 0 ] && told="$told $i"
      done
      echo $told
    ]]
    local _, told = project.shell("bash -c " .. project.quote(script:format(box.dir,
      project.command({ "event", "send", "e" }):gsub("'e'$", "e$i"))))
    local count = 0
    send(text '"id":"last"') -- and takes in what lies in the inbox
    for id in told:gmatch "%d+" do
      count = count + 1
      assert.equal("1", box:sql(("SELECT count(*) FROM events WHERE id = '%s'"):format(id)))
    end
    assert.is_true(count < 60) -- some were killed
    assert.equal("ok", box:sql "PRAGMA integrity_check")
    for i = 1, 60 do box:tidegate("event", "send", "e" .. i, "-q") end
    assert.equal("62", box:sql "SELECT count(*) FROM events")
  end)
end)
