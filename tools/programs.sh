#!/bin/sh
# tools/programs.sh demo|test: install the programs that `make demo` or `make test` needs and that are missing.
# When none is missing it does nothing, and needs neither root nor a network.
set -eu

PYTHON=${PYTHON:-python3}
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# The program and its Debian package.
programs() {
    cat <<END
haproxy haproxy
ip iproute2
killall psmisc
mount mount
nsenter util-linux
setpriv util-linux
setsid util-linux
unshare util-linux
END
    [ "$1" = test ] || return 0
    cat <<END
/usr/lib/frr/vrrpd frr
keepalived keepalived
nft nftables
ping iputils-ping
ps procps
systemd-analyze systemd
systemd-nspawn systemd-container
END
}

# Lines "program package" of what is missing.
missing() {
    programs "$1" | while read -r program package; do
        command -v "$program" >/dev/null || echo "$program $package"
    done
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || echo "$PYTHON-venv python3-venv"
}

column() {
    echo "$1" | cut -d' ' -f"$2" | sort -u | tr '\n' ' '
}

stop() {
    echo "vrrpd: $*" >&2
    exit 1
}

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    stop "$PYTHON is not there or is older than 3.11; name a newer one: make PYTHON=/path/to/python3 ..."

lacking=$(missing "$1")
[ -n "$lacking" ] || exit 0
packages=$(column "$lacking" 2)

echo "vrrpd: missing on this machine: $(column "$lacking" 1)"
command -v apt-get >/dev/null ||
    stop "there is no apt-get here: install them by this system's own means, then run make again"
echo "vrrpd: installing with apt-get: $packages(none of their services is started or enabled)"
if [ "$(id -u)" -eq 0 ]; then
    as_root=
else
    command -v sudo >/dev/null || stop "this takes root, and there is no sudo: apt-get install $packages"
    as_root=sudo
fi
# shellcheck disable=SC2086  # words, not one word
$as_root sh "$(dirname "$0")/apt-install.sh" $packages

lacking=$(missing "$1")
[ -z "$lacking" ] || stop "still missing after the installation: $(column "$lacking" 1)"
