#!/usr/bin/env bash
#
# Deploy function directories to the nuclio of a CVAT, as CVAT's own deploy_cpu.sh and deploy_gpu.sh do.
# `./deploy.sh --help` says how to call it, docs/deploying.md what it does and why.
#
# Every command that changes something goes through `run`, which only prints it under --dry-run.
# Names of functions follow a rule without spaces or quotes (`check_function`), paths may hold anything.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
readonly IMAGES=${HERE%/deploy}/images
readonly PROJECT=cvat # CVAT lists the functions of this project only
# Tests compare these with builder/variants.py.
readonly PYTHON_VERSION=3.11
readonly CPU_BASE_IMAGE=preannotate/openvino:2026.4-2-py3.11
readonly GPU_BASE_IMAGE=preannotate/tensorflow:2.21-gpu-2-py3.11
# The first with python:3.11 and numWorkers.
readonly OLDEST_NUCTL=1.13

# shellcheck source=builder/deploy/output.sh
source "$HERE/output.sh"
# shellcheck source=builder/deploy/tools.sh
source "$HERE/tools.sh"
# shellcheck source=builder/deploy/directories.sh
source "$HERE/directories.sh"
# shellcheck source=builder/deploy/ports.sh
source "$HERE/ports.sh"
# shellcheck source=builder/deploy/failure_cause.sh
source "$HERE/failure_cause.sh"
# shellcheck source=builder/deploy/readiness.sh
source "$HERE/readiness.sh"
# shellcheck source=builder/deploy/version_before.sh
source "$HERE/version_before.sh"

usage() {
    cat <<'END'
Usage:
  ./deploy.sh cpu|gpu [DIR ...] [OPTIONS] [-- NUCTL_FLAGS]   deploy what is found in DIR (default: functions)
  ./deploy.sh list                                           what is deployed, and images to go back to
  ./deploy.sh rollback NAME FINGERPRINT [-- NUCTL_FLAGS]     deploy an image built earlier, without building
  ./deploy.sh delete NAME                                    remove a function; its images stay

DIR is functions, functions/NAME or functions/NAME/nuclio. What follows -- is given to `nuctl deploy`.

Options:
  --check                prove each function first, by `preannotate check` (about a minute each)
  --dry-run              print the commands and change nothing
  --name NAME            deploy one function directory under another name
  --platform local|kube  nuclio's platform (default: local, this machine's Docker)
  --rebuild-base         build the base image even if it exists
  --registry R           kube only: where the cluster pulls images from (default: $NUCTL_REGISTRY)
  --wheels DIR           build without internet: packages from the wheel files in DIR, no image is pulled
  --no-pull              pull no image; without it, only images are pulled that are not here
  --ca-certificates FILE authorities (PEM) that pip trusts while the base image is built, such as your company's
  --port PORT            fixed port on this machine, for one function (default: the one it has, else a free one)
  --timeout SECONDS      how long a function may take until it answers (default 300)

Environment: BASE_IMAGE (of the base image; default python:3.11-slim-bookworm), PIP_INDEX_URL (of the base image's
packages), FUNCTION_PORTS (from which ports are chosen, default 31001-31999), NUCTL_NAMESPACE (default nuclio).
Port 8070 of nuclio's dashboard is not needed. Exit code: 0 all answer, 1 something failed, 2 nothing was tried.
END
}

# --- Arguments ------------------------------------------------------------------------------------------------

parse() {
    command=${1:-}
    dry_run=no check=no rebuild_base=no
    platform=local registry="" wheels="" new_name=""
    no_pull=no certificates="" new_port="" ready_seconds=300
    words=() nuctl_flags=() given_ports=()
    case $command in
    cpu | gpu | list | delete | rollback) shift ;;
    -h | --help | help) usage && exit 0 ;;
    "") usage >&2 && exit 2 ;;
    *) fail "$command: no such command; expected cpu, gpu, list, rollback or delete. See ./deploy.sh --help." ;;
    esac
    while [ $# -gt 0 ]; do
        case $1 in
        --check) check=yes ;;
        --dry-run) dry_run=yes ;;
        --rebuild-base) rebuild_base=yes ;;
        --no-pull) no_pull=yes ;;
        --name | --platform | --registry | --wheels | --ca-certificates | --port | --timeout)
            [ $# -ge 2 ] || fail "$1: no value; expected one after it. See ./deploy.sh --help."
            set_option "$1" "$2"
            shift
            ;;
        --)
            shift
            nuctl_flags=("$@")
            break
            ;;
        -h | --help) usage && exit 0 ;;
        -*) fail "$1: no such option; expected one of ./deploy.sh --help. Put flags of nuctl after --." ;;
        *) words+=("$1") ;;
        esac
        shift
    done
    check_options
}

set_option() {
    case $1 in
    --name) new_name=$2 ;;
    --platform) platform=$2 ;;
    --registry) registry=$2 ;;
    --wheels) wheels=$2 ;;
    --ca-certificates) certificates=$2 ;;
    --port) new_port=$2 ;;
    --timeout) ready_seconds=$2 ;;
    esac
}

check_options() {
    case $platform in
    local) [ -z "$registry" ] || fail "--registry: given for platform local, which runs this machine's images; expected it with --platform kube. Leave it out." ;;
    kube)
        registry=${registry:-${NUCTL_REGISTRY:-}}
        registry=${registry%/}
        if [ -z "$registry" ] && [[ $command = cpu || $command = gpu || $command = rollback ]]; then
            fail "--registry: none given for platform kube; expected the one that the cluster pulls images from. Add --registry R."
        fi
        ;;
    *) fail "--platform: '$platform'; expected local or kube. Choose one." ;;
    esac
    if [ -n "$wheels" ] && ! compgen -G "$wheels/*.whl" >/dev/null; then
        fail "--wheels: no *.whl in '$wheels'; expected a directory with wheel files. Fill it as docs/deploying.md says."
    fi
    if [ -n "$wheels" ]; then
        wheels=$(absolute "$wheels")
        no_pull=yes
    fi
    if [ -n "$certificates" ] && ! grep -q -e '-----BEGIN CERTIFICATE-----' "$certificates" 2>/dev/null; then
        fail "--ca-certificates: no certificate in '$certificates'; expected a file in PEM format. Ask whoever runs your network for it."
    fi
    if [ -n "$new_port" ] && ! { [[ $new_port =~ ^[1-9][0-9]{0,4}$ ]] && ((new_port <= 65535)); }; then
        fail "--port: '$new_port'; expected a number from 1 to 65535. Choose another port."
    fi
    if [ -n "$new_port" ] && [ "$platform" = kube ]; then
        fail "--port: given for platform kube, where nuclio has services; expected it for platform local. Leave it out."
    fi
    [[ $ready_seconds =~ ^[1-9][0-9]{0,5}$ ]] ||
        fail "--timeout: '$ready_seconds'; expected a number of seconds from 1 on. Choose another."
    if [ -n "$new_name" ] && ! valid_name "$new_name"; then
        fail "--name: '$new_name'; expected at most 56 lower-case letters, digits and hyphens. Choose another name."
    fi
    case $new_name in
    dashboard | controller | dlx | scaler) fail "--name: '$new_name' is nuclio's own; expected another name. Choose one." ;;
    esac
}

# --- Deploying ------------------------------------------------------------------------------------------------

deploy_all() {
    local dir
    find_functions "${words[@]:-functions}"
    if [ -n "$new_name" ] && [ "${#directories[@]}" -ne 1 ]; then
        fail "--name: ${#directories[@]} function directories; expected one. Name it: functions/NAME."
    fi
    if [ -n "$new_port" ] && [ "${#directories[@]}" -ne 1 ]; then
        fail "--port: ${#directories[@]} function directories; expected one. Name it: functions/NAME."
    fi
    if [ "$dry_run" = no ]; then require_tools; fi
    if [ "$check" = yes ] && ! command -v preannotate >/dev/null; then
        fail "--check: no such command as preannotate; expected this project to be installed. Leave --check out, or install it."
    fi
    names=() states=() ports=() causes=()
    make_work
    prepared=no
    for dir in "${directories[@]}"; do deploy "$dir"; done
    tidy
}

make_work() { # a folder of ours
    run mkdir -m 700 "$work"
    if [ "$dry_run" = no ]; then trap 'rm -rf "$work"' EXIT; fi
}

tidy() { # what nuctl said stays where it failed
    trap - EXIT
    if compgen -G "$work/*.log" >/dev/null; then
        find "$work" -mindepth 1 -maxdepth 1 ! -name '*.log' -exec rm -r '{}' +
        say "" "What nuctl said, in full: $work"
    else
        run rm -rf "$work"
    fi
}

deploy() {
    local dir=$1 name problem
    name=${new_name:-$(yaml_value "$dir/$(yaml_file)" '  name')}
    problem=$(check_function "$dir")
    if [ -z "$problem" ]; then problem=$(twice "$name"); fi
    if [ -z "$problem" ] && [ "$check" = yes ] && ! run preannotate check "$dir" >&3 2>&1; then
        problem="preannotate check failed, see above; expected a proven function. Build the function again."
    fi
    if [ -n "$problem" ]; then
        record "${name:-${dir%/nuclio}}" refused "" "$problem"
        return
    fi
    if [ "$prepared" = no ]; then
        ensure_base_image
        pull_only_what_is_missing
        ensure_project
        prepared=yes
    fi
    say "Deploying $dir as $name ..."
    stage "$dir" "$work/$name"
    fix_port "$name" "$work/$name/function.yaml"
    nuctl_deploy "$name" --path "$work/$name" --file "$work/$name/function.yaml"
}

twice() {
    local known
    for known in ${names[@]+"${names[@]}"}; do
        if [ "$known" = "$1" ]; then
            echo "metadata.name '$1': another function directory has it; expected different names. One would replace the other."
        fi
    done
}

nuctl_deploy() { # $1 name, then what else `nuctl deploy` needs
    local name=$1 log=$work/$1.log why flags
    shift
    flags=("$@" ${nuctl_flags[@]+"${nuctl_flags[@]}"})
    if [ "$dry_run" = yes ]; then
        call_nuctl "${flags[@]}"
        record "$name" "dry run" "" ""
        return
    fi
    remember_version "$name"
    if ! call_nuctl "${flags[@]}" 2>&1 | tee "$log" | without_report >&3; then
        why=$(cause "$name" "$log")
        record "$name" failed "" "$(sentences "$why" "$(put_back "$name")")"
        return
    fi
    rm "$log"
    if [ "$platform" = local ] && ! why=$(wait_until_ready "$name"); then
        docker logs --tail 1000 "$(container_of "$name")" >"$log" 2>&1 || true
        record "$name" failed "" "$(sentences "$why" "$(put_back "$name")")"
    else
        record "$name" "$(column STATE "$name")" "$(column 'NODE PORT' "$name")" ""
    fi
}

sentences() { # two of them, the second may be empty
    if [ -z "$2" ]; then echo "$1"; else echo "${1%.}. $2"; fi
}

call_nuctl() { # `nuctl deploy` with these flags, and those that every deployment has
    local flags=(--project-name "$PROJECT" --platform "$platform")
    if [ "$platform" = kube ]; then flags+=(--registry "$registry"); fi
    if [ "$no_pull" = yes ]; then flags+=(--no-pull); fi
    run nuctl deploy "${flags[@]}" "$@"
}

# nuctl ends with the container's whole log, in one line and then in many; the table gives the cause. Not by awk or sed,
# which may show nothing before the end: a build takes minutes.
without_report() {
    local line quiet=no
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in "Error - "*) quiet=yes ;; esac
        if [ "$quiet" = no ]; then printf '%s\n' "${line:0:400}"; fi
    done
}

record() {
    names+=("$1") states+=("${2:-unknown}") ports+=("$3") causes+=("$4")
}

column() { # $1 heading, $2 function: the field of nuctl's table
    nuctl get functions "$2" --platform "$platform" 2>/dev/null | plain | awk -F'|' -v heading="$1" -v name="$2" '
        { for (i = 1; i <= NF; i++) gsub(/^ +| +$/, "", $i) }
        !at && /NAME/ { for (i = 1; i <= NF; i++) { if ($i == heading) at = i; if ($i == "NAME") key = i }; next }
        at && $key == name { print $at; exit }' || true
}

report() { # the table; returns 1 if something is not ready
    local i width=4 code=0
    for i in "${!names[@]}"; do if [ "${#names[i]}" -gt "$width" ]; then width=${#names[i]}; fi; done
    printf "\n%-${width}s  %-9s  %-5s  %s\n" NAME STATE PORT CAUSE
    for i in "${!names[@]}"; do
        printf "%-${width}s  %-9s  %-5s  %s\n" "${names[i]}" "${states[i]}" "${ports[i]:--}" "${causes[i]}" | sed 's/ *$//'
        case ${states[i]} in failed | refused | error | unhealthy) code=1 ;; esac
    done
    return "$code"
}

# --- The other commands ---------------------------------------------------------------------------------------

list() {
    [ "${#words[@]}" -eq 0 ] || fail "list: ${#words[@]} arguments; expected none. Leave them out."
    run nuctl get functions --platform "$platform"
    if [ "$platform" = local ]; then
        say "" "What runs, with the fingerprint of its model behind the colon:"
        run docker ps --all --filter "label=nuclio.io/project-name=$PROJECT" --format 'table {{.Names}}\t{{.Image}}\t{{.Status}}\t{{.Ports}}'
        say "" "Images to go back to:"
        run docker image ls --filter 'reference=preannotate.*' --format 'table {{.Repository}}\t{{.Tag}}\t{{.CreatedSince}}\t{{.Size}}'
    fi
}

delete() {
    [ "${#words[@]}" -eq 1 ] || fail "delete: ${#words[@]} arguments; expected the name of one function. See ./deploy.sh list."
    local name=${words[0]} output
    if [ "$dry_run" = no ] && ! output=$(nuctl get functions "$name" --platform "$platform" 2>&1); then
        fail "$name: nuctl does not give it ($(nuctl_error <<<"$output")); expected a deployed function. See ./deploy.sh list."
    fi
    # By force: also a function that an interrupted deployment left half done.
    run nuctl delete functions "$name" --force --platform "$platform"
}

# Takes the block `build` out of a function.yaml.
readonly WITHOUT_BUILD='/^  build:/,/^  [^ ]/{/^  build:/d;/^   /d;}'

rollback() {
    [ "${#words[@]}" -eq 2 ] || fail "rollback: ${#words[@]} arguments; expected NAME and FINGERPRINT. See ./deploy.sh list."
    local name=${words[0]} image="preannotate.${words[0]}:${words[1]}" show from=()
    valid_name "$name" || fail "$name: no name of a function; expected lower-case letters, digits and hyphens. See ./deploy.sh list."
    names=() states=() ports=() causes=()
    make_work
    # The file of that version lies in its image. Without `build` in it, nuctl deploys the image as it is.
    show=(docker run --rm --network none --entrypoint cat)
    if [ "$platform" = local ]; then show+=(--pull never "$image"); else show+=("$registry/$image"); fi
    show+=(/opt/nuclio/function.yaml)
    if [ "$dry_run" = yes ]; then
        printf '%s | %s > %q\n' "$(quoted "${show[@]}")" "$(quoted sed "$WITHOUT_BUILD")" "$work/function.yaml"
    elif "${show[@]}" >"$work/image.yaml" 2>"$work/$name.log"; then
        sed "$WITHOUT_BUILD" "$work/image.yaml" >"$work/function.yaml"
    else
        fail "$image: cannot be read ($(first_line <"$work/$name.log")); expected an image built earlier. See ./deploy.sh list."
    fi
    if [ "$platform" = kube ]; then from=(--run-registry "$registry"); fi
    if [ "$dry_run" = no ]; then fix_port "$name" "$work/function.yaml"; fi
    nuctl_deploy "$name" --file "$work/function.yaml" --run-image "$image" ${from[@]+"${from[@]}"}
    tidy
}

main() {
    parse "$@"
    work=${TMPDIR:-/tmp}/preannotate-deploy.$$
    exec 3>&1
    case $command in
    cpu | gpu) deploy_all ;;
    *)
        if [ "$dry_run" = no ]; then require_tools; fi
        "$command"
        ;;
    esac
    case $command in
    cpu | gpu | rollback) if [ "$dry_run" = yes ]; then report >&2; else report; fi ;;
    esac
}

main "$@"
