#!/bin/sh
#
# Boots a real systemd in namespaces of its own, over a copy of this machine that is thrown away:
#
#     boot_systemd.sh DIR     an empty folder; prints "pid N", the number of systemd's process out here
#
# It all ends when standard input ends, so also when whoever started it was killed. In order:
#
#     unshare --mount sh boot_systemd.sh DIR      outside: a control group, and the wait for the end
#       └ unshare --pid … sh boot_systemd.sh DIR inside      the file systems, then systemd as PID 1
#
# Its /sys and the settings in /proc/sys are read-only and its /dev holds no devices, so that it
# changes nothing of the machine that it runs on.

set -eu
dir=$1

outside() {
  # Ctrl-C is for the test: it ends, and so does our standard input.
  trap '' INT TERM HUP
  mount -t tmpfs -o mode=755 ghub-machine "$dir"
  mkdir "$dir/upper" "$dir/work" "$dir/root" "$dir/cgroup"
  # systemd wants a control group as its root that nobody else has.
  mount -t cgroup2 cgroup2 "$dir/cgroup"
  group=$dir/cgroup/ghub-machine-$$
  mkdir "$group"
  (
    # Here $$ is the outer shell's.
    sh -c 'echo $PPID' >"$group/cgroup.procs"
    exec unshare --fork --kill-child --pid --mount --uts --ipc --cgroup ${MACHINE_NET---net} \
      sh "$0" "$dir" inside </dev/null
  ) &
  machine=$!
  cat >/dev/null
  kill -KILL "$machine" 2>/dev/null || :
  wait "$machine" 2>/dev/null || :
  # A group can be removed when the last process in it is gone, which takes the kernel a moment.
  tries=500
  until ! find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && [ ! -d "$group" ]; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || break
    sleep 0.02
  done
  umount -R -l "$dir"
  rmdir "$dir"
}

inside() {
  # /proc is still that of the outside, and so is the number.
  read -r pid _ </proc/self/stat
  mount -t overlay -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" overlay "$dir/root"
  cd "$dir/root"
  mount -t proc proc proc
  mount --bind proc/sys proc/sys
  mount -o remount,bind,ro proc/sys
  mount -t sysfs -o ro sysfs sys
  mount -t cgroup2 cgroup2 sys/fs/cgroup
  mount -t tmpfs -o mode=755 tmpfs run
  mount -t tmpfs -o mode=1777 tmpfs tmp
  mount -t tmpfs -o mode=755 tmpfs var/log
  mount -t tmpfs -o mode=755 tmpfs dev
  for device in null zero full random urandom tty; do
    : >"dev/$device"
    mount --bind "/dev/$device" "dev/$device"
  done
  mkdir dev/pts dev/shm
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
  mount -t tmpfs -o mode=1777 tmpfs dev/shm
  ln -s pts/ptmx dev/ptmx
  ln -s /proc/self/fd dev/fd
  # What the machine below starts by itself is none of ours.
  rm -rf etc/systemd/system/*.wants etc/systemd/system/*.requires
  for path in ${MACHINE_SEES-}; do
    mkdir -p ".$path"
    mount --rbind "$path" ".$path"
  done
  # What the runner of the tests gives each Ruby, units get too.
  ruby=${RUBYOPT-}
  ruby=${ruby##*-r}
  if [ -n "$ruby" ] && [ -e ".$ruby" ]; then
    mkdir -p etc/systemd/system.conf.d
    printf '[Manager]\nDefaultEnvironment="RUBYOPT=-r%s"\n' "$ruby" >etc/systemd/system.conf.d/ruby.conf
  fi
  hostname machine
  ip link set lo up
  echo "pid $pid"
  pivot_root . mnt
  umount -l /mnt
  exec env -i container=test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --unit=basic.target --log-target=journal
}

if [ "${2-}" = inside ]; then inside; else outside; fi
