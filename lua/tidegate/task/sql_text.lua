-- SPDX-License-Identifier: Apache-2.0
--- As much reading of SQL as it takes to tell one query from several statements. What the text means
--- is for SQLite to say.
local sql_text = {}

local CLOSERS = { ["'"] = "'", ['"'] = '"', ["`"] = "`", ["["] = "]" }

-- Gives the position behind the comment or quoted text that starts at `at`, or nil if none does.
local function skip(text, at)
  local two = text:sub(at, at + 1)
  if two == "--" then return (text:find("\n", at, true) or #text) + 1 end
  if two == "/*" then return (select(2, text:find("*/", at + 2, true)) or #text) + 1 end
  local closer = CLOSERS[text:sub(at, at)]
  return closer and (text:find(closer, at + 1, true) or #text) + 1
end

---Gives a text without its comments, and with what is quoted replaced by x.
---@param text string
---@return string
function sql_text.bare(text)
  local parts, at = {}, 1
  while at <= #text do
    local stop = text:find("[-/'\"`%[]", at) or #text + 1
    parts[#parts + 1] = text:sub(at, stop - 1)
    local after = skip(text, stop)
    if after then
      parts[#parts + 1] = CLOSERS[text:sub(stop, stop)] and "x" or " "
    else
      parts[#parts + 1] = text:sub(stop, stop)
    end
    at = after or stop + 1
  end
  return table.concat(parts)
end

---Tells whether a text is one query: SELECT, WITH or VALUES, perhaps with a semicolon behind it.
---@param text string
---@return boolean
function sql_text.is_query(text)
  local bare = sql_text.bare(text)
  local first = (bare:match("^[%s(]*(%a+)") or ""):upper()
  local is_single = not bare:find(";%s*[^%s;]")
  return is_single and (first == "SELECT" or first == "WITH" or first == "VALUES")
end

return sql_text
