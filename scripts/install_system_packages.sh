#!/bin/sh
# Install the Debian packages named as arguments that are not installed yet, as root or by sudo.
set -eu

missing=""
for package in "$@"; do
    if ! dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed"; then
        missing="$missing $package"
    fi
done
[ -n "$missing" ] || exit 0

echo "== Installing Debian's packages:$missing (QGIS is large: some minutes)"
as_root=""
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "These packages are needed: run this as root, or install sudo, or install them yourself." >&2
        exit 1
    fi
    as_root="sudo"
fi
$as_root apt-get update -q
# shellcheck disable=SC2086 # the names are meant to be split
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
