-- SPDX-License-Identifier: Apache-2.0
local build = os.getenv "TIDEGATE_BUILD" or "build"
package.cpath = build .. "/lua/?.so;" .. package.cpath

local http = require "tidegate.http"

-- Starts the server; it ends when its standard input is closed.
local function server_start(arguments)
  local ports = os.tmpname()
  local program = ("%s/tests/support/tests_http_server %s >%s"):format(build, arguments or "", ports)
  local server = { input = assert(io.popen(program, "w")) }
  for _ = 1, 200 do
    local file = assert(io.open(ports))
    server.port = file:read("n")
    file:close()
    if server.port then break end
    os.execute "sleep 0.05"
  end
  os.remove(ports)
  return server
end

-- Runs a script in a Lua of its own, for what is set by the environment. Gives what it printed.
local function lua_run(environment, script)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(script)
  file:close()
  local command = ("%s LUA_CPATH='%s' lua5.4 %s 2>&1"):format(environment, package.cpath, path)
  local pipe = assert(io.popen(command))
  local output = pipe:read("a")
  pipe:close()
  os.remove(path)
  return output
end

describe("tidegate.http", function()
  local server, base

  setup(function()
    server = server_start()
    base = "http://127.0.0.1:" .. assert(server.port, "the server did not start")
  end)

  teardown(function() server.input:close() end)

  local function echo(options)
    options.url = base .. "/echo"
    return assert(http.request(options)).body
  end

  local function has(text, part)
    assert.is_truthy(text:find(part, 1, true), ("%q lacks %q"):format(text, part))
  end

  local function raises(text, ...)
    local ok, err = pcall(...)
    assert.is_false(ok)
    has(tostring(err), text)
  end

  describe("a request", function()
    it("has the method of its function", function()
      for _, method in ipairs { "get", "post", "put", "patch", "delete", "options" } do
        local response = assert(http[method](base .. "/echo"))
        has(response.body, method:upper() .. " /echo\n")
      end
      assert.equal("", assert(http.head(base .. "/echo")).body)
    end)

    it("is GET unless it says otherwise", function()
      has(echo {}, "GET /echo\n")
      has(echo { method = "PUT" }, "PUT /echo\n")
    end)

    it("sends JSON with its content type", function()
      local body = echo { method = "POST", json = { b = { 1, 2 }, a = 9007199254740993 } }
      has(body, "content-type: application/json\n")
      has(body, '\n\n{"a":9007199254740993,"b":[1,2]}')
    end)

    it("keeps a content type that is given", function()
      local body = echo { method = "POST", json = { 1 }, headers = { ["Content-Type"] = "x/y" } }
      has(body, "Content-Type: x/y\n")
      assert.is_nil(body:find("application/json", 1, true))
    end)

    it("sends a form sorted and encoded", function()
      local body = echo { method = "POST", form = { b = "ü &", a = 1, c = { true, "x" } } }
      has(body, "content-type: application/x-www-form-urlencoded\n")
      has(body, "\n\na=1&b=%C3%BC%20%26&c=true&c=x")
    end)

    it("sends a body of any bytes", function()
      has(echo { method = "POST", body = "a\0b" }, "\n\na\0b")
    end)

    it("appends the query to the URL", function()
      local function line(path, query)
        return assert(http.get(base .. path, { query = query })).body:match "^GET (.-)\n"
      end
      assert.equal("/echo?a=1&b=x%2Fy", line("/echo", { b = "x/y", a = 1 }))
      assert.equal("/echo?z=0&a=1", line("/echo?z=0", { a = 1 }))
      assert.equal("/echo?a=1", line("/echo#part", { a = 1 }))
      assert.equal("/echo", line("/echo", {}))
    end)

    it("names the nearest right word for an unknown option", function()
      raises("'timeuot' is not known; did you mean 'timeout'?", http.get, base, { timeuot = 1 })
      raises("'url'", http.get, base, { url = base })
    end)

    it("raises for arguments of the wrong kind", function()
      raises("string expected", http.get, nil)
      raises("table expected", http.get, base, 5)
      raises("url must be a string", http.request, {})
      raises("method 'BREW'", http.request, { url = base, method = "BREW" })
      raises("exclude one another", http.post, base, { body = "x", json = {} })
      raises("body must be a string", http.post, base, { body = {} })
      raises("json: $.f", http.post, base, { json = { f = print } })
      raises("timeout must be a duration", http.get, base, { timeout = "soon" })
      raises("timeout must be a duration", http.get, base, { timeout = 0 })
      raises("idle_timeout must be a duration", http.get, base, { idle_timeout = 1.5 })
      raises("max_bytes must be a size", http.get, base, { max_bytes = "lots" })
      raises("redirects must be an integer", http.get, base, { redirects = 11 })
      raises("'x-a' is a table", http.get, base, { headers = { ["x-a"] = {} } })
      raises("'q' in query is a function", http.get, base, { query = { q = print } })
      raises("names in query must be strings", http.get, base, { query = { "a" } })
    end)
  end)

  describe("a response", function()
    it("has status, headers, body, url and time", function()
      local response = assert(http.get(base .. "/headers"))
      assert.equal(200, response.status)
      assert.is_true(response.ok)
      assert.equal("Kept As It Is", response.headers["x-mixed-case"])
      assert.equal("a=1, b=2", response.headers["set-cookie"])
      assert.equal(base .. "/headers", response.url)
      assert.equal("integer", math.type(response.elapsed_ms))
      assert.equal(response, response:check())
    end)

    it("reads its body as JSON, or says why it cannot", function()
      local response = assert(http.get(base .. "/chain/0"))
      local value, err = response:json()
      assert.is_nil(value)
      assert.equal("invalid", err.code)
      has(err.message, "/chain/0 is not JSON")
    end)

    it("follows redirects", function()
      local response = assert(http.get(base .. "/chain/3"))
      assert.equal("end", response.body)
      assert.equal(base .. "/chain/0", response.url)
      assert.equal(302, assert(http.get(base .. "/chain/3", { redirects = 0 })).status)
    end)

    it("of an error status becomes an error by check()", function()
      local function check(path)
        local response = assert(http.get(base .. path))
        assert.is_false(response.ok)
        local value, err = response:check()
        assert.is_nil(value)
        return err
      end
      local err = check "/status/503?retry_after=2"
      assert.equal("throttled", err.class)
      assert.equal("throttled", err.code)
      assert.equal(2, err.retry_after)
      has(tostring(err), base .. "/status/503 answered with status 503")
      assert.equal("transient", check("/status/500").class)
      assert.equal("permanent", check("/status/404").class)
      assert.equal("not_found", check("/status/404").code)
      assert.equal("denied", check("/status/403").code)
      assert.equal("conflict", check("/status/412").code)
      assert.is_nil(check("/status/429").retry_after)
    end)

    it("cannot have its methods changed", function()
      assert.is_false(getmetatable(assert(http.get(base .. "/chain/0"))))
    end)
  end)

  describe("a failure of the world", function()
    local function fails(code, class, url, options)
      local response, err = http.get(url, options)
      assert.is_nil(response)
      assert.equal(code, err.code)
      assert.equal(class, err.class)
    end

    it("is nil and an error with a class", function()
      fails("connect", "transient", "http://127.0.0.1:1/")
      fails("timeout", "transient", base .. "/slow_headers", { timeout = "100ms" })
      fails("timeout", "transient", base .. "/slow_body", { idle_timeout = 100 })
      fails("limit", "permanent", base .. "/big/2000", { max_bytes = "1KiB" })
      fails("limit", "permanent", base .. "/gzip/2000", { max_bytes = 1024 })
      fails("limit", "permanent", base .. "/loop")
      fails("invalid", "permanent", "ftp://example.com/")
      fails("invalid", "permanent", base, { headers = { ["x-a"] = "1\r\nx-b: 2" } })
      fails("denied", "permanent", "http://169.254.169.254/")
      fails("invalid", "permanent", base, { max_bytes = "1GiB" })
    end)

    it("leaves the module usable", function()
      http.get "http://127.0.0.1:1/"
      assert.equal(200, assert(http.get(base .. "/echo")).status)
    end)
  end)

  describe("a secret", function()
    it("never shows its value nor its name as text", function()
      local secret = http.secret "TOKEN"
      assert.equal("***", tostring(secret))
      assert.equal("***", tostring("Bearer " .. secret .. "!"))
      assert.is_false(getmetatable(secret))
      raises("cannot be changed", function() secret.x = 1 end)
      raises("strings and secrets only", function() return secret .. {} end)
      raises("letters, digits and _", http.secret, "a b")
    end)

    it("is put in its place by the host", function()
      local script = [[
        local http = require "tidegate.http"
        local value = "Bearer " .. http.secret "TOKEN" .. "-" .. http.secret "OTHER"
        print(assert(http.get("%s/echo", { headers = { authorization = value } })).body)
      ]]
      local output = lua_run("TIDEGATE_SECRET_TOKEN=abc TIDEGATE_SECRET_OTHER=def",
                             script:format(base))
      has(output, "authorization: Bearer abc-def\n")
    end)

    it("is what tg.secret gives", function()
      local script = [[
        local tg, http = require "tidegate", require "tidegate.http"
        print(assert(http.get("%s/echo", { headers = { ["x-key"] = tg.secret "TOKEN" } })).body)
      ]]
      has(lua_run("TIDEGATE_SECRET_TOKEN=abc", script:format(base)), "x-key: abc\n")
    end)

    it("that is not there is named", function()
      local options = { headers = { authorization = http.secret "NO_SUCH_SECRET" } }
      local response, err = http.get(base, options)
      assert.is_nil(response)
      assert.equal("denied", err.code)
      has(err.message, "'NO_SUCH_SECRET'")
    end)
  end)

  it("trusts only certificates it can verify", function()
    local key, certificate = os.tmpname(), os.tmpname()
    assert(os.execute((
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 " ..
      "-keyout %s -out %s -subj /CN=localhost -addext subjectAltName=DNS:localhost >/dev/null 2>&1"
    ):format(key, certificate)))
    local secure = server_start(certificate .. " " .. key)
    local url = ("https://localhost:%d/echo"):format(secure.port)
    local _, err = http.get(url)
    local script = [[
      print(assert(require("tidegate.http").get(%q)).status)
    ]]
    local output = lua_run("TIDEGATE_CA_FILE=" .. certificate, script:format(url))
    secure.input:close()
    os.remove(key)
    os.remove(certificate)
    assert.equal("tls", err.code)
    assert.equal("permanent", err.class)
    assert.equal("200\n", output)
  end)
end)
