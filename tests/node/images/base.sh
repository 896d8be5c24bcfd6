#!/bin/bash
# Makes docker.io/library/python:3.13-slim in buildah's store out of Debian packages, where no image registry is in reach.
#
# As in the real one: Debian trixie, Python 3.13, a pip that may install, ca-certificates. Not as in the real one: the
# interpreter is /usr/bin/python3 and its pip installs into dist-packages. An image of that name that somebody else put
# into the store (`buildah pull`) is the real one, and is left alone.
#
# The file system is kept as $CACHE/base-KEY.tar; KEY covers this file, so a change here makes it anew. About two minutes.
set -euo pipefail
readonly IMAGE=docker.io/library/python:3.13-slim SUITE=trixie LABEL=pypi-connector.tests.base
readonly PACKAGES=python3,python3-pip,ca-certificates
readonly CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/pypi-connector/cluster/images
KEY=$(sha256sum "$0" | cut -c1-12)
archive=$CACHE/base-$KEY.tar

stored() { buildah inspect --type image --format "{{index .OCIv1.Config.Labels \"$LABEL\"}}" "$IMAGE" 2> /dev/null; }

require() {
  local missing=()
  command -v buildah > /dev/null || missing+=(buildah)
  command -v debootstrap > /dev/null || missing+=(debootstrap debian-archive-keyring)
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "images: ${missing[*]} missing; install them (Debian: apt-get install ${missing[*]})" >&2
    exit 1
  fi
  apt-get update -qq && apt-get install -qq --yes --no-install-recommends "${missing[@]}" > /dev/null
}

# What this machine's apt uses: an archive of Debian if it has one, Debian's own otherwise.
mirror() { { apt-get indextargets --format '$(REPO_URI)' 2> /dev/null || true; } | grep -m 1 '/debian/$' || echo http://deb.debian.org/debian/; }

make_archive() {
  local work
  work=$(mktemp -d "$CACHE/base.XXXXXX")
  # shellcheck disable=SC2064  # expanded now on purpose; debootstrap leaves /proc mounted when it fails
  trap "umount -q $work/root/proc $work/root/sys || true; rm -rf --one-file-system $work" EXIT
  eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
  export http_proxy=${http_proxy:-}
  if ! debootstrap --variant=minbase --include="$PACKAGES" "$SUITE" "$work/root" "$(mirror)" > "$CACHE/base.log" 2>&1; then
    tail -5 "$CACHE/base.log" >&2
    echo "images: debootstrap of $SUITE failed; its whole log: $CACHE/base.log" >&2
    exit 1
  fi
  (
    cd "$work/root"
    rm -rf var/cache/apt/* var/lib/apt/lists/* var/log/*.log usr/share/doc/* usr/share/man/* usr/share/locale/*
    rm -f usr/lib/python3*/EXTERNALLY-MANAGED                       # the real image's pip may install
    rm -f etc/hostname etc/resolv.conf etc/apt/apt.conf.d/*proxy*   # this machine's
    : > etc/apt/sources.list
    ln -s /usr/bin/python3 usr/local/bin/python3
    ln -s /usr/bin/python3 usr/local/bin/python
  )
  tar -C "$work/root" --numeric-owner --one-file-system -cf "$archive.new" .
  mv "$archive.new" "$archive"
}

make_image() {
  local container
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$archive" / > /dev/null
  buildah config --env PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin --label "$LABEL=$KEY" --cmd '["python3"]' "$container"
  buildah commit --quiet --rm "$container" "$IMAGE" > /dev/null
}

require
if label=$(stored) && { [ "$label" = "$KEY" ] || [ -z "$label" ]; }; then exit 0; fi
mkdir -p "$CACHE"
[ -f "$archive" ] || make_archive
find "$CACHE" -maxdepth 1 -name 'base-*.tar' ! -name "base-$KEY.tar" -delete
make_image
