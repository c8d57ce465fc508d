#!/usr/bin/env bash
#
# Renew what the base images are made of: requirements.txt of each image, with the hash of every file that pip may take,
# from its requirements.in and the versions in constraints.txt; and the digest of the image that they start from.
# Needs uv (pip install uv) and, for the digest, Docker and its registry. Read the difference before you commit it.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
readonly ROOT=${HERE%/builder/images}
# As in the tag python:3.11-slim-bookworm, which has glibc 2.36.
readonly PLATFORM=x86_64-manylinux_2_28

renew_requirements() { # $1 image
    local python
    python=$(sed -n 's/^ARG PYTHON_VERSION=//p' "$HERE/$1/Dockerfile")
    {
        echo "# Everything that is installed, exactly, with hashes; tests compare it with builder/variants.py and pyproject.toml."
        echo "# Written by builder/images/renew.sh from requirements.in."
        uv pip compile --quiet --generate-hashes --no-header --no-annotate --only-binary :all: --python-version "$python" \
            --python-platform "$PLATFORM" --constraint "$ROOT/constraints.txt" "$HERE/$1/requirements.in"
    } >"$HERE/$1/requirements.txt.new"
    mv "$HERE/$1/requirements.txt.new" "$HERE/$1/requirements.txt"
    echo "$1/requirements.txt: $(grep -c == "$HERE/$1/requirements.txt") packages"
}

renew_digest() {
    local tag digest variant
    tag=$(sed -n 's/^ARG BASE_IMAGE=\([^@]*\).*/\1/p' "$HERE/cpu/Dockerfile")
    if ! docker pull --quiet "$tag" >/dev/null; then
        echo "$tag: cannot be pulled; its digest stays as it is." >&2
        return 1
    fi
    # NAME@sha256:..., of the list of all architectures.
    digest=$(docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$tag" | sed -n 's/.*@\(sha256:[0-9a-f]\{64\}\)$/\1/p' | head -n 1)
    if [ -z "$digest" ]; then
        echo "$tag: Docker knows no digest; expected one of its registry. It stays as it is." >&2
        return 1
    fi
    for variant in cpu gpu; do
        sed -i.before "s|^ARG BASE_IMAGE=.*|ARG BASE_IMAGE=$tag@$digest|" "$HERE/$variant/Dockerfile"
        rm "$HERE/$variant/Dockerfile.before"
    done
    echo "$tag: $digest"
}

renew_requirements cpu
renew_requirements gpu
renew_digest
