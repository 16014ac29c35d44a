-- SPDX-License-Identifier: Apache-2.0
local project_of = require "support.project"

local STATUS = "Package: adduser\nStatus: install ok installed\nSection: admin\n"
  .. "Installed-Size: 686\nArchitecture: all\nVersion: 3.134\n\n"

describe("the pipeline nightly", function()
  local project, native
  before_each(function()
    project = project_of.new(project_of.own_files())
    native = require "tidegate._native"
    native.log = function() end
  end)
  after_each(function() project:close() end)

  local function write(name, text)
    local handle = assert(io.open(project.dir .. "/" .. name, "wb"))
    handle:write(text)
    handle:close()
    return project.dir .. "/" .. name
  end

  -- The defaults of a pipeline's parameters, with what it was given in their place.
  local function filled(plan, given)
    local params = {}
    for _, param in ipairs(plan.params) do
      params[param.name] = param.default
      if given[param.name] ~= nil then params[param.name] = given[param.name] end
      assert(params[param.name] ~= nil, param.name .. " is missing")
    end
    return params
  end

  local function run(name, given)
    local plan = assert(project:build(project_of.read("pipelines/" .. name .. ".lua")))
    local sql = require "tidegate.sql"
    assert(sql.open { path = project.dir .. "/warehouse.db" })
    assert(require("tidegate.file").allow { { path = project.dir } })
    return project:run_all(plan, { params = filled(plan, given) }), sql
  end

  it("runs its four children and hands on what one tells another", function()
    local machine = { packages = { status = write("status", STATUS), log = write("dpkg.log", "") } }
    local started = {}
    native.child = function(name, params)
      local worker, output = project.worker, native.output
      started[#started + 1] = name
      local outputs = run(name, machine[name] or params)
      project.worker, native.output = worker, output
      return { run = name, state = "success", outputs = outputs }
    end
    local outputs = run("nightly", {})
    assert.same({ "packages", "disk", "accounts", "digest" }, started)
    assert.equal("2026-11-20", outputs.digest.outputs.tell.day)
    local rows = assert(require("tidegate.sql").query "SELECT * FROM gold_digest")
    assert.equal(1, #rows)
    assert.same({ "2026-11-20", 1 }, { rows[1].day, rows[1].packages })
    assert.is_true(rows[1].accounts > 0)
    assert.is_true(rows[1].disk_percent >= 0 and rows[1].disk_percent <= 100)
  end)
end)
