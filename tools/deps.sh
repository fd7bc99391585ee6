#!/bin/sh
# Installs the Debian packages that building and testing need, when one is missing. Else one line.
set -eu

packages="build-essential cmake ninja-build pkg-config libcmocka-dev bats libyaml-dev
libdeflate-dev libcairo2 python3 jq gettext"

# A command says more than a package name: it may come from elsewhere.
have() {
    case "$1" in
    build-essential) command -v cc >/dev/null && command -v make >/dev/null ;;
    cmake | bats | python3 | jq) command -v "$1" >/dev/null ;;
    gettext) command -v msgfmt >/dev/null && command -v xgettext >/dev/null ;;
    ninja-build) command -v ninja >/dev/null ;;
    pkg-config) command -v pkg-config >/dev/null ;;
    libcmocka-dev) pkg-config --exists cmocka 2>/dev/null ;;
    libyaml-dev) pkg-config --exists yaml-0.1 2>/dev/null ;;
    libdeflate-dev) pkg-config --exists libdeflate 2>/dev/null ;;
    *) dpkg -s "$1" >/dev/null 2>&1 ;;
    esac
}

missing=""
for package in $packages; do
    have "$package" || missing="$missing $package"
done
if [ -z "$missing" ]; then
    echo "deps: everything is there"
    exit 0
fi

if ! command -v apt-get >/dev/null; then
    echo "deps: missing:$missing; there is no apt-get here, please install them by hand" >&2
    exit 1
fi
as_root=""
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "deps: missing:$missing; run as root: apt-get install -y$missing" >&2
        exit 1
    fi
    as_root="sudo"
fi
echo "deps: installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q >&2
# shellcheck disable=SC2086
$as_root apt-get install -q -y --no-install-recommends $missing >&2
for package in $missing; do
    have "$package" || { echo "deps: $package is still missing" >&2; exit 1; }
done
echo "deps: installed$missing"
