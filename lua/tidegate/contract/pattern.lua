-- SPDX-License-Identifier: Apache-2.0
--- Contracts write regular expressions as ECMA-262 has them; the warehouse matches POSIX extended
--- ones. What both can say is translated: classes (\d \w \s and their opposites), escapes, and
--- groups that do not capture. The rest (look-around, lazy quantifiers, back-references, \b) is
--- refused, so that no pattern means something else than its author thinks; so are characters
--- beyond ASCII in brackets, where the warehouse would see their bytes.
---
--- Source: ECMA-262 5.1 chapter 15.10; POSIX.1-2017 chapter 9.4
local pattern = {}

local classes = { d = "0-9", w = "A-Za-z0-9_", s = " \t\n\r\f\v" }
local controls = { t = "\t", n = "\n", r = "\r", f = "\f", v = "\v" }
local refused = {
  ["(?="] = "look-ahead", ["(?!"] = "look-ahead", ["(?<"] = "look-behind, or a named group,",
}

---Reads an escape. Gives the class or the character it stands for.
---@param letter string what follows the backslash
---@return string? class
---@return string? character
local function escape_read(letter)
  if classes[letter] then return classes[letter] end
  if controls[letter] then return nil, controls[letter] end
  if letter == "" then error("the pattern ends in a backslash", 0) end
  if letter:find("[%w_]") then error(("\\%s is not supported"):format(letter), 0) end
  return nil, letter
end

---Writes a character so that it stands for itself outside brackets.
local function literal(char)
  return (char:gsub("[%.%[%]%*%+%?%(%)%{%}%|%^%$\\]", "\\%0"))
end

---Reads one member of a bracket expression at `at`.
---@return string? class
---@return string? character
---@return integer next
local function member_read(text, at)
  local char = text:sub(at, at)
  if char > "\127" then error("[...] can hold ASCII only", 0) end
  if char ~= "\\" then return nil, char, at + 1 end
  local class, escaped = escape_read(text:sub(at + 1, at + 1))
  return class, escaped, at + 2
end

-- In POSIX brackets nothing is escaped; what is special stands where it is not: ] first, - last.
local function bracket_write(is_negated, seen, parts)
  local last = (seen["["] and "[" or "") .. (seen["^"] and "^" or "") .. (seen["-"] and "-" or "")
  local body = (seen["]"] and "]" or "") .. table.concat(parts) .. last
  if body == "" then error("[] is empty", 0) end
  if body == "^" and not is_negated then return "\\^" end
  return (is_negated and "[^" or "[") .. body .. "]"
end

---Translates a bracket expression whose [ is at `at`.
---@return string posix
---@return integer next
local function bracket_read(text, at)
  at = at + 1
  local is_negated = text:sub(at, at) == "^"
  if is_negated then at = at + 1 end
  local seen, parts = {}, {}
  while text:sub(at, at) ~= "]" do
    if at > #text then error("a [ is not closed", 0) end
    local class, low, beyond = member_read(text, at)
    at = beyond
    if low and text:find("^%-[^%]]", at) then
      local _, high, after = member_read(text, at + 1)
      if not high or high < low then error("a range ends before it begins, or in a class", 0) end
      parts[#parts + 1] = low .. "-" .. high
      at = after
    elseif class then
      parts[#parts + 1] = class
    elseif low:find("[%[%]%^%-]") then
      seen[low] = true
    else
      parts[#parts + 1] = low
    end
  end
  return bracket_write(is_negated, seen, parts), at + 1
end

---@return string posix
---@return integer next
local function escape_translate(text, at)
  local letter = text:sub(at + 1, at + 1)
  if classes[letter:lower()] and letter:lower() ~= letter then
    return "[^" .. classes[letter:lower()] .. "]", at + 2
  end
  local class, char = escape_read(letter)
  return class and "[" .. class .. "]" or literal(char), at + 2
end

---@return string posix
---@return integer next
local function token_read(text, at)
  local char = text:sub(at, at)
  if char == "[" then return bracket_read(text, at) end
  if char == "\\" then return escape_translate(text, at) end
  if text:find("^%(%?:", at) then return "(", at + 3 end
  local what = refused[text:sub(at, at + 2)]
  if what then error(what .. " is not supported", 0) end
  if text:find("^[%*%+%?}]%?", at) then error("a lazy quantifier is not supported", 0) end
  return char, at + 1
end

---Translates a pattern.
---@param text string
---@return string? posix
---@return string? why it cannot be
function pattern.to_posix(text)
  local parts, at = {}, 1
  local ok, err = pcall(function()
    while at <= #text do
      parts[#parts + 1], at = token_read(text, at)
    end
  end)
  if not ok then return nil, err end
  return table.concat(parts)
end

return pattern
