#!/bin/sh
# Builds schemagate, puts it on the PATH, and installs its hooks. Asks nothing; safe to repeat.
set -eu

usage() {
  cat <<'TEXT'
usage: ./install.sh [--prefix DIR]                  build, and put schemagate into DIR/bin
       ./install.sh [--prefix DIR] --server REPO    the same, then install the hooks of a bare repository
       ./install.sh [--prefix DIR] --client [REPO]  the same, then install the hooks of a clone (default: .)
       ./install.sh --demo                          build, then play a story with real git in a temporary folder
       ./install.sh [--prefix DIR] --uninstall [REPO]
                                                    remove the hooks of REPO, if one is named, and the program

DIR is /usr/local for root and ~/.local for others.
TEXT
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
caller=$(pwd)
mode=install
repo=
if [ "$(id -u)" = 0 ]; then prefix=/usr/local; else prefix=${HOME:?}/.local; fi

fail() { echo "error: $*" >&2; exit 2; }

while [ $# -gt 0 ]; do
  case $1 in
    --prefix) [ $# -ge 2 ] || fail "--prefix needs a folder"; prefix=$2; shift ;;
    --prefix=*) prefix=${1#--prefix=} ;;
    --demo) mode=demo ;;
    --server) [ $# -ge 2 ] || fail "--server needs a repository"; mode=server; repo=$2; shift ;;
    --client) mode=client; repo=.; if [ $# -ge 2 ] && [ "${2#-}" = "$2" ]; then repo=$2; shift; fi ;;
    --uninstall) mode=uninstall; if [ $# -ge 2 ] && [ "${2#-}" = "$2" ]; then repo=$2; shift; fi ;;
    -h|--help) usage; exit 0 ;;
    *) usage >&2; exit 64 ;;
  esac
  shift
done
case $prefix in /*) ;; *) prefix=$caller/$prefix ;; esac
program=$prefix/bin/schemagate

# libclang in another place: where LIBCLANG_PATH or the linker's list says.
find_libclang() {
  for library in /usr/lib/llvm-*/lib/libclang.so* /usr/lib/llvm-*/lib/libclang-[0-9]*.so* /usr/lib64/libclang.so*; do
    [ ! -e "$library" ] || return 0
  done
  [ -n "${LIBCLANG_PATH:-}" ] || ldconfig -p 2>/dev/null | grep -q libclang
}

# Installs the commands that the build needs and that are missing, where we may.
need() {
  missing=
  command -v cc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
  command -v git >/dev/null 2>&1 || missing="$missing git"
  # The parser of PostgreSQL is C; its declarations are read with libclang.
  find_libclang || missing="$missing libclang-dev"
  if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
      echo "installing:$missing"
      # shellcheck disable=SC2086
      apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy $missing
    else
      fail "missing:$missing; install these packages first (apt-get install$missing)"
    fi
  fi
  if ! command -v cargo >/dev/null 2>&1 && [ -x "${HOME:-}/.cargo/bin/cargo" ]; then
    PATH=$HOME/.cargo/bin:$PATH
  fi
  command -v cargo >/dev/null 2>&1 || fail "cargo is missing: install Rust 1.95 or newer (https://rustup.rs), then run this again"
}

build() {
  need
  echo "building schemagate (a few minutes the first time)"
  (cd "$here" && cargo build --release --locked --quiet)
  built=${CARGO_TARGET_DIR:-$here/target}/release/schemagate
  [ -x "$built" ] || fail "the build left no program at $built"
}

# Writes aside and renames: a running program is never written over.
put() {
  mkdir -p "$prefix/bin" || fail "$prefix/bin cannot be made; choose another --prefix"
  cp "$built" "$program.new" && chmod 755 "$program.new" && mv -f "$program.new" "$program"
  echo "installed: $("$program" --version) in $program"
  case ":$PATH:" in
    *":$prefix/bin:"*) ;;
    *) echo "note: $prefix/bin is not on your PATH; add: export PATH=\"$prefix/bin:\$PATH\"" ;;
  esac
}

case $mode in
  install) build; put ;;
  demo) build; exec "$here/fixtures/demo.sh" "$built" ;;
  server) build; put; "$program" install --server "$repo" ;;
  client) build; put; "$program" install --client "$repo" ;;
  uninstall)
    if [ -n "$repo" ]; then
      [ -x "$program" ] || fail "$program is not there, so it cannot remove the hooks of $repo"
      "$program" uninstall "$repo"
    else
      echo "note: hooks are removed by: schemagate uninstall REPO (before the program is gone)"
    fi
    if [ -e "$program" ]; then rm -f "$program"; echo "removed: $program"; else echo "not there: $program"; fi
    ;;
esac
