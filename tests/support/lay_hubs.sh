#!/bin/sh
#
# Lays a network of three hubs' machines and an operator's, and prints "pid N": its own number. Whoever
# has that number finds their namespaces in /proc/N/root/run/netns. They are gone when standard input
# ends and no process is left in them.
#
#     hub-a 203.0.113.11 ─┬─ hub-b .12 ─┬─ hub-c .13 ─┬─ operator .30
#
#     unshare --mount sh lay_hubs.sh

set -eu
trap '' INT TERM HUP

mkdir -p /run/netns
mount -t tmpfs tmpfs /run/netns
for name in lan hub-a hub-b hub-c operator; do
  ip netns add "$name"
  ip -n "$name" link set lo up
done
ip -n lan link add br0 type bridge
ip -n lan link set br0 up

# plug HOST ADDRESS
plug() {
  ip -n lan link add "to-$1" type veth peer name eth0 netns "$1"
  ip -n lan link set "to-$1" master br0 up
  ip -n "$1" addr add "$2/24" dev eth0
  ip -n "$1" link set eth0 up
}

plug hub-a 203.0.113.11
plug hub-b 203.0.113.12
plug hub-c 203.0.113.13
plug operator 203.0.113.30

read -r pid _ </proc/self/stat
echo "pid $pid"
exec cat >/dev/null
