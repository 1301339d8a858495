#!/usr/bin/env bash
# Installs User Mode Linux and a Debian with systemd for it, and prints the directory they are in.
#
#   install.sh DIR    keeps the disk image, about 170 MB, under DIR
#
# The Debian is this machine's release, so that programs which were built here run in it. Packages are installed where
# a command is missing, which needs root. Nothing is installed unless LANDLORD_INSTALL=1 says so: tests that start on
# their own change no machine.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
root=$(cd "$1" && pwd)
exec 3>&1 1>&2

may_install() {
  [ "${LANDLORD_INSTALL:-}" = 1 ] && return
  echo 'User Mode Linux and a Debian for it are not installed; ./test.sh backends installs them'
  exit 1
}

# One at a time: several copies of the tests may start together.
exec 9>"$root/install.lock"
flock 9

packages=()
command -v linux.uml >/dev/null || packages+=(user-mode-linux)
command -v debootstrap >/dev/null || packages+=(debootstrap)
command -v mke2fs >/dev/null || packages+=(e2fsprogs)
"$here/../../../../../testing/debian.sh" "${packages[@]}"

# Named by what is in it: another version gets a directory of its own, and none is changed while it is used.
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
key=$(cat "$here/install.sh" "$here/xstate.c" /etc/os-release | sha256sum)
dir=$root/$release-${key:0:12}
if [ -e "$dir/complete" ]; then
  echo "$dir" >&3
  exit
fi
may_install
if [ "$(id -u)" != 0 ]; then
  echo 'Only root can make the Debian of the disk image'
  exit 1
fi
rm -rf "$dir"
mkdir "$dir"
cc -O2 -shared -fPIC -o "$dir/xstate.so" "$here/xstate.c"

# Where this machine gets its own packages from.
mirror=$(apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
  sed -n "s/^$release main //p" | head -n 1)
debian=$dir/root
debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,iproute2 \
  "$release" "$debian" "${mirror:?no mirror of $release in the configuration of apt}"

# An ordinary user with a systemd of its own.
useradd --root "$debian" --create-home --uid 1000 --shell /bin/bash ordinary
mkdir -p "$debian/var/lib/systemd/linger" "$debian/host"
touch "$debian/var/lib/systemd/linger/ordinary"
echo uml >"$debian/etc/hostname"
cat >"$debian/etc/fstab" <<'END'
/dev/ubda  /      ext4    defaults,noatime  0  0
none       /host  hostfs  defaults          0  0
END
# What a machine that lives for seconds has no use for.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
  console-getty.service e2scrub_reap.service getty@.service systemd-pstore.service systemd-udevd.service \
  systemd-udev-trigger.service systemd-udevd-control.socket systemd-udevd-kernel.socket; do
  ln -sf /dev/null "$debian/etc/systemd/system/$unit"
done
# Runs what the test wrote, and then the machine has done its work.
cat >"$debian/etc/systemd/system/script.service" <<'END'
[Unit]
Description=What the test wrote
Wants=user@1000.service
After=user@1000.service
SuccessAction=poweroff
FailureAction=poweroff
[Service]
Type=oneshot
ExecStart=/host/script
ExecStopPost=/bin/sh -c 'echo "$EXIT_STATUS" >/host/status'
StandardOutput=append:/host/output
StandardError=inherit
[Install]
WantedBy=multi-user.target
END
mkdir -p "$debian/etc/systemd/system/multi-user.target.wants"
ln -s ../script.service "$debian/etc/systemd/system/multi-user.target.wants/script.service"
rm -rf "$debian"/var/cache/apt/archives/*.deb "$debian"/var/lib/apt/lists/*
mke2fs -q -t ext4 -O '^has_journal' -d "$debian" "$dir/image" 1G
rm -rf "$debian"
touch "$dir/complete"
echo "$dir" >&3
