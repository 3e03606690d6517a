#!/bin/sh
# Everything that CI runs: format, clippy, tests, documentation, licences and duplicate dependencies.
# usage: ./test.sh          all of it
#        ./test.sh --fast   format, clippy and the library's own tests: the inner loop
set -eu
cd "$(dirname -- "$0")"

fast=no
case ${1:-} in
  --fast) fast=yes ;;
  '') ;;
  *) echo "usage: ./test.sh [--fast]" >&2; exit 64 ;;
esac

say() { printf '\n== %s\n' "$*"; }

# Says whether one of the files behind the name is there.
found() {
  shift
  for file in "$@"; do
    [ ! -e "$file" ] || return 0
  done
  return 1
}

# Installs what is missing, where we may.
need() {
  missing=
  command -v cc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
  command -v git >/dev/null 2>&1 || missing="$missing git"
  command -v sqlite3 >/dev/null 2>&1 || missing="$missing sqlite3"
  found libclang /usr/lib/llvm-*/lib/libclang.so* /usr/lib/llvm-*/lib/libclang-[0-9]*.so* || missing="$missing libclang-dev"
  command -v initdb >/dev/null 2>&1 || found initdb /usr/lib/postgresql/*/bin/initdb || missing="$missing postgresql"
  command -v mariadbd >/dev/null 2>&1 || [ -x /usr/sbin/mariadbd ] || missing="$missing mariadb-server"
  command -v pgbouncer >/dev/null 2>&1 || [ -x /usr/sbin/pgbouncer ] || missing="$missing pgbouncer"
  command -v pkill >/dev/null 2>&1 || missing="$missing procps"
  command -v xmllint >/dev/null 2>&1 || missing="$missing libxml2-utils"
  command -v shellcheck >/dev/null 2>&1 || missing="$missing shellcheck"
  if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
      echo "error: missing:$missing; install these packages first" >&2
      exit 2
    fi
    # shellcheck disable=SC2086
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy $missing
  fi
  if ! command -v cargo >/dev/null 2>&1; then PATH=${HOME:-/root}/.cargo/bin:$PATH; fi
  command -v cargo >/dev/null 2>&1 || { echo "error: cargo is missing: install Rust 1.95 or newer" >&2; exit 2; }
}
need

say "format"
cargo fmt --check

say "clippy"
cargo clippy --locked --all-targets -- -D warnings

if [ $fast = yes ]; then
  say "library tests"
  cargo test --locked --lib --quiet
  exit 0
fi

say "shell scripts"
shellcheck install.sh test.sh fixtures/demo.sh hooks/*.sh

say "tests"
cargo test --locked

say "a minute of broken SQL"
SCHEMAGATE_FUZZ_SECONDS=60 cargo test --locked --test fuzz

say "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet

say "licences and duplicate dependencies"
tools=${CARGO_TARGET_DIR:-target}/tools
if ! "$tools/bin/cargo-deny" --version 2>/dev/null | grep -q ' 0\.20\.2$'; then
  cargo install --quiet --locked --debug --root "$tools" --version 0.20.2 cargo-deny
fi
"$tools/bin/cargo-deny" --log-level error check licenses bans sources

say "all is well"
