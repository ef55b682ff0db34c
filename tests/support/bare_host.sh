#!/bin/sh
#
# A host with nothing on it but a shell, the tools that unpack a program, and the C library: a root
# file system in memory, in namespaces of its own. Prints "pid N", the number of its first process out
# here. All of it ends when standard input ends.
#
#     unshare --fork --kill-child --mount --pid --uts sh bare_host.sh DIR NAME PROGRAM…
#
# Each PROGRAM is one whose libraries must be there.

set -eu
dir=$1
name=$2
shift 2
tools='sh cat chmod cp dirname find flock gzip head id ln ls mkdir mktemp mv rm sha256sum sleep stat tail
touch uname wc env'

read -r pid _ </proc/self/stat
mount -t tmpfs -o mode=755,size=1g tmpfs "$dir"
cd "$dir"
mkdir bin dev etc proc tmp home

libraries() { ldd "$1" 2>/dev/null | grep -o '/[^ )]*' || :; }

for tool in $tools; do
  path=$(readlink -f "$(command -v "$tool")")
  cp "$path" "bin/$tool"
  for library in $(libraries "$path"); do cp -n -L --parents "$library" .; done
done
for program in "$@"; do
  for library in $(libraries "$program"); do cp -n -L --parents "$library" .; done
done
for device in null zero urandom; do
  : >"dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
printf '127.0.0.1 localhost\n203.0.113.10 hub.example\n' >etc/hosts
hostname "$name"
mount -t proc proc proc
echo "pid $pid"
exec chroot . /bin/sh -c 'cat >/dev/null'
