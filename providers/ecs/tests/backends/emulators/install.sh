#!/usr/bin/env bash
# Installs what the emulators of ECS need, and prints the directory of their commands.
#
#   install.sh DIR          the emulators, in a Python environment under DIR that is kept
#   install.sh DIR engine   and a Docker engine
#
# Packages of Debian are installed where a command is missing, which needs root. Nothing is installed unless
# LANDLORD_INSTALL=1 says so: tests that start on their own change no machine.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
root=$(cd "$1" && pwd)
exec 3>&1 1>&2

may_install() {
  [ "${LANDLORD_INSTALL:-}" = 1 ] && return
  echo 'the emulators of ECS are not installed; ./test.sh backends installs them'
  exit 1
}

# One at a time: several copies of the tests may start together.
exec 9>"$root/install.lock"
flock 9

packages=()
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
if [ "${2:-}" = engine ]; then
  command -v dockerd >/dev/null && command -v containerd >/dev/null || packages+=(docker.io)
  command -v ip >/dev/null || packages+=(iproute2)
  # All that is in the image: a busybox that needs no libraries, unlike the one of the package busybox.
  dpkg-query -W -f '${Status}' busybox-static 2>/dev/null | grep -q ' installed$' || packages+=(busybox-static)
fi
"$here/../../../../../testing/debian.sh" "${packages[@]}"

# Named by what is in it: another version gets an environment of its own, and none is changed while it is used.
key=$({ echo "$root"; python3 --version; cat "$here/requirements.txt" "$here/constraints.txt"; } | sha256sum)
venv=$root/venv-${key:0:12}
if ! [ -e "$venv/complete" ]; then
  may_install
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-input \
    -r "$here/requirements.txt" -c "$here/constraints.txt"
  touch "$venv/complete"
fi
echo "$venv/bin" >&3
