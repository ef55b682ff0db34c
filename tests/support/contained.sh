#!/bin/sh
#
# Runs a command as a container would: over a copy of this machine that is thrown away, with processes
# of its own, and with what is mounted into it.
#
#     nsenter --net=… unshare --fork --kill-child --mount --pid --uts \
#       sh contained.sh DIR NAME HOSTS 'FROM:TO FROM:TO' COMMAND…
#
# DIR is an empty folder, HOSTS a file for its /etc/hosts.

set -eu
dir=$1 name=$2 hosts=$3 mounts=$4
shift 4

mount -t tmpfs -o mode=755 tmpfs "$dir"
mkdir "$dir/upper" "$dir/work" "$dir/root"
mount -t overlay -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" overlay "$dir/root"
cd "$dir/root"
mount -t proc proc proc
mount -t tmpfs -o mode=1777 tmpfs tmp
mount --rbind /dev dev
cp "$hosts" etc/hosts
for one in $mounts; do
  from=${one%%:*}
  to=.${one##*:}
  mkdir -p "$(dirname "$to")"
  if [ -d "$from" ]; then mkdir -p "$to"; else : >"$to"; fi
  mount --bind "$from" "$to"
done
hostname "$name"
pivot_root . mnt
umount -l /mnt
exec env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/root "$@"
