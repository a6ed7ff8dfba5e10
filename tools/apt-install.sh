#!/bin/sh
# tools/apt-install.sh PACKAGE...: as root, install Debian packages that are not installed. None of their services is
# started (a policy says so meanwhile, see invoke-rc.d(8)) or will be at the next boot.
set -eu

POLICY=/usr/sbin/policy-rc.d
MARK='# Put here by vrrpd while it installs packages.'

# Is there a policy of ours? It may be of a run that was killed.
is_ours() {
    [ -f "$POLICY" ] && grep -qxF "$MARK" "$POLICY"
}

clean_up() {
    for package; do
        [ ! -e "/etc/init.d/$package" ] || update-rc.d "$package" disable
    done
    if is_ours; then rm -f "$POLICY"; fi
}

trap 'clean_up "$@"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

if [ ! -e "$POLICY" ] || is_ours; then
    printf '#!/bin/sh\n%s\nexit 101\n' "$MARK" >"$POLICY"
    chmod 755 "$POLICY"
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
apt-get install --yes --no-install-recommends --quiet=2 "$@"
