#!/bin/sh
# Brings .venv up to date for what make is about to do. Usage, from the checkout:
#
#   sh include/commands/set_up.sh run    what narrating needs
#   sh include/commands/set_up.sh cluster  what several machines need beside it
#   sh include/commands/set_up.sh dev    what testing and linting need beside it
#   sh include/commands/set_up.sh find   only print a Python that would do
#
# Quiet when there is nothing to do, which takes a few milliseconds: a stamp in .venv holds
# the checksum of the requirements that were installed. PYTHON names the Python to use.
set -u

uv_version=0.13.8
venv=.venv
log=$venv/set-up.log

say() { printf '%s\n' "$*"; }
fail() {
    say "$1"
    shift
    for line in "$@"; do say "→ $line"; done
    exit 1
}

# A command of that name may exist and still not run (a pyenv shim of a version that is not
# selected), so each is tried.
suits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        suits "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11 or 3.12 that runs." "Name another, or leave PYTHON out."
        python=$PYTHON
        return
    fi
    for python in python3.12 python3.11 python3 python; do
        if suits "$python"; then return; fi
    done
    for python in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12.*/bin/python "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.11.*/bin/python; do
        if suits "$python"; then return; fi
    done
    fail "Narration needs Python 3.11 or 3.12, and there is none on the PATH." \
        "Install one (for example: apt install python3.11 python3.11-venv, brew install python@3.12)," \
        "or name it: make run PYTHON=/path/to/python3.12"
}

create_venv() {
    find_python
    if ! "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
        name=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
        fail "$name has no venv module, which some systems package separately." "Install it (for example: apt install $name-venv)."
    fi
    say "Creating .venv with $("$python" --version 2>&1) ..."
    rm -rf "$venv"
    if ! output=$("$python" -m venv "$venv" 2>&1); then
        say "$output"
        rm -rf "$venv"
        fail "The virtual environment could not be created." "See above; is the disk full, or $(pwd) not writable?"
    fi
}

# The index and the certificates that pip is configured to use are those that uv shall use.
heed_pip() {
    if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
        index=${PIP_INDEX_URL:-$("$venv/bin/python" -m pip config get global.index-url 2>/dev/null)}
        if [ -n "$index" ]; then export UV_DEFAULT_INDEX="$index"; fi
    fi
    if [ -z "${SSL_CERT_FILE:-}" ]; then
        certificates=${PIP_CERT:-$("$venv/bin/python" -m pip config get global.cert 2>/dev/null)}
        if [ -n "$certificates" ]; then export SSL_CERT_FILE="$certificates"; fi
    fi
}

install() {
    heed_pip
    {
        if ! "$venv/bin/uv" --version 2>/dev/null | grep -q "^uv $uv_version\b"; then
            "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$uv_version"
        fi && "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" -r "$1" ${also:+-r "$also"} -c constraints.txt
    } >"$log" 2>&1 && return
    # uv is faster, and not needed: pip knows more ways to an index.
    say "(uv did not manage it; pip takes a minute or two)"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$1" ${also:+-r "$also"} \
        -c constraints.txt >>"$log" 2>&1
}

# Airflow finds a provider, and with it the form for its connection type, among installed packages only.
# Linked and not copied: what is edited here is what runs.
link_provider() {
    "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps --editable . >>"$log" 2>&1 && return
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --editable . >>"$log" 2>&1 && return
    say "(The UI will have no form for connections of the type azure_speech; all else works. See $log)"
}

checksum() { cat "$@" "$venv/pyvenv.cfg" 2>/dev/null | cksum; }

kind=$1
also=
case $kind in
find)
    find_python
    say "$python"
    exit
    ;;
run) requirements=requirements-local.txt ;;
cluster) requirements=requirements-cluster.txt also=requirements-local.txt ;;
dev) requirements=requirements-dev.txt ;;
*) fail "set_up.sh knows run, cluster, dev and find, not $kind." ;;
esac
files="requirements.txt requirements-cloud.txt requirements-local.txt requirements-cluster.txt requirements-dev.txt constraints.txt pyproject.toml"

suits "$venv/bin/python" || create_venv
# shellcheck disable=SC2086
wanted=$(checksum $files)
# What testing needs contains what running needs, and so does what a cluster needs.
stamps="$venv/.installed-dev $venv/.installed-$kind"
if [ "$kind" = run ]; then stamps="$stamps $venv/.installed-cluster"; fi
for stamp in $stamps; do
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then exit; fi
done

rm -f "$venv/.installed-run" "$venv/.installed-cluster" "$venv/.installed-dev"
trap 'echo; say "Interrupted while installing; the next make goes on from here."; exit 130' INT TERM HUP
say "Installing the packages of $requirements into .venv (a minute or so, seconds when they are cached) ..."
if ! install "$requirements"; then
    tail -n 15 "$log"
    fail "The packages could not be installed." \
        "Is there a connection to a Python package index, and space on the disk? All output: $log"
fi
link_provider
# Written last: an installation that was interrupted has no stamp.
printf '%s\n' "$wanted" >"$venv/.installed-$kind"
