-- SPDX-License-Identifier: Apache-2.0
-- What was installed, upgraded and removed on each day of the log.
SELECT day,
       sum(action = 'install')            AS installs,
       sum(action = 'upgrade')            AS upgrades,
       sum(action IN ('remove', 'purge')) AS removals
FROM silver_log
WHERE action IN ('install', 'upgrade', 'remove', 'purge')
GROUP BY day
ORDER BY day
