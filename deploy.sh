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
readonly PROJECT=cvat # CVAT lists the functions of this project only
# Tests hold these against builder/versions.py and builder/variants.py.
readonly PYTHON_VERSION=3.11
readonly CPU_BASE_IMAGE=preannotate/openvino:2026.4-py3.11
readonly GPU_BASE_IMAGE=preannotate/tensorflow:2.21-gpu-py3.11
# The first with python:3.11 and numWorkers.
readonly OLDEST_NUCTL=1.13

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

Environment: BASE_IMAGE (of the base image; default python:3.11-slim-bookworm), NUCTL_NAMESPACE (default nuclio).
Port 8070 of nuclio's dashboard is not needed. Exit code: 0 all deployed, 1 something failed, 2 nothing was tried.
END
}

# --- Words and commands ---------------------------------------------------------------------------------------

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 2
}

warn() { printf 'warning: %s\n' "$*" >&2; }

say() { printf '%s\n' "$@" >&2; }

quoted() { # the words as a shell would need them
    local word line=""
    for word in "$@"; do line+="${line:+ }$(printf '%q' "$word")"; done
    printf '%s' "$line"
}

run() {
    if [ "$dry_run" = yes ]; then
        printf '%s\n' "$(quoted "$@")"
    else
        "$@"
    fi
}

plain() { sed $'s/\033\\[[0-9;]*m//g'; } # without nuctl's colours

# --- Arguments ------------------------------------------------------------------------------------------------

parse() {
    command=${1:-}
    dry_run=no check=no rebuild_base=no
    platform=local registry="" wheels="" new_name=""
    words=() nuctl_flags=()
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
        --name | --platform | --registry | --wheels)
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
    esac
}

check_options() {
    case $platform in
    local) [ -z "$registry" ] || fail "--registry: given for platform local, which runs this machine's images; expected it with --platform kube. Leave it out." ;;
    kube)
        registry=${registry:-${NUCTL_REGISTRY:-}}
        if [ -z "$registry" ] && [[ $command = cpu || $command = gpu || $command = rollback ]]; then
            fail "--registry: none given for platform kube; expected the one that the cluster pulls images from. Add --registry R."
        fi
        ;;
    *) fail "--platform: '$platform'; expected local or kube. Choose one." ;;
    esac
    if [ -n "$wheels" ] && ! compgen -G "$wheels/*.whl" >/dev/null; then
        fail "--wheels: no *.whl in '$wheels'; expected a directory with wheel files. Fill it as docs/deploying.md says."
    fi
    if [ -n "$new_name" ] && ! valid_name "$new_name"; then
        fail "--name: '$new_name'; expected at most 56 lower-case letters, digits and hyphens. Choose another name."
    fi
}

# --- Docker and nuctl -----------------------------------------------------------------------------------------

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
    local found dashboard
    command -v nuctl >/dev/null ||
        fail "nuctl: no such command; expected nuclio's command line. Download the version of your dashboard from nuclio's releases."
    found=$(nuctl version 2>/dev/null | plain | sed -n 's/.*Label: \([0-9][0-9.]*\).*/\1/p') || found=""
    [ -n "$found" ] || return 0 # built from source: nothing to compare
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

first_line() { plain | { grep '[^[:space:]]' || true; } | sed -n '1{s/^[[:space:]]*//;p;}'; }

last_line() { plain | { grep '[^[:space:]]' || true; } | tail -n 1 | sed 's/^[[:space:]]*//'; }

ensure_project() {
    local output
    if [ "$dry_run" = yes ]; then
        printf '%s | grep -qw %s || %s\n' "$(quoted nuctl get projects "$PROJECT" --platform "$platform")" "$PROJECT" \
            "$(quoted nuctl create project "$PROJECT" --platform "$platform")"
        return
    fi
    output=$(nuctl get projects "$PROJECT" --platform "$platform" 2>&1) || true
    if plain <<<"$output" | grep -qw "$PROJECT"; then return; fi
    if ! output=$(nuctl create project "$PROJECT" --platform "$platform" 2>&1) && [[ $output != *"already exists"* ]]; then
        fail "project $PROJECT: nuctl could not create it ($(nuctl_error <<<"$output")); expected it to. Nothing was deployed."
    fi
}

# --- The base image -------------------------------------------------------------------------------------------

base_image() { if [ "$command" = gpu ]; then echo "$GPU_BASE_IMAGE"; else echo "$CPU_BASE_IMAGE"; fi; }

ensure_base_image() {
    local image context arguments=()
    image=$(base_image)
    if [ "$dry_run" = no ] && [ "$rebuild_base" = no ] && docker image inspect "$image" >/dev/null 2>&1; then return; fi
    say "Building base image $image ..."
    context=$work/base
    run mkdir -p "$context/wheels"
    run cp "$HERE/builder/images/$command/Dockerfile" "$HERE/builder/images/$command/requirements.txt" "$context"
    [ -z "$wheels" ] || run cp "$wheels"/*.whl "$context/wheels"
    if [ -n "${BASE_IMAGE:-}" ]; then arguments=(--build-arg "BASE_IMAGE=$BASE_IMAGE"); fi
    # A dry run asks nobody: what would be asked is printed.
    if [ "$dry_run" = yes ] && [ "$rebuild_base" = no ]; then
        printf '%s >/dev/null 2>&1 || ' "$(quoted docker image inspect "$image")"
    fi
    run docker build --tag "$image" ${arguments[@]+"${arguments[@]}"} "$context" >&3 2>&1 ||
        fail "$image: docker build failed, see above; expected a base image. Nothing was deployed."
}

# --- Function directories -------------------------------------------------------------------------------------

yaml_file() { if [ "$command" = gpu ]; then echo function-gpu.yaml; else echo function.yaml; fi; }

find_functions() { # fills `directories`
    local dir found file
    file=$(yaml_file)
    directories=()
    for dir in "$@"; do
        [ -d "$dir" ] || fail "$dir: no such directory; expected function directories in it. Build one with \`preannotate build\`."
        found=$(cd "$dir" && pwd)
        if [ -f "$found/$file" ]; then
            add_directory "$found"
            continue
        fi
        local before=${#directories[@]}
        while IFS= read -r -d '' found; do
            add_directory "${found%/*}"
        done < <(find -L "$found" -mindepth 1 -name '.*' -prune -o -path "*/nuclio/$file" -type f -print0 | sort -z)
        [ "${#directories[@]}" -gt "$before" ] ||
            fail "$dir: no nuclio/$file in it; expected function directories. Build one with \`preannotate build\`."
    done
}

add_directory() { # once each
    local known
    for known in ${directories[@]+"${directories[@]}"}; do
        if [ "$known" = "$1" ]; then return; fi
    done
    directories+=("$1")
}

valid_name() {
    local LC_ALL=C
    [[ $1 =~ ^[a-z0-9]([-a-z0-9]{0,54}[a-z0-9])?$ ]]
}

yaml_value() { # $1 file, $2 key with its indentation: as `preannotate build` writes it
    sed -n "/^$2: */{s///;s/[\"']//g;s/ *\$//;p;q;}" "$1"
}

check_function() { # prints what is wrong with directory $1, one sentence; nothing if it may be deployed
    local dir=$1 file name fingerprint
    file=$(yaml_file)
    check_files "$dir" || return 0
    name=$(yaml_value "$dir/$file" '  name')
    fingerprint=$(yaml_value "$dir/$file" '    preannotate.fingerprint')
    check_file "$dir" "$file" "$name" "$fingerprint" || return 0
    if [ -d "$dir/saved_model" ]; then
        same "saved_model: fingerprint" "$(fingerprint_of "$dir/saved_model")" "$fingerprint" ", as in $file" || return 0
    fi
    grep -q '"verdict": "passed"' "$dir/parity.json" ||
        echo "parity.json: the verdict is not \"passed\"; expected a proven function. Build the function again."
}

check_files() {
    local path
    for path in main.py model_handler.py model.json parity.json runtime/__init__.py $(model_files); do
        if [ ! -f "$1/$path" ]; then
            echo "$path: no such file; expected a whole function directory. Build the function again."
            return 1
        fi
    done
}

check_file() { # directory $1 with YAML file $2, which says name $3 and fingerprint $4
    local image
    if ! valid_name "$3"; then
        echo "$2: metadata.name '$3'; expected at most 56 lower-case letters, digits and hyphens. Build the function again."
        return 1
    fi
    image=$(yaml_value "$1/$2" '    image')
    same "$2: preannotate.fingerprint" "$4" \
        "$(sed -n 's/.*"model_fingerprint": *"\([^"]*\)".*/\1/p' "$1/model.json")" ", as in model.json" &&
        same "$2: spec.build.image" "$image" "preannotate.$3:$4" "" &&
        same "$2: spec.build.baseImage" "$(yaml_value "$1/$2" '    baseImage')" "$(base_image)" ", which this version makes" &&
        same "$2: spec.runtime" "$(yaml_value "$1/$2" '  runtime')" "python:$PYTHON_VERSION" ", the Python of the base image"
}

same() { # $1 where, $2 found, $3 expected, $4 why
    [ "$2" = "$3" ] && return
    echo "$1 '$2'; expected '$3'$4. Build the function again."
    return 1
}

model_files() { if [ "$command" = gpu ]; then echo saved_model/saved_model.pb; else echo model.xml model.bin; fi; }

fingerprint_of() { # as `model_fingerprint` in builder/build.py; 001 sorts a folder's files as Python sorts paths
    local path
    while IFS= read -r -d '' path; do
        path=${path#./}
        printf '%s\0%s\0' "$path" "$(($(wc -c <"$1/$path")))"
        cat "$1/$path"
    done < <(cd "$1" && find -L . -type f -print0 | tr '/' '\001' | LC_ALL=C sort -z | tr '\001' '/') | sha256 | cut -c1-16
}

sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }

stage() { # copies to $2 what the variant needs of directory $1, for nuclio copies all it finds into the image
    local entry left_out
    case $command in
    cpu) left_out=" saved_model function-gpu.yaml " ;;
    gpu) left_out=" model.xml model.bin function.yaml function-gpu.yaml " ;;
    esac
    run mkdir "$2"
    for entry in "$1"/*; do
        case "$left_out __pycache__ auto_annotation.py " in *" ${entry##*/} "*) continue ;; esac
        run cp -RL "$entry" "$2"
    done
    # The code in the container reads its labels from function.yaml, whatever the variant.
    if [ "$command" = gpu ]; then run cp -L "$1/function-gpu.yaml" "$2/function.yaml"; fi
    if [ -n "$new_name" ]; then rename "$2/function.yaml" "$(yaml_value "$1/$(yaml_file)" '    image')"; fi
    run find "$2" -name __pycache__ -prune -exec rm -r '{}' +
    run chmod -R u=rwX,go=rX "$2" # whoever runs in the container must read it
}

rename() { # gives the staged $1, whose image is $2, the name in `new_name`: for nuclio, for CVAT and for the image
    run sed -i.before -e "s/^  name: .*/  name: \"$new_name\"/" -e "s/^    name: .*/    name: \"$new_name\"/" \
        -e "s/^    image: .*/    image: \"preannotate.$new_name:${2##*:}\"/" "$1"
    run rm "$1.before"
}

# --- Deploying ------------------------------------------------------------------------------------------------

deploy_all() {
    local dir
    find_functions "${words[@]:-functions}"
    if [ -n "$new_name" ] && [ "${#directories[@]}" -ne 1 ]; then
        fail "--name: ${#directories[@]} function directories; expected one. Name it: functions/NAME."
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
        ensure_project
        prepared=yes
    fi
    say "Deploying $dir as $name ..."
    stage "$dir" "$work/$name"
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
    local name=$1 log=$work/$1.log flags=(--project-name "$PROJECT" --platform "$platform")
    shift
    if [ "$platform" = kube ]; then flags+=(--registry "$registry"); fi
    if [ -n "$wheels" ]; then flags+=(--no-pull); fi
    flags+=("$@" ${nuctl_flags[@]+"${nuctl_flags[@]}"})
    if [ "$dry_run" = yes ]; then
        run nuctl deploy "${flags[@]}"
        record "$name" "dry run" "" ""
    elif nuctl deploy "${flags[@]}" 2>&1 | tee "$log" | without_report >&3; then
        rm "$log"
        record "$name" "$(column STATE "$name")" "$(column 'NODE PORT' "$name")" ""
    else
        record "$name" failed "" "$(cause "$name" "$log")"
    fi
}

without_report() { # nuctl ends with the container's whole log, in one line and then in many; the table gives the cause
    awk '/^Error - / { quiet = 1 } !quiet { print substr($0, 1, 400) }'
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
    printf "\n%-${width}s  %-8s  %-5s  %s\n" NAME STATE PORT CAUSE
    for i in "${!names[@]}"; do
        printf "%-${width}s  %-8s  %-5s  %s\n" "${names[i]}" "${states[i]}" "${ports[i]:--}" "${causes[i]}" | sed 's/ *$//'
        case ${states[i]} in failed | refused | error | unhealthy) code=1 ;; esac
    done
    return "$code"
}

# --- Why a deployment failed ----------------------------------------------------------------------------------

cause() { # one line, from nuctl's output in file $2 and the log of function $1's container
    local text
    text=$(plain <"$2")
    case $text in
    *"could not select device driver"*) echo "Docker has no GPU for containers. Install the NVIDIA Container Toolkit." ;;
    *"port is already allocated"*) echo "The port in function.yaml is taken. Choose another, or remove what listens there." ;;
    *nuclio-local-storage-reader*"is not running"* | *"No such container: nuclio-local-storage-reader"*)
        echo "nuclio's store container is broken. Run: docker rm -f nuclio-local-storage-reader" ;;
    *"existing function is being provisioned"*) echo "An interrupted deployment left it half done. Run: ./deploy.sh delete $1" ;;
    *"Function wasn't ready in time"*) container_error "$1" "$text" ;;
    *) nuctl_error <<<"$text" ;;
    esac
}

nuctl_error() { # the innermost error of nuctl's report on stdin, else its last line
    local text error
    text=$(plain)
    error=$(sed -n 's/^Error - //p' <<<"$text" | tail -n 1)
    if [ -n "$error" ]; then echo "$error"; else last_line <<<"$text"; fi
}

container_error() { # $1 function, $2 nuctl's output: what Python said last, else how long nuclio waited
    local log error
    log=$(docker logs --tail 200 "nuclio-${NUCTL_NAMESPACE:-nuclio}-$1" 2>&1 | plain) || log=$2
    # Two workers write at once, so a line may begin with something else.
    error=$(grep -oE '[A-Za-z_][A-Za-z_0-9.]*(Error|Exception|Interrupt|Exit)(: .*)?$' <<<"$log" | tail -n 1) || true
    if [[ -z $error && $log = *"exited unexpectedly with: signal: killed"* ]]; then
        error="A worker was killed, most likely for want of memory. Give the container more, or deploy with fewer workers."
    fi
    echo "${error:-It was not ready in time; its log: docker logs nuclio-${NUCTL_NAMESPACE:-nuclio}-$1}"
}

# --- The other commands ---------------------------------------------------------------------------------------

list() {
    [ "${#words[@]}" -eq 0 ] || fail "list: ${#words[@]} arguments; expected none. Leave them out."
    run nuctl get functions --platform "$platform"
    if [ "$platform" = local ]; then
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
    local name=${words[0]} image="preannotate.${words[0]}:${words[1]}" show
    valid_name "$name" || fail "$name: no name of a function; expected lower-case letters, digits and hyphens. See ./deploy.sh list."
    names=() states=() ports=() causes=()
    make_work
    # The file of that version lies in its image. Without `build` in it, nuctl deploys the image as it is.
    show=(docker run --rm --network none --entrypoint cat)
    if [ "$platform" = local ]; then show+=(--pull never "$image"); else show+=("${registry%/}/$image"); fi
    show+=(/opt/nuclio/function.yaml)
    if [ "$dry_run" = yes ]; then
        printf '%s | %s > %q\n' "$(quoted "${show[@]}")" "$(quoted sed "$WITHOUT_BUILD")" "$work/function.yaml"
    elif "${show[@]}" >"$work/image.yaml" 2>"$work/$name.log"; then
        sed "$WITHOUT_BUILD" "$work/image.yaml" >"$work/function.yaml"
    else
        fail "$image: cannot be read ($(first_line <"$work/$name.log")); expected an image built earlier. See ./deploy.sh list."
    fi
    nuctl_deploy "$name" --file "$work/function.yaml" --run-image "$image"
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
