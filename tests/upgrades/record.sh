#!/usr/bin/env bash
# Records what a release keeps and answers, as a fixture: tests/upgrades/<tag>.tar.gz. Run once for each release, from the root of a clone:
#   tests/upgrades/record.sh v0.4.0
set -eu
tag=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; git worktree remove --force "$work/source" 2>/dev/null || true; rm -rf "$work"' EXIT
git worktree add --quiet --detach "$work/source" "$tag"
target=${CARGO_TARGET_DIR:-$work/target}
(cd "$work/source" && CARGO_TARGET_DIR=$target cargo build --quiet --locked --package tact --bin tact)
tact=$target/debug/tact
data=$work/fixture/data
mkdir "$work/fixture"
"$tact" demo --seed 7 --patients 40 --exit --folder "$data" > "$work/page"
now=2026-07-01T09:00:00Z
token=$("$tact" token create --label Fixture --as network_manager --data "$data" --network demo 2> /dev/null | tail -1)
"$tact" serve --data "$data" --network demo --listen 127.0.0.1:18473 --now "$now" > "$work/log" 2>&1 &
server=$!
python3 "$here/record.py" http://127.0.0.1:18473 "$token" "$now" > "$work/fixture/answers.json"
kill "$server" && wait "$server" || true
server=
python3 - "$data" <<'PY'
import glob, os, sqlite3, sys
# Everything into the main files, so that the fixture is small.
for path in glob.glob(sys.argv[1] + '/*.db'):
    with sqlite3.connect(path) as db:
        db.execute('PRAGMA wal_checkpoint(TRUNCATE)')
for path in glob.glob(sys.argv[1] + '/*.lock'):
    os.remove(path)
PY
tar --sort=name --owner=0 --group=0 --mtime=2026-01-01 -C "$work/fixture" -czf "$here/$tag.tar.gz" .
ls -l "$here/$tag.tar.gz"
