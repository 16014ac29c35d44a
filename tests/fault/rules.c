// SPDX-License-Identifier: Apache-2.0
#include "fault/rules.h"

#include <stddef.h>

#define RUN_IS_OPEN "state IN ('running', 'queued', 'cancelling')"
#define TASK_IS_FINAL "state NOT IN ('waiting', 'ready', 'running')"

const struct rule rules[] = {
    {"a run that had ended is another one or gone",
     "SELECT number, id, state, ended_at, error_message FROM before.runs WHERE NOT " RUN_IS_OPEN
     " EXCEPT SELECT number, id, state, ended_at, error_message FROM now.runs",
     true},
    {"a run that was known is gone", "SELECT id FROM before.runs EXCEPT SELECT id FROM now.runs",
     true},
    {"a task that had ended is another one or gone",
     "SELECT run, name, state, attempts, ended_at, output, chosen FROM before.tasks"
     " WHERE " TASK_IS_FINAL
     " EXCEPT SELECT run, name, state, attempts, ended_at, output, chosen FROM now.tasks",
     true},
    {"the items of a map are others or gone",
     "SELECT * FROM before.map_items EXCEPT SELECT * FROM now.map_items", true},
    {"an item that had ended is another one or gone",
     "SELECT * FROM before.items EXCEPT SELECT * FROM now.items", true},
    {"a step that was done is another one or gone",
     "SELECT * FROM before.steps WHERE result IS NOT NULL EXCEPT SELECT * FROM now.steps", true},
    {"an attempt that had ended is another one or gone",
     "SELECT * FROM before.attempts WHERE state <> 'running' EXCEPT SELECT * FROM now.attempts",
     true},
    {"a bundle is gone", "SELECT hash FROM before.bundles EXCEPT SELECT hash FROM now.bundles",
     true},
    {"what had succeeded started again",
     "SELECT n.task, n.item, n.step FROM notes n JOIN before.runs r ON r.id = n.run"
     " JOIN before.tasks t ON t.run = r.number AND t.name = n.task AND t.state = 'success'",
     true},
    {"a task of a run that had ended started",
     "SELECT n.task, n.item, n.step FROM notes n JOIN before.runs r ON r.id = n.run"
     " WHERE NOT r." RUN_IS_OPEN,
     true},
    {"a run that was being cancelled ended otherwise",
     "SELECT b.id, n.state FROM before.runs b JOIN now.runs n ON n.id = b.id"
     " WHERE b.state = 'cancelling' AND n.state NOT IN ('cancelling', 'cancelled')",
     true},
    {"a task of a run that was being cancelled started, and is no teardown",
     "SELECT n.task FROM notes n JOIN before.runs r ON r.id = n.run"
     " JOIN before.bundles b ON b.hash = r.bundle JOIN json_each(b.plan, '$.tasks') t"
     " ON json_extract(t.value, '$.name') = n.task"
     " WHERE r.state = 'cancelling' AND json_extract(t.value, '$.teardown') IS NOT 1",
     true},
    {"an item that had ended started again",
     "SELECT n.task, n.item FROM notes n JOIN before.runs r ON r.id = n.run"
     " JOIN before.tasks t ON t.run = r.number AND t.name = n.task"
     " JOIN before.items i ON i.run = r.number AND i.task = t.task AND i.item = n.item - 1"
     " WHERE n.item <> '-'",
     true},
    {"a step that was done started again",
     "SELECT n.task, n.item, n.step FROM notes n JOIN before.runs r ON r.id = n.run"
     " JOIN before.steps s ON s.run = r.number AND s.name = n.step AND s.result IS NOT NULL"
     " AND s.item = CASE n.item WHEN '-' THEN -1 ELSE n.item - 1 END"
     " JOIN before.bundles b ON b.hash = r.bundle"
     " WHERE json_extract(b.plan, '$.tasks[' || s.task || '].name') = n.task",
     true},
    {"a task started in a run that is not in the store",
     "SELECT n.task FROM notes n WHERE n.run NOT IN (SELECT id FROM now.runs)", false},
    {"a run has a bundle that is not in the store",
     "SELECT id FROM now.runs WHERE bundle NOT IN (SELECT hash FROM now.bundles)", false},
    {"a task started before what it waits for had ended in the store",
     "SELECT n.task, json_extract(b.plan, '$.tasks[' || u.value || '].name')"
     " FROM notes n JOIN now.runs r ON r.id = n.run JOIN now.bundles b ON b.hash = r.bundle"
     " JOIN json_each(b.plan, '$.tasks') t ON json_extract(t.value, '$.name') = n.task"
     " JOIN json_each(t.value, '$.after') u LEFT JOIN now.tasks d"
     " ON d.run = r.number AND d.task = u.value AND d." TASK_IS_FINAL
     " WHERE d.task IS NULL AND json_extract(t.value, '$.map.over') IS NULL",
     false},
    {"an attempt of a task succeeded twice",
     "SELECT run, task, item FROM now.attempts WHERE state = 'success'"
     " GROUP BY 1, 2, 3 HAVING count(*) > 1",
     false},
    {"a task succeeded without an attempt that did",
     "SELECT t.run, t.name FROM now.tasks t JOIN now.runs r ON r.number = t.run"
     " JOIN now.bundles b ON b.hash = r.bundle WHERE t.state = 'success' AND t.attempts > 0"
     // Another task may have stood in for it.
     " AND json_type(b.plan, '$.tasks[' || t.task || '].fallback') IS NOT 'integer'"
     " AND NOT EXISTS (SELECT 1 FROM now.attempts a WHERE a.run = t.run AND a.task = t.task"
     " AND a.state = 'success')",
     false},
    {"a child run was started twice for one task",
     "SELECT parent, pipeline FROM now.runs WHERE parent IS NOT NULL"
     " GROUP BY 1, 2, params HAVING count(*) > 1",
     false},
    {"an answer of a policy is another one or gone",
     "SELECT * FROM before.decisions EXCEPT SELECT * FROM now.decisions", true},
    {"a task was tried again without its policy's leave",
     "SELECT a.run, t.name, a.number FROM now.attempts a JOIN now.runs r ON r.number = a.run"
     " JOIN now.bundles b ON b.hash = r.bundle"
     " JOIN now.tasks t ON t.run = a.run AND t.task = a.task"
     " JOIN now.attempts f ON f.run = a.run AND f.task = a.task AND f.item = a.item"
     " AND f.number = a.number - 1 AND f.state = 'failed' AND NOT f.is_fallback_next"
     " WHERE json_extract(b.plan, '$.tasks[' || a.task || '].retry.decide') IS NOT NULL"
     " AND NOT EXISTS (SELECT 1 FROM now.decisions d WHERE d.run = a.run AND d.task = a.task"
     " AND d.attempt = f.number AND d.action = 'retry')",
     false},
    {"a resource is gone",
     "SELECT name FROM before.resources EXCEPT SELECT name FROM now.resources", true},
    // The clock of the files is some milliseconds behind.
    {"a task started although the breaker of its resource was open",
     "SELECT n.task, b.name, n.at, b.retry_at FROM notes n JOIN now.runs r ON r.id = n.run"
     " JOIN now.bundles k ON k.hash = r.bundle JOIN json_each(k.plan, '$.tasks') t"
     " ON json_extract(t.value, '$.name') = n.task"
     " JOIN before.resources b ON b.name = json_extract(t.value, '$.resource')"
     " WHERE b.phase = 'open' AND n.at / 1000 + 10 < b.retry_at",
     true},
    // What was about to start when it opened has had its time.
    {"a task started after the breaker of its resource had opened",
     "SELECT n.task, b.name, n.at, b.opened_at FROM notes n JOIN now.runs r ON r.id = n.run"
     " JOIN now.bundles k ON k.hash = r.bundle JOIN json_each(k.plan, '$.tasks') t"
     " ON json_extract(t.value, '$.name') = n.task"
     " JOIN now.resources b ON b.name = json_extract(t.value, '$.resource')"
     " WHERE b.phase = 'open' AND n.at / 1000 > b.opened_at + 100"
     " AND n.at / 1000 + 10 < b.retry_at",
     false},
    {"a breaker was closed by nothing",
     "SELECT b.name FROM before.resources b JOIN now.resources n ON n.name = b.name"
     " WHERE b.phase <> 'closed' AND n.phase = 'closed' AND NOT EXISTS"
     " (SELECT 1 FROM now.attempts a JOIN now.runs r ON r.number = a.run"
     " JOIN now.bundles k ON k.hash = r.bundle LEFT JOIN before.attempts o ON o.run = a.run"
     " AND o.task = a.task AND o.item = a.item AND o.number = a.number AND o.state = 'success'"
     " WHERE a.state = 'success' AND o.run IS NULL"
     " AND json_extract(k.plan, '$.tasks[' || a.task || '].resource') = b.name)",
     true},
    {"more runs of a pipeline are at work than may be",
     "SELECT r.pipeline, count(*) FROM now.runs r JOIN now.bundles b ON b.hash = r.bundle"
     " WHERE r.ended_at IS NULL AND r.started_at IS NOT NULL"
     " AND coalesce(json_extract(b.plan, '$.limits.overlap'), 'queue') <> 'allow'"
     " GROUP BY 1 HAVING count(*) > max(json_extract(b.plan, '$.limits.runs'))",
     false},
    {"a task started in a run that has no place",
     "SELECT n.run, n.task FROM notes n JOIN now.runs r ON r.id = n.run"
     " WHERE r.state IN ('queued', 'skipped')",
     false},
    {"a run that was passed by has attempts",
     "SELECT id FROM now.runs WHERE state = 'skipped'"
     " AND number IN (SELECT run FROM now.attempts)",
     false},
    // Each task that holds the slot says when it begins and when it ends.
    {"two tasks were at work in a pool of one",
     "WITH held AS (SELECT n.* FROM notes n JOIN now.runs r ON r.id = n.run"
     " JOIN now.bundles b ON b.hash = r.bundle JOIN json_each(b.plan, '$.tasks') t"
     " ON json_extract(t.value, '$.name') = n.task"
     " WHERE json_extract(t.value, '$.pool.one') IS NOT NULL)"
     " SELECT a.run, a.task, b.run, b.task FROM held a JOIN held b"
     " ON (a.run, a.task, a.item) < (b.run, b.task, b.item)"
     " WHERE a.step = 'begin' AND b.step = 'begin'"
     " AND NOT EXISTS (SELECT 1 FROM held e WHERE e.step = 'end' AND e.at <= b.at"
     " AND (e.run, e.task, e.item) = (a.run, a.task, a.item))"
     " AND NOT EXISTS (SELECT 1 FROM held e WHERE e.step = 'end' AND e.at <= a.at"
     " AND (e.run, e.task, e.item) = (b.run, b.task, b.item))",
     false},
    {"a task that was being cancelled started again",
     "SELECT n.task, n.item FROM notes n JOIN before.runs r ON r.id = n.run"
     " JOIN before.tasks t ON t.run = r.number AND t.name = n.task"
     " WHERE t.error_code = 'cancelled'",
     true},
    {"an item that was being cancelled started again",
     "SELECT n.task, n.item FROM notes n JOIN before.runs r ON r.id = n.run"
     " JOIN before.tasks t ON t.run = r.number AND t.name = n.task"
     " JOIN before.attempts a ON a.run = t.run AND a.task = t.task AND a.item = n.item - 1"
     " WHERE n.item <> '-' AND a.error_code = 'cancelled'",
     true},
    {"a task that was being cancelled ended otherwise",
     "SELECT t.name, t.state FROM before.tasks b JOIN now.tasks t USING (run, task)"
     " WHERE b.error_code = 'cancelled' AND t.state NOT IN ('waiting', 'running', 'cancelled')",
     true},
    {"an item that was being cancelled ended otherwise",
     "SELECT a.run, a.task, a.item, i.state FROM before.attempts a"
     " JOIN now.items i USING (run, task, item) WHERE a.item >= 0 AND a.error_code = 'cancelled'"
     " AND i.state <> 'cancelled'",
     true},
    {0},
};

const struct rule last_rules[] = {
    {"a run has not ended", "SELECT id, state FROM now.runs WHERE " RUN_IS_OPEN, false},
    {"the last run has not ended as it should",
     "SELECT id, state FROM now.runs WHERE pipeline = 'p' AND state <> :state"
     " AND number = (SELECT max(number) FROM now.runs WHERE pipeline = 'p')",
     false},
    {"an attempt is left running in a run that ended",
     "SELECT run, task, number FROM now.attempts WHERE state = 'running'", false},
    {"a task is not final in a run that ended",
     "SELECT run, name, state FROM now.tasks WHERE NOT (" TASK_IS_FINAL ")", false},
    // Tasks that leave no note say so by their name.
    {"a task succeeded and never started",
     "SELECT t.run, t.name FROM now.tasks t JOIN now.runs r ON r.number = t.run"
     " WHERE t.state = 'success' AND t.attempts > 0 AND t.name NOT LIKE 'quiet%' AND NOT EXISTS"
     " (SELECT 1 FROM ran WHERE ran.run = r.id AND ran.task = t.name)",
     false},
    {"an item succeeded and never started",
     "SELECT i.run, t.name, i.item FROM now.items i JOIN now.runs r ON r.number = i.run"
     " JOIN now.tasks t ON t.run = i.run AND t.task = i.task WHERE i.state = 'success'"
     " AND i.attempts > 0 AND NOT EXISTS (SELECT 1 FROM ran WHERE ran.run = r.id"
     " AND ran.task = t.name AND ran.item = i.item + 1)",
     false},
    {"an approval was given by nobody who was asked",
     "SELECT run, task, result FROM now.steps WHERE json_extract(wait, '$.kind') = 'approval'"
     " AND json_extract(result, '$.value.by') IS NOT 'fault'",
     false},
    {"a breaker is not closed although all has succeeded",
     "SELECT name, phase FROM now.resources WHERE phase <> 'closed' AND NOT EXISTS"
     " (SELECT 1 FROM now.runs WHERE state <> 'success')",
     false},
    {0},
};
