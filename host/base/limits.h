// SPDX-License-Identifier: Apache-2.0
// The ceilings of everything that grows, in one place.
#pragma once

#define TG_KIB (INT64_C(1) << 10)
#define TG_MIB (INT64_C(1) << 20)
#define TG_GIB (INT64_C(1) << 30)

// Messages and payloads.
#define TG_FRAME_BYTES_MAX (64 * TG_MIB)             // one message between host and worker
#define TG_PLAN_BYTES_MAX (256 * TG_MIB)             // a pipeline's plan, which comes in parts
#define TG_RESULT_BYTES_MAX (8 * TG_MIB)             // what a task may return, as JSON
#define TG_RESULT_DEPTH_MAX 64                       // nesting of what a task may return
#define TG_RESULT_NODES_MAX 1000000                  // values in what a task may return
#define TG_LOG_LINE_BYTES_MAX (16 * TG_KIB)          // one line of a log
#define TG_ATTEMPT_LOG_BYTES_MAX (8 * TG_MIB)        // what is kept of an attempt's output
#define TG_ATTEMPT_LOG_TAIL_BYTES_MAX (256 * TG_KIB) // of that, of its end
#define TG_KV_KEY_BYTES_MAX 512                      // a key of tidegate.store
#define TG_KV_VALUE_BYTES_MAX (1 * TG_MIB)           // a value of tidegate.store
#define TG_EVENT_BYTES_MAX (256 * TG_KIB)            // one event
#define TG_EVENT_TEXT_BYTES_MAX 4096                 // one of its attributes
#define TG_EVENT_DEPTH_MAX 32                        // nesting of its data
#define TG_WAIT_BYTES_MAX (16 * TG_KIB)              // what a task waits for, as JSON
#define TG_APPROVERS_MAX 64                          // whom an approval names
#define TG_EVENTS_BYTES_MAX (64 * TG_MIB)            // events that are sent together

// What tidegate.json reads and writes for a script.
#define TG_JSON_BYTES_MAX (64 * TG_MIB)
#define TG_JSON_DEPTH_MAX 64
#define TG_JSON_NODES_MAX 1000000 // values in one document

// Sources and configuration.
#define TG_SOURCE_BYTES_MAX (4 * TG_MIB)  // one file of a bundle
#define TG_BUNDLE_FILES_MAX 1000          // files of a bundle
#define TG_BUNDLE_BYTES_MAX (32 * TG_MIB) // files of a bundle, added up
#define TG_YAML_BYTES_MAX (1 * TG_MIB)
#define TG_YAML_DEPTH_MAX 32
#define TG_YAML_NODES_MAX 100000
#define TG_YAML_ALIASES_MAX 1000 // values an alias may stand for, added up

// Graphs.
#define TG_GRAPH_NODES_MAX 2000000
#define TG_GRAPH_EDGES_MAX 20000000
#define TG_PIPELINE_RUNS_MAX 16     // live runs of a pipeline that has no limits.runs of its own
#define TG_CHILD_RUNS_MAX 10000     // that are open in one host
#define TG_CHILD_DEPTH_MAX 32       // children of children
#define TG_BACKFILL_RUNS_MAX 10000  // of one backfill
#define TG_MAP_ITEMS_DEFAULT 100000 // items of one map, unless it says otherwise
#define TG_MAP_ITEMS_MAX 10000000
#define TG_PARTITIONS_MAX 10000                  // of a pipeline
#define TG_POOLS_MAX 64                          // of a pipeline
#define TG_RESOURCES_MAX 64                      // that the tasks of a pipeline name
#define TG_CONTEXT_OUTPUT_BYTES_MAX (4 * TG_KIB) // larger outputs are asked for when they are used
#define TG_NAME_BYTES_MAX 128                    // a pipeline's or task's name

// HTTP.
#define TG_HTTP_BODY_BYTES_MAX (16 * TG_MIB) // default cap of a response
#define TG_HTTP_HEADER_BYTES_MAX (256 * TG_KIB)
#define TG_HTTP_REDIRECTS_MAX 10
#define TG_HTTP_HOST_CONNECTIONS_MAX 16

// SQL.
#define TG_SQL_ROWS_MAX 1000000               // rows one query may return
#define TG_SQL_RESULT_BYTES_MAX (48 * TG_MIB) // bytes one query may return
#define TG_SQL_PARAMS_MAX 1000                // values one statement may be given
#define TG_SQL_COLUMNS_MAX 2000               // columns of a table that is loaded
#define TG_SQL_VALUE_BYTES_MAX (48 * TG_MIB)  // one value, and the text of one statement
#define TG_SQL_STATEMENT_MS 3600000           // a statement whose caller gives no deadline
#define TG_SQL_BUSY_MS 5000                   // wait for another program's lock
#define TG_SQL_GRACE_MS 1000                  // that a statement may hold the end of the host
#define TG_LIKE_PATTERN_BYTES_MAX 1000        // of LIKE and GLOB
#define TG_TRIM_SET_BYTES_MAX 1000            // characters that trim() takes away
#define TG_CSV_RECORD_BYTES_MAX (1 * TG_MIB)  // one record of a CSV file
#define TG_REGEXP_PATTERN_BYTES_MAX 1000
#define TG_REGEXP_TEXT_BYTES_MAX (64 * TG_KIB) // what REGEXP looks at

// Files of scripts.
#define TG_FILE_READ_BYTES_MAX (48 * TG_MIB) // file.read and file.write
#define TG_FILE_CHUNK_BYTES_MAX (1 * TG_MIB) // one line of file.lines
#define TG_FILE_ENTRIES_MAX 100000           // entries file.list may return
#define TG_FILE_ROOTS_MAX 64

// Lua states.
#define TG_BUNDLE_STATE_BYTES_MAX (256 * TG_MIB)
#define TG_POLICY_STATE_BYTES_MAX (64 * TG_MIB)
#define TG_SLICE_INSTRUCTIONS 10000 // between two looks at the clock
#define TG_SLICE_MS 5               // one coroutine's turn
#define TG_UNYIELDABLE_MS 1000      // a turn that cannot be taken away
#define TG_BUNDLE_BUILD_MS 10000
#define TG_BUNDLE_STATE_BYTES_HIGHEST (1536 * TG_MIB) // that a project may ask for
#define TG_BUNDLE_BUILD_MS_HIGHEST 600000             // that a project may ask for
#define TG_POLICY_MS 2000
#define TG_SLICE_BYTES (16 * TG_MIB)         // allocated between two looks at the clock
#define TG_SCRIPT_DEPTH_MAX 150              // coroutines resumed or closed inside one another
#define TG_SCRIPT_REFUSALS_MAX 8             // refused allocations, until an attempt is stopped
#define TG_STRING_BYTES_MAX (64 * TG_MIB)    // one string that a library function makes
#define TG_PATTERN_STEPS_MAX 10000000        // of one call (60 ms), beside 16 for each byte
#define TG_PATTERN_BYTES_MAX (64 * TG_KIB)   // one pattern
#define TG_LIST_LENGTH_MAX 50000000          // elements a table function walks in one call
#define TG_UNPACK_MAX 250000                 // values one call may return
#define TG_WORKER_GRACE_MS 80                // from a cancel to SIGKILL of its worker
#define TG_WORKER_BYTES_MAX (2 * TG_GIB)     // address space of a script worker
#define TG_WORKER_OUT_BYTES_MAX (8 * TG_MIB) // unsent output at which a worker stops its scripts
#define TG_OPEN_REQUESTS_MAX 64              // of one attempt, that are not answered
#define TG_TRACEBACK_BYTES_MAX (8 * TG_KIB)  // of one failure
#define TG_COMMIT_PATIENCE_MS 10             // that a commit may wait for others, where none waits
#define TG_LOST_ATTEMPTS_MAX 5               // in a row, until a task is held to be the cause

// Time zones, schedules and calendars.
#define TG_ZONE_BYTES_MAX 65536             // one time zone file
#define TG_ZONE_LIST_BYTES_MAX (1 * TG_MIB) // the list of all time zones
#define TG_ZONE_NAMES_MAX 2000              // time zones in that list, and in use
#define TG_CRON_BYTES_MAX 256               // a cron expression
#define TG_CALENDAR_RANGES_MAX 10000        // closed dates and blackouts of a calendar
#define TG_CALENDAR_WINDOWS_MAX 48          // opening times of a day
#define TG_SCHEDULE_TRIES_MAX 5000          // closed occurrences passed over in a row
