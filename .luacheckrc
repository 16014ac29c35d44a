-- SPDX-License-Identifier: Apache-2.0
std = "lua54"
max_line_length = 100
max_comment_line_length = 120 -- an annotation of a type cannot be broken
max_cyclomatic_complexity = 16
exclude_files = { "build/" }
files["tests/floors_spec.lua"] = { std = "+busted" }
files["tests/e2e"] = { std = "+busted", max_line_length = 130 }
files["tests/fault"] = { std = "+busted" }
files["tests/lua"] = { std = "+busted", max_line_length = 130 } -- a case of a table on one line
files["lua/tidegate/meta"] = { ignore = { "212", "241", "211" } } -- declarations for editors only
