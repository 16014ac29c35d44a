-- SPDX-License-Identifier: Apache-2.0
--- What must have become of the tasks before a task, so that it runs: Airflow's trigger rules, as in
--- host/dag/trigger.h.
return {
  "all_success", "all_done", "all_failed", "all_skipped", "one_success", "one_failed", "one_done",
  "none_failed", "none_failed_min_one_success", "none_skipped", "always",
}
