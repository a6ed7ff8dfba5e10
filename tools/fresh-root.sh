#!/bin/sh
# tools/fresh-root.sh DIR [COMMAND]: in a fresh Debian 12 in DIR, run COMMAND (`make demo test`) on this working tree.
#
# What a machine keeps that was installed by hand hides a missing step of the set-up; here nothing is kept but DIR, to
# look at, to go on in (it is made only when it is not there) and to remove. Needs root, debootstrap and the network.
# Debian's packages come from where apt has them from on this machine; of pip, its settings in the environment and
# /etc/pip.conf go along.
set -eu

[ $# -ge 1 ] || { sed -n 's/^# //p' "$0" | head -n 1; exit 64; }
root=$1 command=${2:-make demo test}
cd "$(dirname "$0")/.."

# shellcheck disable=SC2016  # apt fills these in
mirror=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' 'Component: main' |
    awk '$1 == "bookworm" { print $2; exit }')
[ -n "$mirror" ] || { echo "fresh-root: apt knows no source of Debian bookworm on this machine" >&2; exit 1; }

if [ ! -e "$root/etc/debian_version" ]; then
    debootstrap --variant=minbase --include=python3,make,git,ca-certificates bookworm "$root" "$mirror"
fi
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
    [ ! -e "$file" ] || cp --dereference "$file" "$root$file"
done
apt-config dump | grep '^Acquire::http' >"$root/etc/apt/apt.conf.d/90this-machine" || true

rm -rf "$root/root/vrrpd"
mkdir "$root/root/vrrpd"
git ls-files --cached --others --exclude-standard | while read -r file; do
    [ ! -e "$file" ] || echo "$file"
done | tar --create --no-recursion --files-from=- | tar --extract --directory="$root/root/vrrpd"

# A root of its own rather than a chroot, in which the kernel refuses user namespaces.
# shellcheck disable=SC2016  # of the inner shell
exec unshare --mount --pid --fork --kill-child --uts --ipc sh -c '
set -eu
root=$1
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
cd "$root"
mkdir -p mnt/before
pivot_root . mnt/before
umount -l /mnt/before
cd /root/vrrpd
exec env HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -c "$2"
' sh "$(realpath "$root")" "$command"
