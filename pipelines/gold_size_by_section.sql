-- SPDX-License-Identifier: Apache-2.0
-- How many packages each section has, and how much room they take.
SELECT coalesce(section, '(none)')           AS section,
       count(*)                              AS packages,
       coalesce(sum(installed_kib), 0)       AS installed_kib,
       round(total(installed_kib) / 1024, 1) AS installed_mib
FROM silver_packages
WHERE state = 'installed'
GROUP BY 1
ORDER BY installed_kib DESC, section
