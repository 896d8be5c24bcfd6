#!/bin/bash
# Builds the images that the cluster tests use, each as an archive for `ctr images import`, and prints the archives' paths.
#
#   tests/node/images/build.sh [NAME…]     all of: python sidecar webhook workload registry
#
# An archive is called NAME-KEY.tar. KEY is a hash of everything that goes into the image, so one that exists is current,
# and nothing is built twice. Older ones are removed. What each is, and how to load them elsewhere: docs/images.md.
#
# pip's configuration and CA bundle of this machine are mounted into the builds, and never are part of an image: only
# build stages run anything.
set -euo pipefail
cd "$(dirname "$0")/../../.."
readonly HERE=tests/node/images CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/pypi-connector/cluster/images
readonly BASE=docker.io/library/python:3.13-slim
VERSION=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)

reference() {
  case $1 in
    python) echo "$BASE" ;;
    sidecar | webhook) echo "docker.io/library/pypi-connector-$1:$VERSION" ;;
    workload | registry) echo "docker.io/pypi-connector-tests/$1:1" ;;
    *) echo "images: there is no image called $1" >&2; return 1 ;;
  esac
}

inputs() {
  echo "$HERE/base.sh"
  case $1 in
    python) return ;;
    sidecar) echo Dockerfile.sidecar LICENSE requirements/sidecar.txt sidecar ;;
    webhook) echo Dockerfile.webhook LICENSE README.md pyproject.toml requirements/{build,webhook}.txt certs sidecar webhook ;;
    *) echo "requirements/$1.txt" "$HERE/$1" ;;
  esac
  echo .dockerignore "$HERE/build.sh"
}

# shellcheck disable=SC2046  # no input has a space in its name
key() {
  { reference "$1"; find $(inputs "$1") -type f ! -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum; } | sha256sum | cut -c1-12
}

# What pip is told here, as its index and its time-out, and what it trusts.
pip_setting() { python3 -m pip config list 2> /dev/null | sed -n "s/^[^.]*\.$1='\(.*\)'\$/\1/p" | head -n 1; }

pip_mounts() {
  local conf=$1/pip.conf name value bundle
  echo '[global]' > "$conf"
  for name in index-url extra-index-url trusted-host proxy default-timeout find-links; do
    value=$(pip_setting $name)
    [ -n "$value" ] || continue
    if [ -d "$value" ]; then
      MOUNTS+=(-v "$value:/run/pip/$name:ro")
      value=/run/pip/$name
    fi
    echo "$name = $value" >> "$conf"
  done
  bundle=$(pip_setting cert)
  bundle=${bundle:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}
  if [ -f "$bundle" ]; then
    MOUNTS+=(-v "$bundle:/run/pip/ca.pem:ro")
    echo 'cert = /run/pip/ca.pem' >> "$conf"
  fi
  MOUNTS+=(-v "$conf:/etc/pip.conf:ro")
}

# Pushed at once: what lies in the store may be touched between two commands (certifi's bundle is on some machines), and a
# layer that differs from its checksum cannot be pushed any more.
build() {
  local name=$1 archive=$2 image dockerfile=Dockerfile.$1 before
  image=$(reference "$name")
  [ -f "$dockerfile" ] || dockerfile=$HERE/$name/Dockerfile
  echo "images: building $name" >&2
  "$HERE/base.sh"
  if [ "$name" != python ]; then
    before=$(buildah images --quiet --no-trunc "$image" 2> /dev/null || true)
    buildah bud --quiet --isolation chroot --network host --pull-never "${MOUNTS[@]}" -f "$dockerfile" -t "$image" . > "$CACHE/$name.log" 2>&1 \
      || { tail -25 "$CACHE/$name.log" >&2; echo "images: $name could not be built; its whole log: $CACHE/$name.log" >&2; return 1; }
    [ -z "$before" ] || [ "$before" = "$(buildah images --quiet --no-trunc "$image")" ] || buildah rmi "$before" > /dev/null 2>&1 || true
  fi
  rm -f "$archive.new"
  buildah push --quiet "$image" "oci-archive:$archive.new:$image"
  mv "$archive.new" "$archive"
  find "$CACHE" -maxdepth 1 -name "$name-*.tar" ! -path "$archive" -delete
}

mkdir -p "$CACHE"
exec 9> "$CACHE/lock"
flock 9
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
MOUNTS=()
[ $# -gt 0 ] || set -- python sidecar webhook workload registry
for name; do
  archive=$CACHE/$name-$(key "$name").tar
  if [ ! -f "$archive" ]; then
    [ ${#MOUNTS[@]} -gt 0 ] || pip_mounts "$work"
    build "$name" "$archive"
  fi
  echo "$archive"
done
