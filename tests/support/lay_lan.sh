#!/bin/sh
#
# Lays a network of machines that all reach each other, and prints "pid N": its own number. Whoever has
# that number finds their namespaces in /proc/N/root/run/netns. They are gone when standard input ends
# and no process is left in them.
#
#     unshare --mount sh lay_lan.sh NAME ADDRESS [NAME ADDRESS]…

set -eu
trap '' INT TERM HUP

mkdir -p /run/netns
mount -t tmpfs tmpfs /run/netns
ip netns add lan
ip -n lan link add br0 type bridge
ip -n lan link set br0 up

number=0
while [ $# -gt 0 ]; do
  number=$((number + 1))
  ip netns add "$1"
  ip -n "$1" link set lo up
  ip -n lan link add "to-$number" type veth peer name eth0 netns "$1"
  ip -n lan link set "to-$number" master br0 up
  ip -n "$1" addr add "$2/24" dev eth0
  ip -n "$1" link set eth0 up
  shift 2
done

read -r pid _ </proc/self/stat
echo "pid $pid"
exec cat >/dev/null
