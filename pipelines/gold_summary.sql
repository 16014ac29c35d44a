-- SPDX-License-Identifier: Apache-2.0
-- One row about the machine, made of the other gold tables.
SELECT sections.sections,
       sections.packages,
       sections.installed_mib,
       days.first_day,
       days.last_day,
       days.installs,
       days.upgrades,
       days.removals
FROM (SELECT count(*)                              AS sections,
             coalesce(sum(packages), 0)            AS packages,
             round(total(installed_kib) / 1024, 1) AS installed_mib
      FROM gold_size_by_section) AS sections,
     (SELECT min(day)                   AS first_day,
             max(day)                   AS last_day,
             coalesce(sum(installs), 0) AS installs,
             coalesce(sum(upgrades), 0) AS upgrades,
             coalesce(sum(removals), 0) AS removals
      FROM gold_installs_per_day) AS days
