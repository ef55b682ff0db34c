#!/bin/sh
#
# Lays the networks of a field test out of network namespaces, and prints "pid N": its own number.
# Whoever has that number finds them in /proc/N/root/run/netns. They are gone when standard input ends
# and no process is left in them.
#
#     hub 203.0.113.10 ─┐                             ┌─ first 192.168.7.2
#                       ├─ wan ── .20 nat 192.168.7.1 ┼─ second 192.168.7.3
#     operator .30 ─────┘      (masquerades)          └─ shut 192.168.7.4   only to the proxy on .1
#
#     unshare --mount sh lay_networks.sh

set -eu
trap '' INT TERM HUP

mkdir -p /run/netns
mount -t tmpfs tmpfs /run/netns
for name in wan hub operator nat first second shut; do
  ip netns add "$name"
  ip -n "$name" link set lo up
done

bridge() {
  ip -n "$1" link add "$2" type bridge
  ip -n "$1" link set "$2" up
}

# plug HOST DEVICE ADDRESS INTO BRIDGE
plug() {
  ip -n "$4" link add "to-$1" type veth peer name "$2" netns "$1"
  ip -n "$4" link set "to-$1" master "$5" up
  ip -n "$1" addr add "$3/24" dev "$2"
  ip -n "$1" link set "$2" up
}

bridge wan br0
bridge nat lan
ip -n nat addr add 192.168.7.1/24 dev lan
plug hub eth0 203.0.113.10 wan br0
plug operator eth0 203.0.113.30 wan br0
plug nat wan0 203.0.113.20 wan br0
plug first eth0 192.168.7.2 nat lan
plug second eth0 192.168.7.3 nat lan
plug shut eth0 192.168.7.4 nat lan
for name in first second shut; do ip -n "$name" route add default via 192.168.7.1; done

ip netns exec nat sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
ip netns exec nat nft -f - <<'RULES'
table ip way_out {
  chain postrouting {
    type nat hook postrouting priority srcnat
    oifname "wan0" masquerade
  }
  chain forward {
    type filter hook forward priority filter; policy drop
    ip saddr 192.168.7.4 drop
    iifname "lan" accept
    ct state established,related accept
  }
}
table ip weather {
  chain lost {
    type filter hook forward priority filter - 1
  }
}
RULES

read -r pid _ </proc/self/stat
echo "pid $pid"
exec cat >/dev/null
