# shellcheck shell=bash
# Docker and nuctl: whether they are there and fit, nuclio's project, and the base image.
# Sourced by deploy.sh, which sets the variables that are only read here.
# shellcheck disable=SC2154

require_tools() {
    require_docker
    require_nuctl
}

require_docker() {
    local answer
    command -v docker >/dev/null || fail "docker: no such command; expected Docker's command line. Install Docker."
    if ! answer=$(docker version --format '{{.Server.Version}}' 2>&1); then
        fail "docker: the engine does not answer ($(first_line <<<"$answer")); expected it to run. Start Docker, or let your user use it."
    fi
}

require_nuctl() {
    local found dashboard answer
    command -v nuctl >/dev/null ||
        fail "nuctl: no such command; expected nuclio's command line. Download the version of your dashboard from nuclio's releases."
    answer=$(nuctl version 2>/dev/null | plain) || answer=""
    found=$(sed -n 's/.*Label: \([0-9][0-9.]*\).*/\1/p' <<<"$answer")
    [ -n "$found" ] || return 0 # built from source: nothing to compare
    nuctl_tag=$found-$(sed -n 's/.*Arch: \([a-z0-9]*\).*/\1/p' <<<"$answer")
    if older "$found" "$OLDEST_NUCTL"; then
        fail "nuctl: version $found; expected $OLDEST_NUCTL or newer, which knows python:$PYTHON_VERSION and numWorkers. Update CVAT's nuclio and nuctl."
    fi
    dashboard=$(dashboard_version)
    if [ -n "$dashboard" ] && [ "$dashboard" != "$found" ]; then
        warn "nuctl: version $found, and the dashboard in container nuclio is $dashboard; expected the same. Install nuctl $dashboard if something goes wrong."
    fi
}

dashboard_version() { # empty if none runs here
    docker ps --filter 'name=^/?nuclio$' --format '{{.Image}}' 2>/dev/null | sed -n 's/.*:\([0-9][0-9.]*\).*/\1/p' || true
}

older() { # whether version $1 comes before $2, by their first two numbers
    local IFS=. one two
    read -r -a one <<<"$1"
    read -r -a two <<<"$2"
    ((one[0] < two[0] || (one[0] == two[0] && ${one[1]:-0} < ${two[1]:-0})))
}

ensure_project() {
    local output
    local row="^[^|]*[|] *$PROJECT( |\$)" # of nuctl's table
    if [ "$dry_run" = yes ]; then
        printf '%s | grep -Eq %q || %s\n' "$(quoted nuctl get projects "$PROJECT" --platform "$platform")" "$row" \
            "$(quoted nuctl create project "$PROJECT" --platform "$platform")"
        return
    fi
    output=$(nuctl get projects "$PROJECT" --platform "$platform" 2>&1) || true
    if plain <<<"$output" | grep -Eq "$row"; then return; fi
    if ! output=$(nuctl create project "$PROJECT" --platform "$platform" 2>&1) && [[ $output != *"already exists"* ]]; then
        fail "project $PROJECT: nuctl could not create it ($(nuctl_error <<<"$output")); expected it to. Nothing was deployed."
    fi
}

pull_only_what_is_missing() { # nuctl pulls what it builds with at each deployment, and fails without internet
    local here
    if [ "$no_pull" = yes ] || [ "$dry_run" = yes ] || [ "$platform" = kube ] || [ -z "${nuctl_tag-}" ]; then return; fi
    here=$(docker image ls --format '{{.Repository}}:{{.Tag}}' 2>/dev/null) || here=""
    case $here in
    *"nuclio/handler-builder-python-onbuild:$nuctl_tag"*) case $here in *"nuclio/uhttpc:"*) no_pull=yes ;; esac ;;
    esac
}

base_image() { if [ "$command" = gpu ]; then echo "$GPU_BASE_IMAGE"; else echo "$CPU_BASE_IMAGE"; fi; }

ensure_base_image() {
    local image context arguments=()
    image=$(base_image)
    if [ "$dry_run" = no ] && [ "$rebuild_base" = no ] && docker image inspect "$image" >/dev/null 2>&1; then return; fi
    say "Building base image $image ..."
    context=$work/base
    run mkdir -p "$context/wheels" "$context/certificates"
    run cp "$IMAGES/$command/Dockerfile" "$IMAGES/$command/requirements.txt" "$context"
    [ -z "$wheels" ] || run cp "$wheels"/*.whl "$context/wheels"
    [ -z "$certificates" ] || run cp "$certificates" "$context/certificates/authorities.pem"
    if [ -n "${BASE_IMAGE:-}" ]; then
        arguments+=(--build-arg "BASE_IMAGE=$BASE_IMAGE")
    elif [ "$no_pull" = yes ]; then # an image that was loaded from a file has its tag, and no digest
        arguments+=(--build-arg "BASE_IMAGE=$(sed -n 's/^ARG BASE_IMAGE=\([^@]*\).*/\1/p' "$IMAGES/$command/Dockerfile")")
    fi
    if [ -n "${PIP_INDEX_URL:-}" ]; then arguments+=(--build-arg PIP_INDEX_URL); fi # its value may be a secret
    # A dry run asks nobody: what would be asked is printed.
    if [ "$dry_run" = yes ] && [ "$rebuild_base" = no ]; then
        printf '%s >/dev/null 2>&1 || ' "$(quoted docker image inspect "$image")"
    fi
    arguments=(docker build --tag "$image" ${arguments[@]+"${arguments[@]}"} "$context")
    if [ "$dry_run" = yes ]; then
        run "${arguments[@]}"
    elif ! "${arguments[@]}" 2>&1 | tee "$work/base.txt" >&3; then
        fail "$image: docker build failed ($(nuctl_error <"$work/base.txt")); expected a base image. Nothing was deployed."
    fi
}
