-- SPDX-License-Identifier: Apache-2.0
-- Tasks that wait for events and for people, by the real binary.
local project = require "support.project"

local box
local function of(...) box = project.of(...) return box end
after_each(function() if box then box:close() end box = nil end)

local function send(id, fields)
  box:write("event.json", ('{"specversion":"1.0","source":"/s","id":"%s",%s}'):format(id, fields))
  local result = box:tidegate("event", "send", "event.json")
  assert.equal(0, result.code, result.err)
end

-- Starts a run in the background; finish waits for its end and gives its exit code.
local function start(command)
  project.shell(("cd %s && { { %s >.out 2>.err & echo $! >.pid; wait $!; echo $? >.code; } >/dev/null 2>&1 & }")
    :format(box.dir, command or project.command { "-o", "json", "run", "p" }))
end

local function until_is(query, text)
  project.shell(("cd %s && for i in $(seq 3000); do [ \"$(sqlite3 .tidegate/state.db %s " ..
    "2>/dev/null)\" = %s ] && break; sleep 0.01; done"):format(
      box.dir, project.quote(query), project.quote(text)))
  assert.equal(text, box:sql(query), box:read ".err")
end

local function code_of()
  project.shell(("cd %s && for i in $(seq 3000); do [ -s .code ] && break; sleep 0.01; done"):format(
    box.dir))
  local code = tonumber(box:read ".code")
  os.remove(box.dir .. "/.code")
  return code
end

local function finish()
  local code = code_of()
  local run = project.json(box:read ".out").run
  run.by_name = {}
  for _, task in ipairs(run.tasks) do run.by_name[task.name] = task end
  return run, code
end

local function signal(name)
  project.shell(("kill -%s $(cat %s/.pid)"):format(name, box.dir))
end

local ONE = [[
  tg.task "a" { run = function(ctx)
    local event, err = ctx:wait_event { type = "order", match = { id = 7 }, subject = "eu/*" }
    return event or err
  end },
]]

describe("ctx:wait_event", function()
  it("gives the event for which it waited", function()
    of(ONE)
    send("early", '"type":"order","subject":"eu/1","data":{"id":7}')
    start()
    until_is("SELECT count(*) FROM steps", "1")
    send("other", '"type":"order","subject":"eu/1","data":{"id":8}')
    send("elsewhere", '"type":"order","subject":"us/1","data":{"id":7}')
    send("it", '"type":"order","subject":"eu/2","data":{"id":7,"n":[1]}')
    send("later", '"type":"order","subject":"eu/3","data":{"id":7}')
    local run, code = finish()
    assert.equal(0, code)
    assert.same({ specversion = "1.0", source = "/s", id = "it", type = "order", subject = "eu/2",
      data = { id = 7, n = { 1 } } }, run.by_name.a.output)
    assert.equal(1, run.by_name.a.attempts)
    assert.matches("ended 1 wait\n", box:tidegate("event", "show", "it").out, 1, true)
    assert.equal(0, box:document("event", "show", "later").waits_ended)
  end)

  it("ends without an event when its time is over", function()
    of [[ tg.task "a" { retry = { attempts = 3, base = "1ms" }, run = function(ctx)
      return ctx:wait_event { type = "order", timeout = "1s" } end }, ]]
    local run, result = box:run()
    assert.equal(4, result.code)
    assert.equal("timeout", run.by_name.a.error.code)
    assert.equal(1, run.by_name.a.attempts) -- the same would be told again
  end)

  it("counts from the beginning of the run if that is asked for", function()
    of [[
      tg.task "first" { run = function(ctx) ctx:wait_event { type = "one" } end },
      tg.task "second" { after = "first", run = function(ctx)
        return { ctx:wait_event { type = "two", since = "run" }.id,
          ctx:wait_event { type = "two", timeout = "1s" } == nil }
      end },
    ]]
    send("old", '"type":"two"')
    start()
    until_is("SELECT count(*) FROM steps", "1")
    send("new", '"type":"two"')
    send("x", '"type":"one"')
    local run = finish()
    assert.same({ "new", true }, run.by_name.second.output)
  end)

  it("says what it waits for", function()
    of(ONE)
    start()
    until_is("SELECT count(*) FROM steps", "1")
    assert.matches("waits for an event order (subject eu/*, id = 7)",
      box:tidegate("show", "last").out, 1, true)
    assert.matches("now%s+a%s+waits for an event order", box:tidegate("why", "last").out)
    assert.equal("order", box:document("show", "last").run.tasks[1].waits["for"].type)
    send("it", '"type":"order","subject":"eu/2","data":{"id":7}')
    finish()
    assert.matches("waiting  waits for an event order", box:read ".err", 1, true)
    assert.matches("waited for an event order .-: came: it of /s", box:tidegate("why", "last", "a").out)
  end)

  it("waits on after Ctrl-C and a kill, and finds what came meanwhile", function()
    of(ONE)
    start()
    until_is("SELECT count(*) FROM steps", "1")
    signal "INT"
    assert.equal(130, (code_of()))
    assert.matches("was not finished; the same command continues it", box:read ".err", 1, true)
    start()
    until_is("SELECT count(*) FROM attempts WHERE state = 'lost'", "0") -- none but the one at rest
    signal "KILL"
    assert.equal(137, (code_of()))
    send("it", '"type":"order","subject":"eu/2","data":{"id":7}')
    local run = box:run()
    assert.equal("it", run.by_name.a.output.id)
    assert.equal("1", box:sql "SELECT count(*) FROM runs")
    assert.equal("1", box:sql "SELECT count(*) FROM steps")
  end)

  it("of many items takes no slot, and each its own event", function()
    of([[
      tg.map "m" { over = function()
          local list = {} for i = 1, 200 do list[i] = i end return list
        end,
        run = function(ctx, id)
          return ctx:wait_event { type = "order", match = { id = id } }.data.id
        end },
      tg.task "t" { run = function() return "ran" end },
    ]], "limits = { tasks = 2 },")
    start()
    until_is("SELECT count(*) FROM steps", "200")
    assert.matches("and 190 more", box:tidegate("show", "last").out, 1, true)
    assert.matches("200 items wait, one of them waits for an event order (id = 1)",
      box:tidegate("show", "last").out, 1, true)
    local events = {}
    for i = 1, 200 do
      events[i] = ('{"specversion":"1.0","source":"/s","type":"order","id":"%d","data":{"id":%d}}')
        :format(i, 201 - i)
    end
    box:write("events", table.concat(events, "\n"))
    assert.equal(0, box:tidegate("event", "send", "events").code)
    local run, code = finish()
    assert.equal(0, code)
    for i = 1, 200 do assert.equal(i, run.by_name.m.output[i]) end
    assert.equal("200", box:sql "SELECT count(DISTINCT event) FROM steps")
  end)

  it("gets each event once whatever is killed meanwhile", function()
    of [[
      tg.map "m" { over = function()
          local list = {} for i = 1, 30 do list[i] = i end return list
        end,
        run = function(ctx, id)
          return ctx:wait_event { type = "order", since = "run", match = { id = id } }.id
        end },
    ]]
    -- An occurrence, so that the hosts do not begin another run when it has succeeded.
    local occurrence = project.command { "run", "p", "--at", "2026-11-20" }
    start(occurrence)
    until_is("SELECT count(*) > 0 FROM steps", "1")
    signal "KILL"
    code_of()
    -- A host that is killed every now and then, and thirty senders, of whom some are.
    local script = [[
      cd %s
      { while [ ! -e .stop ]; do
        %s >/dev/null 2>&1 & pid=$!; sleep 0.$((RANDOM %% 3))$((RANDOM %% 10)); kill -9 $pid; wait $pid
      done; } 2>/dev/null &
      hosts=$!
      for i in $(seq 30); do
        printf '{"specversion":"1.0","source":"/s","type":"order","id":"e%%d","data":{"id":%%d}}' $i $i >e
        { %s >/dev/null 2>&1 & sleep 0.0$((RANDOM %% 10)); kill -9 $!; wait $!; } 2>/dev/null
        %s >/dev/null 2>&1 || echo "not sent: $i"
      done
      touch .stop; wait $hosts
    ]]
    local send_one = project.command { "event", "send", "e" }
    local _, said = project.shell("bash -c " .. project.quote(script:format(box.dir,
      occurrence, send_one, send_one)))
    assert.equal("", said)
    local run = box:run { "p", "--at", "2026-11-20" }
    assert.equal("success", run.state)
    for i = 1, 30 do assert.equal("e" .. i, run.by_name.m.output[i]) end
    assert.equal("30", box:sql "SELECT count(*) FROM events")
    assert.equal("1", box:sql "SELECT count(*) FROM runs")
    assert.equal("ok", box:sql "PRAGMA integrity_check")
  end)

  it("can be cancelled", function()
    of(ONE)
    start()
    until_is("SELECT count(*) FROM steps", "1")
    local result = box:tidegate("cancel", "last")
    assert.equal(0, result.code, result.err)
    local run = finish()
    assert.equal("cancelled", run.state)
  end)
end)

local ASK = [[
  tg.task "publish" { retry = { attempts = 3, base = "1ms" }, run = function(ctx)
    local answer, err = ctx:approve { message = "Publish 12 rows?" }
    if not answer then return nil, err end
    return answer
  end },
]]

local function asked() until_is("SELECT count(*) FROM steps", "1") end

describe("ctx:approve", function()
  it("goes on when a person has approved", function()
    of(ASK)
    start()
    asked()
    local shown = box:tidegate("show", "last").out
    assert.matches("waits for approval: Publish 12 rows%?; tidegate approve %x+%-%x+ publish", shown)
    assert.matches("waits for approval: Publish 12 rows?; tidegate approve",
      box:tidegate("why", "last").out, 1, true)
    local said = box:tidegate("approve", "last", "--by", "ada", "-m", "looks good")
    assert.equal(0, said.code, said.err)
    assert.matches("publish of run %S+ is approved\n", said.err)
    local run, code = finish()
    assert.equal(0, code)
    local answer = run.by_name.publish.output
    assert.same({ true, "ada", "looks good" }, { answer.approved, answer.by, answer.comment })
    assert.matches("^20%d%d%-.*Z$", answer.at)
    assert.matches("waiting  waits for approval: Publish 12 rows?; tidegate approve", box:read ".err",
      1, true)
    assert.matches("approved by ada: looks good", box:tidegate("why", "last", "publish").out, 1, true)
  end)

  it("fails for good when a person has rejected", function()
    of(ASK)
    start()
    asked()
    assert.equal(0, box:tidegate("approve", "last", "publish", "--reject", "--by", "bob").code)
    local run, code = finish()
    assert.equal(1, code)
    assert.same({ code = "rejected", class = "permanent", message = "rejected by bob" },
      run.by_name.publish.error)
    assert.equal(1, run.by_name.publish.attempts)
  end)

  it("is answered by the login name, and by those who may", function()
    of [[ tg.task "a" { run = function(ctx)
      return ctx:approve { message = "go?", by = { "nobody-else", "no-group" } } end }, ]]
    start()
    asked()
    local result = box:tidegate("approve", "last")
    assert.equal(2, result.code)
    assert.matches("%S+ may not answer this; nobody%-else, no%-group may", result.err)
    assert.equal(0, box:tidegate("approve", "last", "--by", "no-group").code)
    local run = finish()
    assert.equal("no-group", run.by_name.a.output.by)
  end)

  it("is answered where no host is at work, and the next run goes on", function()
    of(ASK)
    start()
    asked()
    signal "KILL"
    assert.equal(137, (code_of()))
    local said = box:tidegate("approve", "last", "--by", "ada")
    assert.equal(0, said.code, said.err)
    assert.matches('"tidegate run p" continues the run', said.err, 1, true)
    local again = box:tidegate("approve", "last", "--by", "bob")
    assert.equal(2, again.code)
    assert.matches("publish of run %S+ has its answer: approved by ada", again.err)
    local run = box:run()
    assert.equal("ada", run.by_name.publish.output.by)
    assert.equal("1", box:sql "SELECT count(*) FROM runs")
  end)

  it("of items asks which one is meant", function()
    of [[ tg.map "m" { over = function() return { 1, 2 } end, run = function(ctx, item)
      return ctx:approve({ message = "item " .. item .. "?" }).by end }, ]]
    start()
    until_is("SELECT count(*) FROM steps", "2")
    local result = box:tidegate("approve", "last")
    assert.equal(2, result.code)
    assert.matches("2 wait for approval in run %S+: m%[0%], m%[1%]; say which", result.err)
    assert.equal(0, box:tidegate("approve", "last", "m[1]", "--by", "b").code)
    assert.equal(0, box:tidegate("approve", "last", "--by", "a").code)
    local run = finish()
    assert.same({ "a", "b" }, run.by_name.m.output)
  end)

  it("of what does not wait is a clear error", function()
    of [[ tg.task "a" { run = function(ctx) ctx:wait_event { type = "x" } end },
      tg.task "publish" { after = "a", run = function() end }, ]]
    start()
    asked()
    local result = box:tidegate("approve", "last", "a")
    assert.equal(2, result.code)
    assert.matches("a of run %S+ does not wait for approval", result.err)
    assert.matches('pipeline p has no task "pubish"; did you mean "publish"',
      box:tidegate("approve", "last", "pubish").err)
    assert.matches('no task "pubish"; did you mean "publish"',
      box:tidegate("approve", "last", "pubish[3]").err)
    send("x", '"type":"x"')
    finish()
    assert.matches("has ended already (success)", box:tidegate("approve", "last").err, 1, true)
  end)

  it("ends with its time", function()
    of [[ tg.task "a" { run = function(ctx)
      local answer, err = ctx:approve { message = "go?", timeout = "1s" }
      return { answer == nil, err.code } end }, ]]
    local run = box:run()
    assert.same({ true, "timeout" }, run.by_name.a.output)
  end)
end)
