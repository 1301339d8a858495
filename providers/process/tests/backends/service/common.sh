# What both boots use. Whose engine it is: `root` or `ordinary`.
set -uo pipefail
program=/usr/local/bin/landlord-compute

# Runs something as the owner of the engine.
as() {
  case $1 in
    root) "${@:2}" ;;
    ordinary) runuser -u ordinary -- env HOME=/home/ordinary XDG_RUNTIME_DIR=/run/user/1000 "${@:2}" ;;
  esac
}
store() {
  case $1 in
    root) echo /var/lib/landlord/landlord.db ;;
    ordinary) echo /home/ordinary/.local/state/landlord/landlord.db ;;
  esac
}
# The systemd of the owner.
ctl() {
  case $1 in
    root) systemctl "${@:2}" ;;
    ordinary) as ordinary systemctl --user "${@:2}" ;;
  esac
}
main_pid() { ctl "$1" show --property=MainPID --value landlord-compute; }
journal() {
  case $1 in
    root) journalctl --no-pager --unit=landlord-compute ;;
    ordinary) journalctl --no-pager _SYSTEMD_USER_UNIT=landlord-compute.service ;;
  esac
}
cli() { as "$1" "$program" --store "$(store "$1")" "${@:2}"; }

# The first processes of both tenants, as the engine knows them.
pids() { cli "$1" -o json list | grep -o '"pid [0-9]*"' | tr -dc '0-9\n' | tr '\n' ' '; }

# Waits until a command succeeds, for a minute.
await() {
  local until=$((SECONDS + 60))
  while ! "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $until ]; then
      echo "did not happen: $*"
      return 1
    fi
    sleep 0.5
  done
} 2>/dev/null
looks_after() { cli "$1" -o json list | grep -q '"looks_after"'; }
# An engine has asked for both tenants, and they are well.
all_well() {
  local listed
  listed=$(cli "$1" -o json list)
  grep -q '"looks_after"' <<<"$listed" &&
    [ "$(grep -o '"health":"healthy"' <<<"$listed" | wc -l)" = 2 ] &&
    [ "$(grep -o '"state":"running"' <<<"$listed" | wc -l)" = 2 ]
}
# They are well, in other processes than these.
are_others() { all_well "$1" && [ "$(pids "$1")" != "$2" ]; }
is_another() { [ "$(main_pid "$1")" -gt 0 ] && [ "$(main_pid "$1")" != "$2" ]; }
says() { journal "$1" | grep -q "$2"; }

# The answer of a place for the tests: the exit status, and all that it printed.
place() {
  (set -ex; "${@:2}") >/host/"$1".output 2>&1
  local status=$?
  [ $status = 0 ] || { journal root; journal ordinary; } >>/host/"$1".output 2>&1
  echo $status >/host/"$1".status
}
