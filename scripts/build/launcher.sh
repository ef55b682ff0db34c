#!/bin/sh
# @NAME@ @VERSION@ for @TARGET@, a self-extracting executable.
#
# Behind this script come, as raw bytes, the program and the Deno @DENO_VERSION@ that runs it, both
# compressed. The first start unpacks them into a private folder; later starts see at a glance
# that nothing there was touched, and begin at once. Names begin with _sx_ so that no variable of
# the caller's environment is changed.

_sx_name='@NAME@'
_sx_machine='@MACHINE@'           # what `uname -sm` says where this can run
_sx_file_size=@FILE_SIZE@
_sx_program='@PROGRAM@'           # folders and files are named by what is in them:
_sx_program_at=@PROGRAM_AT@
_sx_program_size=@PROGRAM_SIZE@
_sx_program_sum=@PROGRAM_SUM@
_sx_deno='@DENO@'                 # all programs of one build share one Deno
_sx_deno_at=@DENO_AT@
_sx_deno_size=@DENO_SIZE@
_sx_deno_sum=@DENO_SUM@

_sx_newline='
'
_sx_tried=

# Inode, size, owner and time of last change of what will run, one line for each, behind a line for
# the folder itself. No write, truncation or chmod leaves the change time as it was, and nobody
# but root can set it: as long as the lines are the same, so are the bytes that were checksummed.
_sx_stamp() {
  set -- "$_sx_dir" "$_sx_dir/$_sx_program/$_sx_name" "$_sx_dir/$_sx_program/main.js"
  stat -L -c '%a %u %s %i %Z %.9Z' "$@" 2>/dev/null ||
    stat -L -f '%Lp %u %z %i %Fc' "$@" 2>/dev/null
}

# Is everything in $_sx_dir, ours alone, and unchanged since it was checksummed?
_sx_ready() {
  [ -O "$_sx_dir" ] && [ ! -L "$_sx_dir" ] || return 1
  [ -x "$_sx_dir/$_sx_program/$_sx_name" ] && [ -r "$_sx_dir/$_sx_program/checked" ] || return 1
  { IFS= read -r _sx_one && IFS= read -r _sx_two; } <"$_sx_dir/$_sx_program/checked" || return 1
  _sx_now=$(_sx_stamp) || return 1
  case ${_sx_now%% *} in *[2367] | *[2367]?) return 1 ;; esac
  [ "${_sx_now#*"$_sx_newline"}" = "$_sx_one$_sx_newline$_sx_two" ]
}

# SHA-256 of a file. A machine without any tool for it relies on gzip's own check.
_sx_sum() {
  if command -v sha256sum >/dev/null; then set -- "$(sha256sum <"$1")"
  elif command -v shasum >/dev/null; then set -- "$(shasum -a 256 <"$1")"
  elif command -v openssl >/dev/null; then set -- "$(openssl dgst -sha256 -r <"$1")"
  else set -- "$2"; fi
  printf '%s' "${1%% *}"
}

_sx_same() { [ -f "$1" ] && [ ! -L "$1" ] && [ "$(_sx_sum "$1" "$2")" = "$2" ]; }

# Takes a part of this file: where, how long, into which file, its checksum.
_sx_extract() {
  tail -c "+$1" "$_sx_self" | head -c "$2" | gzip -dc 2>/dev/null >"$3" && _sx_same "$3" "$4" &&
    return
  # Gzip fails alike for a disk that is full and for a part that is damaged: ask which one it is.
  if tail -c "+$1" "$_sx_self" | head -c "$2" | gzip -t 2>/dev/null; then
    echo 'it could not be written (is there room for 150 MB?)'
  else
    echo 'this file is damaged: copy it again'
  fi
  return 1
}

# Fills $_sx_dir. Runs in a subshell; what it prints is the reason why it cannot be done.
# Each file is written beside its place and renamed, so whoever looks sees all of it or nothing.
_sx_unpack() {
  exec 9>"$_sx_dir/lock"
  # Of several first starts one unpacks. Without flock each does, which costs time only.
  command -v flock >/dev/null && flock -w 120 9
  _sx_ready && return 0
  # What killed starts left behind, and what nobody has used for long, so that updates do not pile up.
  find "$_sx_dir" -mindepth 1 -maxdepth 1 \
    \( -name 'new.*' -mtime +1 -o -mtime +90 \) ! -name lock -exec rm -rf {} + 2>/dev/null
  _sx_new=$(mktemp -d "$_sx_dir/new.XXXXXX") || { echo 'nothing can be written there'; return 1; }
  trap 'rm -rf "$_sx_new"' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\n' >"$_sx_new/try" && chmod 700 "$_sx_new/try"
  "$_sx_new/try" 2>/dev/null || { echo 'programs may not run there (is it mounted noexec?)'; return 1; }
  if ! _sx_same "$_sx_dir/$_sx_deno" "$_sx_deno_sum" || [ ! -x "$_sx_dir/$_sx_deno" ]; then
    _sx_extract "$_sx_deno_at" "$_sx_deno_size" "$_sx_new/deno" "$_sx_deno_sum" || return 1
    chmod 700 "$_sx_new/deno"
    "$_sx_new/deno" --version >/dev/null 2>&1 || {
      echo "the Deno in this file does not run on this machine (it needs $_sx_machine with glibc or macOS)"
      return 1
    }
    mv -f "$_sx_new/deno" "$_sx_dir/$_sx_deno" || return 1
  fi
  [ ! -L "$_sx_dir/$_sx_program" ] || rm -f "$_sx_dir/$_sx_program"
  mkdir -p "$_sx_dir/$_sx_program" || return 1
  _sx_extract "$_sx_program_at" "$_sx_program_size" "$_sx_new/main.js" "$_sx_program_sum" || return 1
  mv -f "$_sx_new/main.js" "$_sx_dir/$_sx_program/main.js" || return 1
  # The link gives the process its own name in ps, top and killall.
  ln -s "../$_sx_deno" "$_sx_new/link" && mv -f "$_sx_new/link" "$_sx_dir/$_sx_program/$_sx_name" ||
    return 1
  _sx_now=$(_sx_stamp)
  printf '%s\n' "${_sx_now#*"$_sx_newline"}" >"$_sx_new/checked"
  mv -f "$_sx_new/checked" "$_sx_dir/$_sx_program/checked"
}

# Fills $_sx_dir if that is safe; else notes why not.
_sx_prepare() {
  if ! (umask 077 && mkdir -p "$_sx_dir") 2>/dev/null; then _sx_why='it cannot be made'
  elif [ -L "$_sx_dir" ]; then _sx_why='it is a symbolic link'
  elif [ ! -O "$_sx_dir" ]; then _sx_why='it belongs to another user'
  elif [ -n "$(find "$_sx_dir" -prune \( -perm -020 -o -perm -002 \))" ]; then
    _sx_why='others may write to it'
  elif [ ! -w "$_sx_dir" ]; then _sx_why='it is read-only'
  else
    # Not asked again whether it is ready: another first start may be writing the same files anew.
    _sx_why=$(umask 077 && _sx_unpack 2>/dev/null) && return 0
  fi
  _sx_tried="$_sx_tried$_sx_newline  $_sx_dir: ${_sx_why:-nothing can be written there}"
  return 1
}

# Asks $1 of one folder after the other until one fits; that one is left in $_sx_dir.
_sx_any() {
  case ${XDG_CACHE_HOME:-} in
    /*) _sx_dir=$XDG_CACHE_HOME/ghub-programs && "$1" && return 0 ;;
  esac
  case ${HOME:-} in
    /*) _sx_dir=$HOME/.cache/ghub-programs && "$1" && return 0 ;;
  esac
  case ${TMPDIR:-} in
    /*) _sx_dir=$TMPDIR ;;
    *) _sx_dir=/tmp ;;
  esac
  _sx_dir=$_sx_dir/ghub-programs-$(id -u) && "$1"
}

_sx_fail() {
  printf '%s: %s\n' "$_sx_name" "$1" >&2
  exit 1
}

if ! _sx_any _sx_ready; then
  _sx_self=$0
  [ "$(uname -sm)" = "$_sx_machine" ] ||
    _sx_fail "Cannot run here: this file is for $_sx_machine, this machine is $(uname -sm)"
  [ -r "$_sx_self" ] || _sx_fail "Cannot read $_sx_self: start it by its path"
  # `wc` of some systems puts spaces before the number.
  [ "$(($(wc -c <"$_sx_self")))" = "$_sx_file_size" ] ||
    _sx_fail "Cannot unpack: $_sx_self was not copied as a whole; it must have $_sx_file_size bytes"
  _sx_any _sx_prepare ||
    _sx_fail "Cannot unpack. Tried:$_sx_tried${_sx_newline}Set XDG_CACHE_HOME to a folder of yours where programs may run"
fi

# Deno's own caches stay in the private folder too, and it is not to ask the network for news.
export DENO_DIR="$_sx_dir/cache" DENO_NO_UPDATE_CHECK=1
exec "$_sx_dir/$_sx_program/$_sx_name" run --quiet @FLAGS@ "$_sx_dir/$_sx_program/main.js" "$@"
exit 126
