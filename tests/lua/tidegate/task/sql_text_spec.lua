-- SPDX-License-Identifier: Apache-2.0
local sql_text = require "tidegate.task.sql_text"

describe("sql_text.is_query", function()
  it("takes one query, with comments and a semicolon behind it", function()
    for _, text in ipairs {
      "SELECT 1", "select 1;", "  WITH a AS (SELECT 1) SELECT * FROM a ;\n", "(SELECT 1)",
      "VALUES (1)",
      "-- what it is; really\nSELECT 1", "/* a; b */ SELECT ';' AS \"a;b\", [c;d] -- end;",
      "SELECT 'it''s; fine'", "SELECT 4 - 2 / 1", "SELECT 1; -- nothing more",
    } do
      assert.is_true(sql_text.is_query(text), text)
    end
  end)

  it("takes nothing else", function()
    for _, text in ipairs {
      "", "-- SELECT 1", "DELETE FROM a", "SELECT 1; DROP TABLE a", "CREATE TABLE a AS SELECT 1",
      "SELECT ';'; SELECT 2", "SELECTED", "SELECT 1 /* ; */; x",
    } do
      assert.is_false(sql_text.is_query(text), text)
    end
  end)

  it("comes to the end of a text that is not closed", function()
    assert.is_true(sql_text.is_query "SELECT 'abc")
    assert.is_true(sql_text.is_query "SELECT 1 /* abc; def")
  end)
end)
