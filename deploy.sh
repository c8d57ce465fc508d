#!/usr/bin/env bash
# Deploy function directories to the nuclio of a CVAT: ./deploy.sh --help. The script is a part of the package `builder`.
set -euo pipefail

exec bash "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/builder/deploy/deploy.sh" "$@"
