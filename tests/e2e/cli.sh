#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The command line from outside, on a project of its own. Usage: cli.sh PATH-OF-TIDEGATE
set -u
tidegate=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unset TIDEGATE_PROJECT TIDEGATE_DATA TIDEGATE_ENV TIDEGATE_OUTPUT TIDEGATE_COLOR
unset TIDEGATE_LOG_FORMAT TIDEGATE_LOG_LEVEL
cd "$folder" || exit 1
failures=0

# fail WHAT: says what does not hold, with what was written.
fail() {
  failures=$((failures + 1))
  printf 'FAILED: %s\n--- stdout\n%s\n--- stderr\n%s\n' "$1" "$(cat out)" "$(cat err)"
}

# expect CODE ARGUMENT...: runs tidegate and looks at its exit code.
expect() {
  code=$1
  shift
  "$tidegate" "$@" >out 2>err
  got=$?
  [ "$got" -eq "$code" ] || fail "tidegate $*: exit code $got, not $code"
}

# says FILE TEXT: the file contains the text.
says() {
  grep -qF -- "$2" "$1" || fail "$1 does not say: $2"
}

is_json() {
  python3 -c 'import json, sys
for line in sys.stdin if sys.argv[1] == "lines" else [sys.stdin.read()]:
    assert json.loads(line)["schema_version"] == 1' "$1" <out 2>/dev/null || fail "no JSON ($1)"
}

mkdir -p pipelines/policies
echo 'name: outside' >tidegate.yaml
cat >pipelines/good.lua <<'EOF'
local tg = require "tidegate"
return tg.pipeline "good" {
  params = { region = tg.enum { "US", "EU", default = "EU" } },
  tasks = {
    tg.task "first" { run = function(ctx)
      ctx:log("region %s", ctx.params.region)
      return { region = ctx.params.region }
    end },
    tg.cmd "second" { after = "first", argv = { "sh", "-c", "echo to out; echo to err >&2" } },
  },
}
EOF
cat >pipelines/bad.lua <<'EOF'
local tg = require "tidegate"
return tg.pipeline "bad" {
  tasks = {
    tg.cmd "breaks" { argv = { "false" }, retry = { attempts = 2, base = "1ms" } },
    tg.task "never" { after = "breaks", run = function() end },
  },
}
EOF

# Before anything ran.
expect 0 runs
[ -s out ] && fail "runs lists something before anything ran"
expect 2 show last
says err 'there are no runs'

# Usage.
expect 2
expect 2 rnu
says err 'did you mean "run"?'
expect 2 runs --limt 3
says err 'did you mean "--limit"?'
expect 2 serve
says err 'not part of this version'
expect 2 graph god
says err "did you mean 'good'?"
expect 0 help run
says out 'Examples:'
expect 0 why --help
says out 'usage: tidegate why'
expect 0 --version
says out 'tidegate '
expect 0 version -o json
is_json document

# A run that goes well, and looking back at it.
expect 0 run good -p region=US
says err 'good success'
expect 0 runs -o jsonl
is_json lines
expect 0 show last -o json
is_json document
says out '"region": "US"'
expect 0 show last
says out 'region=US'
expect 0 logs last
says out 'first.1 info  region US'
expect 0 logs last second -o jsonl
is_json lines
says out '"stream":"err","text":"to err"'
expect 0 logs last first -f
says out 'region US'
expect 2 logs last secnd
says err 'did you mean "second"?'
expect 0 why last second -o json
is_json document
expect 2 run good -p region=UK
says err 'it is one of US, EU'

# A run that fails.
expect 1 run bad -o json
is_json document
says out '"upstream_failed"'
expect 0 why last
says out 'its 2 attempts were used up'
expect 0 why last never
says out 'rule all_success cannot be met any more'
expect 0 runs --state failed -o json
is_json document

# Looking at pipelines.
expect 0 graph good --format mermaid
says out 't0 --> t1'
expect 0 graph good -o json
is_json document
expect 2 graph good --format svg
says err 'dot -Tsvg'
expect 0 check
says err '2 files, 0 faults'
echo 'return require "tidegate".pipeline "odd" { taks = {} }' >pipelines/odd.lua
expect 2 check
says out 'pipelines/odd.lua:1: '
expect 2 check -o json pipelines/odd.lua
is_json document

# The machine and the project.
expect 0 doctor
says out 'ok    store'
expect 0 doctor -o jsonl
is_json lines
echo 'limts: {}' >tidegate.yaml
expect 2 runs
says err 'tidegate.yaml:1:1: unknown key "limts"; did you mean "limits"?'
echo 'name: outside' >tidegate.yaml
mkdir broken
head -c 8192 /dev/zero | tr '\0' 'x' >broken/state.db
expect 70 runs --data broken
expect 70 doctor --data broken
"$tidegate" runs >/dev/full 2>err && fail "a full disk is not noticed"

[ "$failures" -eq 0 ]
