-- SPDX-License-Identifier: Apache-2.0
-- The real binary on a machine whose system calls fail: strace makes the n-th call of a kind fail in
-- the host (not in what it starts), for each n, or for a sample of them that TIDEGATE_FAULT_SEED
-- chooses. The host must succeed, or end with a code of its own and say why; the store stays whole,
-- and the next run without a fault succeeds.
local project = require "support.project"

-- How many calls of a kind are made to fail, where there are more.
local SAMPLE = tonumber(os.getenv "TIDEGATE_FAULT_CALLS") or 6
local SEED = tonumber(os.getenv "TIDEGATE_FAULT_SEED") or 20261120
local CODES = { [0] = true, true, true, [70] = true, [75] = true }
-- After a sync that failed nobody knows what is on the disk: stop, and say so by the exit code.
local SYNC_CODES = { [0] = true, [70] = true }

local TASKS = [[
  tg.task "script" { run = function(ctx)
    assert(require("tidegate.file").write("files/written", "text"))
    assert(require("tidegate.store").put("key", ctx.key))
    return { 1, 2, 3 }
  end },
  tg.cmd "command" { after = "script", argv = { "echo", "done" } },
  tg.sql "table" { after = "script", into = "table", query = "SELECT 1 AS one" },
  tg.map "items" { after = "script", over = function(ctx) return ctx.output.script end,
    run = function(ctx, item)
      return ctx:step("double", function() return item * 2 end)
    end },
  tg.task "last" { after = { "command", "table", "items" },
    run = function(ctx) return ctx.output.items end },
]]

local function is_traced()
  return project.shell "strace -qq -o /dev/null -e inject=getppid:error=EPERM true 2>/dev/null" == 0
end

-- Runs the pipeline under strace, which counts by thread, and leaves alone what is started
-- (-b execve); gives the lines it wrote, too. With a file only the calls about it count.
local function run_with(box, syscall, file, inject)
  local log = box.dir .. "/strace"
  local result = box:call({ "run", "p" }, {
    wrap = ("strace -f -b execve -qq -o %s -e trace=%s%s%s"):format(
      project.quote(log), syscall, file and " -P " .. project.quote(box.dir .. "/" .. file) or "",
      inject and " -e inject=" .. inject or ""),
  })
  return result, project.read_file(log) or ""
end

local function judge(box, fault, result)
  local where = ("inject=%s: exit code %d\n%s"):format(fault, result.code, result.err)
  if result.err:find "error while loading shared libraries" then return end -- it was not there yet
  local codes = fault:find "^fdatasync" and SYNC_CODES or CODES
  assert(codes[result.code], where)
  assert(result.code == 0 or result.err:find "tidegate: %S" or result.err:find "failed", where)
  local store = box:read ".tidegate/state.db"
  if store and #store > 0 then assert.equal("ok", box:sql "PRAGMA integrity_check", where) end
  local after = box:tidegate("run", "p")
  -- A task may have failed for good, and its host before the run had ended.
  if after.code == 1 and result.err:find "failed" then after = box:tidegate("run", "p") end
  assert(after.code == 0, where .. "\nafterwards: " .. after.err)
end

-- How many calls of a kind the busiest thread of the host makes in a run.
local function calls_of(syscall, file)
  local box = project.of(TASKS)
  local result, log = run_with(box, syscall, file)
  assert.equal(0, result.code, result.err)
  local count, most = {}, 0
  for line in log:gmatch "[^\n]+" do
    local thread = line:match("^(%d+)%s+" .. syscall .. "%(")
    if thread then
      count[thread] = (count[thread] or 0) + 1
      most = math.max(most, count[thread])
    end
  end
  box:close()
  return most
end

local function sample(count)
  local chosen = {}
  if count <= SAMPLE then
    for n = 1, count do chosen[n] = n end
    return chosen
  end
  for i = 1, SAMPLE do -- one of each of as many stretches of the same length
    local from = 1 + (i - 1) * count // SAMPLE
    chosen[i] = math.random(from, i * count // SAMPLE)
  end
  return chosen
end

describe("a host", function()
  local cases = { -- the call, how it fails, and of which file, if not of every one
    { "fdatasync", "error=EIO" }, { "pwrite64", "error=ENOSPC" }, { "pwrite64", "error=EIO" },
    { "openat", "error=EMFILE" }, { "openat", "error=ENFILE" }, { "openat", "error=EACCES" },
    { "mmap", "error=ENOMEM" }, { "socketpair", "error=EMFILE" }, { "pipe2", "error=EMFILE" },
    { "clone3", "error=EAGAIN" }, { "epoll_ctl", "error=ENOMEM" }, { "epoll_wait", "error=EINTR" },
    { "read", "error=EINTR" }, { "read", "error=EIO" }, { "write", "error=EINTR" },
    { "write", "error=ENOSPC" }, { "write", "error=ENOSPC", ".stderr" },
    { "sendto", "error=EINTR" }, { "sendto", "error=EAGAIN" },
    { "sendto", "error=ENOBUFS" }, { "recvfrom", "error=EINTR" },
    { "recvfrom", "error=ECONNRESET" },
    { "mkdir", "error=ENOSPC" }, { "fsync", "error=EIO" }, { "renameat", "error=ENOSPC" },
    { "flock", "error=ENOLCK" }, { "fcntl", "error=EDEADLK" },
  }
  -- A failure of these cannot be lived while nothing calls them. What calls one has to become a case.
  it("accepts no connections, nor does what it starts", function()
    if not is_traced() then return pending "this machine refuses ptrace" end
    local box = project.of(TASKS)
    local log = box.dir .. "/strace"
    local result = box:call({ "run", "p" }, {
      wrap = "strace -f -qq -o " .. project.quote(log) .. " -e trace=accept,accept4,listen,execve",
    })
    assert.equal(0, result.code, result.err)
    local calls = project.read_file(log)
    assert.matches('execve%([^\n]+"script%-worker"', calls)
    assert.matches('execve%([^\n]+"echo", "done"', calls)
    for _, syscall in ipairs { "accept", "accept4", "listen" } do
      assert.is_nil(calls:find(syscall .. "(", 1, true), syscall .. " is called: inject it below")
    end
    box:close()
  end)
  for _, case in ipairs(cases) do
    local syscall, how, file = case[1], case[2], case[3]
    local what = file and syscall .. " of " .. file or syscall
    it(("whose %s fails (%s) goes on, or says why"):format(what, how), function()
      if not is_traced() then return pending "this machine refuses ptrace" end
      math.randomseed(SEED)
      local count = calls_of(syscall, file)
      assert(count > 0, "there is no such call")
      for _, n in ipairs(sample(count)) do
        local box = project.of(TASKS)
        local fault = ("%s:%s:when=%d"):format(syscall, how, n)
        local result = run_with(box, syscall, file, fault)
        judge(box, fault, result)
        box:close()
      end
    end)
  end
end)
