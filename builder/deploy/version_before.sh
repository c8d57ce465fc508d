# shellcheck shell=bash
# The version that CVAT uses until a deployment has succeeded. A failed one leaves nuclio without the port of the
# function, or without its container, and so CVAT without the model: the version before is then put back.
# Sourced by deploy.sh, which sets the variables that are only read here.
# shellcheck disable=SC2154

remember_version() { # of function $1, if it answers now: its image, and how nuclio runs it
    local container
    container=$(container_of "$1")
    before_id="" before_image=""
    if [ "$platform" = kube ] || ! answers "$container"; then return; fi
    read -r before_id before_image < <(docker inspect --type container --format '{{.Image}} {{.Config.Image}}' "$container" 2>/dev/null) || true
    # All of its settings, flags of `nuctl deploy` among them; what nuclio adds about its state is no setting.
    if ! nuctl get functions "$1" --platform "$platform" --output yaml 2>/dev/null | plain | sed '/^status:/,$d' >"$work/before.yaml" ||
        ! grep -q '^  triggers:' "$work/before.yaml"; then
        before_id=""
    fi
}

put_back() { # deploys what `remember_version` found of function $1; prints what became of it
    local log=$work/$1.before.log
    if [ -z "$before_id" ]; then return; fi
    say "Putting back the version before, $before_image ..."
    # Another build of the same model has the same tag.
    docker tag "$before_id" "$before_image" >/dev/null 2>&1 || true
    sed "$WITHOUT_BUILD" "$work/before.yaml" >"$work/function.yaml"
    fix_port "$1" "$work/function.yaml"
    # Its image is here, and its flags are in the file.
    if nuctl deploy --project-name "$PROJECT" --platform "$platform" --file "$work/function.yaml" --run-image "$before_image" \
        2>&1 | tee "$log" | without_report >&2 && wait_until_ready "$1" >/dev/null; then
        rm "$log"
        echo "The version before (${before_image##*:}) is back."
    else
        echo "The version before is not back: ./deploy.sh rollback $1 ${before_image##*:}"
    fi
}
