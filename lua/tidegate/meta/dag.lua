-- SPDX-License-Identifier: Apache-2.0
---@meta tidegate.dag

--- Graphs of tasks: who must be done before whom.
local dag = {}

--- A node: its name, or its number in a graph made by `dag.from_edges`.
---@alias tidegate.dag.Node string|integer

---@class tidegate.dag.Task
---@field name string
---@field after? string|string[]

---@class tidegate.dag.Graph
---@operator len: integer
local Graph = {}

--- Makes a graph from a map of names to what they are after, or from a list of tasks.
---
--- Shape:  `{ a = {}, b = { "a" } }`, or `{ { name = "a" }, { name = "b", after = "a" } }`
--- Errors: `invalid` for a cycle (named by its path, `a -> b -> a`), an unknown or a double name;
---         a table of another shape raises
---@param tasks table<string, string|string[]>|tidegate.dag.Task[]
---@return tidegate.dag.Graph? graph
---@return tidegate.Error? err
function dag.new(tasks) end

--- Makes a graph of the nodes 1..n from a flat list of edges.
---
--- Shape:  `{ from, to, from, to, ... }`; `to` waits for `from`
--- Errors: `invalid` for a cycle; an item that is no node raises
---@param n integer
---@param edges integer[]
---@return tidegate.dag.Graph? graph
---@return tidegate.Error? err
function dag.from_edges(n, edges) end

--- Gives all nodes so that each comes after what it waits for; always the same order.
---@return tidegate.dag.Node[]
function Graph:order() end

--- Gives the nodes by level: the first list waits for nothing, the next only for the first, ...
---@return tidegate.dag.Node[][]
function Graph:levels() end

--- Gives the nodes that are not done and wait only for nodes that are.
---
--- Errors: a name that is not in the graph raises
---@param done? table<tidegate.dag.Node, boolean>
---@return tidegate.dag.Node[]
function Graph:ready(done) end

--- Gives the heaviest path from a start to an end, and its weight.
---
--- Shape:  without weights each node counts 1; with them, a node that has none counts 0
--- Units:  those of the weights, whole numbers (ms, say)
---@param weights? table<tidegate.dag.Node, integer>
---@return tidegate.dag.Node[] path
---@return integer total
function Graph:critical_path(weights) end

--- Gives the nodes that this one waits for directly.
---@param node tidegate.dag.Node
---@return tidegate.dag.Node[]
function Graph:upstream(node) end

--- Gives the nodes that wait for this one directly.
---@param node tidegate.dag.Node
---@return tidegate.dag.Node[]
function Graph:downstream(node) end

--- Gives all nodes that this one waits for, directly or not, in order.
---@param node tidegate.dag.Node
---@return tidegate.dag.Node[]
function Graph:ancestors(node) end

--- Gives all nodes that wait for this one, directly or not, in order.
---@param node tidegate.dag.Node
---@return tidegate.dag.Node[]
function Graph:descendants(node) end

return dag
