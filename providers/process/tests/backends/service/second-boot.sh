# Nobody says anything: the tenants are back, in new processes.
back() {
  await are_others "$1" "$(cat /kept-"$1")"
  for tenant in acme other; do
    cli "$1" -o json status $tenant | grep -q '"health": *"healthy"'
    cli "$1" events $tenant
    cli "$1" events $tenant | grep -q 'repair to spec v1 began'
  done
}
place root-back back root &
place ordinary-back back ordinary &
wait
