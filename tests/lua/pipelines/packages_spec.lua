-- SPDX-License-Identifier: Apache-2.0
local project_of = require "support.project"

local STATUS = [[
Package: adduser
Status: install ok installed
Section: admin
Installed-Size: 686
Architecture: all
Version: 3.134
Description: add and remove users
 a line more

Package: libc6
Status: install ok installed
Section: libs
Installed-Size: 12996
Architecture: amd64
Version: 2.36-9

Package: old-thing
Status: deinstall ok config-files
Section: libs
Installed-Size: 7
Architecture: amd64
Version: 1.0

]]

local LOG = [[
2026-11-19 10:00:00 startup archives unpack
2026-11-19 10:00:01 install libc6:amd64 <none> 2.36-9
2026-11-19 10:00:02 status installed libc6:amd64 2.36-9
2026-11-20 11:00:00 upgrade adduser:all 3.133 3.134
2026-11-20 11:00:01 conffile /etc/adduser.conf keep
2026-11-20 11:00:02 remove old-thing:amd64 1.0 <none>
]]

local read = project_of.read

describe("the pipeline packages", function()
  local project, sql
  local files = project_of.own_files()
  before_each(function()
    project = project_of.new(files)
    require("tidegate._native").log = function() end
  end)
  after_each(function() project:close() end)

  local function write(name, text)
    local handle = assert(io.open(project.dir .. "/" .. name, "wb"))
    handle:write(text)
    handle:close()
  end

  -- Runs the pipeline on the given files; without a text there is no such file.
  local function run(status, log, hour)
    for name in pairs(package.loaded) do
      if name:find("^lib%.") then package.loaded[name] = nil end
    end
    if status then write("status", status) end
    if log then write("dpkg.log", log) end
    local plan = assert(project:build(read "pipelines/packages.lua"))
    sql = require "tidegate.sql"
    assert(sql.open { path = project.dir .. "/warehouse.db" })
    assert(require("tidegate.file").allow { { path = project.dir } })
    return project:run_all(plan, {
      params = { status = project.dir .. "/status", log = project.dir .. "/dpkg.log" },
      logical_date = ("2026-11-20T%02d:00:00.000Z"):format(hour or 12),
    })
  end

  local function all(query) return assert(sql.query(query)) end

  it("makes gold of the package database and its log", function()
    local outputs = run(STATUS, LOG)
    assert.same({ rows = 3, quarantined = 0 }, outputs.silver_packages)
    assert.same({ rows = 6, quarantined = 0 }, outputs.silver_log)
    assert.same({
      { section = "libs", packages = 1, installed_kib = 12996, installed_mib = 12.7 },
      { section = "admin", packages = 1, installed_kib = 686, installed_mib = 0.7 },
    }, all "SELECT * FROM gold_size_by_section")
    assert.same({
      { day = "2026-11-19", installs = 1, upgrades = 0, removals = 0 },
      { day = "2026-11-20", installs = 0, upgrades = 1, removals = 1 },
    }, all "SELECT * FROM gold_installs_per_day")
    assert.same({ "refresh" }, outputs.window.chosen)
    assert.same({ { sections = 2, packages = 2, installed_mib = 13.4, first_day = "2026-11-19",
      last_day = "2026-11-20", installs = 1, upgrades = 1, removals = 1 } },
      all "SELECT * FROM gold_summary")
  end)

  it("gives the same gold when it runs again, and then has nothing to refresh", function()
    local tables = { "gold_size_by_section", "gold_installs_per_day", "gold_summary" }
    run(STATUS, LOG)
    local before = {}
    for i, name in ipairs(tables) do before[i] = all("SELECT * FROM " .. name) end
    for _, hour in ipairs { 12, 2 } do
      run(nil, nil, hour)
      for i, name in ipairs(tables) do assert.same(before[i], all("SELECT * FROM " .. name)) end
    end
  end)

  it("puts aside what cannot be read, and counts it", function()
    local outputs = run(STATUS .. "Package: a\nno field\n\nStatus: install ok installed\n\n"
      .. "Package: b\nStatus: installed\n\nPackage: c\nStatus: install ok installed\n\n"
      .. "Package: d\nStatus: install ok installed\nInstalled-Size: big\nVersion: 1\n"
      .. "Architecture: all\n\nPackage: e\nPackage: f\n\n\n\nPackage: g\0\n\n"
      .. "Package: \xff\n\nPackage: half\nStatus: install ok inst",
      LOG .. "garbage\n2026-11-20 11:00:03 dance libc6\n2026-11-20 11:00:04 status installed lib")
    assert.same({ rows = 3, quarantined = 9 }, outputs.silver_packages)
    local reasons = {}
    for i, row in ipairs(all "SELECT reason FROM quarantine_packages ORDER BY rowid") do
      reasons[i] = row.reason
    end
    assert.same({
      "this line is no field: no field", "there is no Package", "Status is not three words",
      "installed, but without Version or Architecture", "Installed-Size is not a number",
      "the field Package stands twice", "control characters", "not UTF-8",
      "half-written: the file ends here, without a newline",
    }, reasons)
    assert.same({ rows = 6, quarantined = 3 }, outputs.silver_log)
    assert.equal(12, sql.value "SELECT count(*) FROM bronze_packages")
    assert.same({ line = 9, reason = "half-written: the file ends here, without a newline" },
      all("SELECT line, reason FROM quarantine_log ORDER BY rowid DESC LIMIT 1")[1])
  end)

  it("moves away what breaks the contract and goes on", function()
    local double = STATUS:match("^.-\n\n")
    local outputs = run(STATUS .. double .. double:gsub("adduser", "Bad_Name")
      .. double:gsub("adduser", "odd"):gsub("ok installed", "ok dancing"), LOG)
    assert.equal(3, outputs.quality.dropped)
    assert.equal(3, sql.value "SELECT count(*) FROM silver_packages")
    assert.equal(3, sql.value "SELECT count(*) FROM quarantine_silver_packages")
  end)

  it("does without a log", function()
    local outputs = run(STATUS)
    assert.same({ rows = 0, quarantined = 0 }, outputs.silver_log)
    assert.same({}, all "SELECT * FROM gold_installs_per_day")
    assert.equal(2, sql.value "SELECT packages FROM gold_summary")
  end)

  it("reads a log that was rotated, the older part first", function()
    write("dpkg.log.1", LOG:sub(1, (LOG:find("\n2026%-11%-20"))))
    run(STATUS, LOG:match("2026%-11%-20.*"))
    assert.equal(6, sql.value "SELECT count(*) FROM silver_log")
    assert.equal("startup", sql.value "SELECT action FROM silver_log ORDER BY rowid LIMIT 1")
  end)

  it("stops at the gate when there is nothing to read", function()
    local ok, err = pcall(run, "\n", LOG)
    assert.is_false(ok)
    assert.truthy(err:find("quality: silver_packages: 1 of %d+ checks failed: some_packages"), err)
  end)

  it("fails clearly without a package database", function()
    local ok, err = pcall(run, nil, LOG)
    assert.is_false(ok)
    assert.truthy(tostring(err.message or err):find("status", 1, true))
  end)

  it("has a policy that passes its own tests", function()
    local text = read "pipelines/policies/refresh_window.lua"
    local worker = project.worker
    local policy = assert(worker.policy(assert(load(text, "@p.lua"))(),
      "pipelines/policies/refresh_window.lua"))
    assert.is_true(policy.tests > 5)
  end)
end)
