-- SPDX-License-Identifier: Apache-2.0
--- The nearest right word to a wrong one, for hints.
local suggest = {}

local WORD_BYTES_MAX = 64 -- a longer "word" is not a slip of the keyboard

---Counts the edits between two words: insert, delete, replace, swap two neighbours.
---
---Source: optimal string alignment, after Damerau, "A technique for computer detection and
---        correction of spelling errors", CACM 1964
---@param a string
---@param b string
---@return integer
function suggest.distance(a, b)
  local before, last = {}, {}
  for j = 0, #b do last[j] = j end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      row[j] = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + cost)
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
    before, last = last, row
  end
  return last[#b]
end

---Gives the candidate that was probably meant, or nil if none is near.
---@param word any
---@param candidates string[]
---@return string?
function suggest.nearest(word, candidates)
  if type(word) ~= "string" or #word > WORD_BYTES_MAX then return nil end
  local best
  local least = 1 + #word // 3
  for _, candidate in ipairs(candidates) do
    local edits = suggest.distance(word:lower(), candidate:lower())
    if edits < least or (edits == least and not best) then
      best, least = candidate, edits
    end
  end
  return best
end

---Gives a hint for a wrong word: the nearest right one, or all of them where they are few.
---@param word any
---@param candidates string[]
---@return string?
function suggest.hint(word, candidates)
  local nearest = suggest.nearest(word, candidates)
  if nearest then return ("did you mean %q?"):format(nearest) end
  if #candidates > 0 and #candidates <= 12 then
    return "one of: " .. table.concat(candidates, ", ")
  end
  return nil
end

return suggest
