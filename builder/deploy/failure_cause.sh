# shellcheck shell=bash
# Why a deployment failed, in one line, with what helps.
# Sourced by deploy.sh, which sets the variables that are only read here, and by preannotate/diagnostics/known_causes.py.
# shellcheck disable=SC2154

# Pairs: an extended regular expression of what nuctl, Docker or pip print, and the sentence. The first that is found
# counts, so the special ones come first. `%1` is what its first parenthesis found.
readonly REPORT_CAUSES=(
    '/var/snap/docker|/snap/docker/|/snap/bin/docker'
    "Docker was installed from snap, which does not see /tmp. Install Docker Engine from docs.docker.com in its place, or try: mkdir ~/tmp && TMPDIR=~/tmp ./deploy.sh ..."

    'toomanyrequests|429 Too Many Requests|pull rate limit'
    "The registry's pull limit is reached. Run docker login, or try again later."

    'self[- ]signed certificate|CERTIFICATE_VERIFY_FAILED|certificate verify failed'
    "A certificate of your network is not known inside the build. Add --ca-certificates FILE, your company's authority in PEM format."

    'x509: certificate'
    "Docker does not know the certificate of the registry or proxy. Add your company's authority to this machine's certificates, and restart Docker."

    'libnvidia-ml\.so|nvidia-container-cli: (initialization|driver) error|[Dd]river/library version mismatch|nvml error|[Uu]nsatisfied condition: cuda'
    "The NVIDIA driver is missing, too old, or changed since the last start. Install the driver, reboot, and look at nvidia-smi; or deploy the CPU variant: ./deploy.sh cpu."

    'could not select device driver|unknown or invalid runtime name: nvidia|unresolvable CDI devices|exec: "nvidia-container-(runtime|cli|toolkit)'
    "Docker has no GPU for containers. Install the NVIDIA Container Toolkit, and restart Docker."

    'no space left on device|[Dd]isk quota exceeded'
    "There is no room left where Docker keeps its images. Make room: docker system df shows what takes it, docker image prune and docker builder prune remove what is not used."

    'exec format error|no match(ing manifest)? for (platform |linux/)|does not match the (detected|specified) (host )?platform|cannot execute binary file'
    "An image is for another processor architecture than this machine's. Take nuctl and images for this one; nuclio's processor exists for amd64 and arm64, or use preannotate serve."

    'client version [0-9.]+ is too old'
    "Docker refuses nuclio's old client. Update CVAT's nuclio and nuctl to 1.15.9 or newer, which fit Docker 29."

    'client is newer than server|server API version is too old'
    "The docker command is newer than the engine. Update Docker Engine, or: export DOCKER_API_VERSION with the version named above."

    'BuildKit is enabled but the buildx component is missing|buildx.* is not a docker command|unknown flag: --network|DOCKER_BUILDKIT'
    "Docker's builder is not complete. Install the package docker-buildx (or docker-buildx-plugin), or set DOCKER_BUILDKIT=0."

    'address already in use|port is already allocated|[Pp]orts are not available|access a socket in a way forbidden'
    "The port of the function is taken. Choose another with --port, or remove what listens there."

    'nuclio-local-storage-reader[^.]* is not running|No such container: nuclio-local-storage-reader'
    "nuclio's store container is broken. Run: docker rm -f nuclio-local-storage-reader"

    'illegal base64 data|Row contains invalid base64'
    "A record in nuclio's store cannot be read. Run docker rm -f nuclio-local-storage-reader and try again; if it stays, preannotate doctor names the record. With podman in place of Docker: touch /etc/containers/nodocker"

    'Could not find the file /home/nuclio/bin/py'
    "This nuctl brings no packages for python:$PYTHON_VERSION. Install nuctl 1.13 to 1.16."

    'existing function is being provisioned'
    "An interrupted deployment left it half done. Run: ./deploy.sh delete NAME"

    'container name "/?([A-Za-z0-9_.-]+)" is already in use'
    "A container of that name is left over. Run: docker rm -f %1"

    'could not be found in this WSL|docker-desktop-bind-mounts|error mounting "/(run/desktop|mnt)/|invalid mount config[^.]*bind source path does not exist: /mnt/'
    "Docker Desktop does not see this folder of WSL. Turn on its WSL integration for this distribution, and keep the checkout in WSL's own file system (~), not under /mnt."

    'bash\\r|\\r.: No such file|/usr/bin/env: .*\\r|[$]..r.: command not found|invalid option.*\\r'
    "A script has Windows line ends. In the checkout: git config core.autocrlf input && git rm --cached -rq . && git reset --hard"

    'network ([A-Za-z0-9_.-]+) not found'
    "There is no Docker network %1. Start CVAT, or correct platform.attributes.network in function.yaml."

    'non-overlapping IPv4 address pool|all predefined address pools have been fully subnetted'
    "Docker has no addresses left for networks. Remove unused ones: docker network prune"

    'kubeconfig|[Kk]ube config|no configuration has been provided|kubernetes cluster unreachable|\[::1\]:8080: connect|127\.0\.0\.1:8080: connect'
    "nuctl looked for a Kubernetes cluster. For this machine's Docker leave out --platform kube, and unset NUCTL_PLATFORM."

    'unauthorized: |authentication required|no basic auth credentials|requested access to the resource is denied'
    "The registry wants a login, or has no such image. Run docker login REGISTRY, or load the image: docker load --input FILE"

    'THESE PACKAGES DO NOT MATCH THE HASHES|HASH(ES)? (ARE REQUIRED|MISMATCH)|hashes are required'
    "A package is not the file that was locked. Download the wheels again as docs/deploying.md says; a mirror must not change them."

    "Unable to find image '([^']+)' locally"
    "Image %1 is not here, and its registry does not give it. On a machine with internet docker pull and docker save it, here: docker load --input FILE"

    "failed to resolve source metadata for ([^ ]+): "
    "Image %1 is not here, and its registry does not give it. On a machine with internet docker pull and docker save it, here: docker load --input FILE"

    "pull access denied for ([^ ,]+)|manifest for ([^ ]+) not found|manifest unknown"
    "An image does not exist at its registry (any more). On a machine that has it docker save it, here docker load it; then deploy with --no-pull."

    'Get "?https://([^/" ]+)/v[12]/'
    "The registry %1 cannot be reached. Look at network and proxy; with the images loaded (docker load --input FILE), deploy with --no-pull."

    '(Temporary failure in name resolution|NewConnectionError|ProxyError|ReadTimeoutError|Network is unreachable)'
    "There is no internet inside the build. Give Docker its proxy in ~/.docker/config.json, or build with --wheels DIR, see docs/deploying.md."

    'permission denied while trying to connect|dial unix [^ ]*docker\.sock: connect: permission denied'
    "Your user may not use Docker. Run: sudo usermod -aG docker USER, and log in again."

    'Cannot connect to the Docker daemon|error during connect'
    "Docker does not answer any more. Start it, and deploy again."
)

# The same of what a container's log holds.
readonly LOG_CAUSES=(
    'exec format error'
    "nuclio's processor in the image is for another processor architecture than this machine's. Take nuctl and images for this one, or use preannotate serve."

    'signal: killed|[Cc]annot allocate memory|std::bad_alloc|MemoryError|out of memory|OutOfMemory'
    "A worker was killed, most likely for want of memory. Give the container more, or deploy with fewer workers."

    "No module named '(msgpack|nuclio_sdk|numpy|PIL|yaml|openvino|tensorflow)'"
    "Package %1 is missing in the image. Build the base image again: --rebuild-base."

    "Permission denied: '/opt/nuclio"
    "It may not read its own files. Deploy it with ./deploy.sh, which sets their rights."

    '[Ii]llegal instruction'
    "The processor lacks an instruction that the engine needs (AVX). In a virtual machine choose the CPU type host."
)

readonly OUT_OF_MEMORY="It was killed for want of memory. Give the container more (--resource-limit memory=4Gi after --), or deploy with fewer workers (numWorkers)."

cause() { # one line, from nuctl's output in file $2 and the log of function $1's container
    local text known
    text=$(plain <"$2")
    if [[ $text = *"Function wasn't ready in time"* || $text = *"Container wasn't healthy in time"* ]]; then
        known=$(container_cause "$1" "$text" no)
        if [ -z "$known" ] && was_killed "$(container_of "$1")"; then known=$OUT_OF_MEMORY; fi
        echo "${known:-It was not ready in time; its log: docker logs $(container_of "$1")}"
        return
    fi
    known=$(nuctl_error <<<"$text")
    echo "${known/ delete NAME/ delete $1}"
}

nuctl_error() { # the innermost error of nuctl's report on stdin, else its last line; what is known gets its remedy
    local text error words=""
    text=$(plain)
    words=$(known_cause "$text" "${REPORT_CAUSES[@]}")
    if [ -n "$words" ]; then
        echo "$words"
        return
    fi
    error=$(sed -n 's/^Error - //p' <<<"$text" | tail -n 1)
    case $error in
    "exit status "*) words=$(complaint <<<"$text") ;;
    "") words=$(last_line <<<"$text") ;;
    esac
    echo "${words:-$error}"
}

known_cause() { # $1 text, then pairs: the sentence of the first pattern that is in it
    local text=$1 found
    shift
    while [ $# -gt 0 ]; do
        if [[ $text =~ $1 ]]; then
            found=${BASH_REMATCH[1]-}
            printf '%s\n' "${2//%1/$found}"
            return
        fi
        shift 2
    done
}

complaint() { # of a command that nuctl ran: pip's, Docker's, or the last on its standard error
    local text words
    text=$(cat)
    words=$(sed -n 's/^ERROR: //p' <<<"$text" | head -n 1)
    [ -n "$words" ] || words=$(sed -n 's/^.*\(Error response from daemon: .*\)$/\1/p' <<<"$text" | tail -n 1)
    [ -n "$words" ] || words=$(sed -n '/^stderr:/,/^    [.]/{/^stderr:/d;/^    [.]/d;p;}' <<<"$text" | last_line)
    echo "$words"
}

container_cause() { # $1 function, $2 nuctl's output or nothing, $3 yes if it was out of memory; empty if nothing is known
    local log=$2 found
    if [ "$platform" = local ]; then
        found=$(docker logs --tail 400 "$(container_of "$1")" 2>&1 | plain) && log=$found
    fi
    log_cause "$3" <<<"$log"
}

log_cause() { # the same of the log on stdin; $1 as above
    local log error known
    log=$(cat)
    error=$(python_error <<<"$log")
    known=$(known_cause "${error:-$log}" "${LOG_CAUSES[@]}")
    if [ "$1" = yes ]; then error=$OUT_OF_MEMORY; elif [ -n "$known" ]; then error=$known; fi
    printf '%s\n' "$error"
}

python_error() { # from a log on stdin: what Python said last, in one line; empty if nothing
    local found
    # nuclio's Python wrapper writes {"level": "error", ..., "with": {"err": "...", "traceback": "..."}} until it is
    # connected, and tracebacks afterwards. Two workers write at once, so a line may begin with something else.
    found=$(grep -oE '"level": ?"error".*"err": ?"([^"\\]|\\.)*".*$|[A-Za-z_][A-Za-z_0-9.]*(Error|Exception|Interrupt|Exit)(: .*)?$' | tail -n 1) || true
    case $found in
    '"level"'*) found=$(sed -E 's/^.*"err": ?"(([^"\\]|\\.)*)".*$/\1/' <<<"$found" | json_text | essence) ;;
    esac
    # A sentence of the function's own says all.
    printf '%s\n' "${found#runtime.errors.*Error: }" | tr -d '\000-\010\013-\037\177' | cut -c 1-400
}

json_text() { # the text that a JSON string on stdin stands for, without control characters
    local text escaped=$'\\\\'
    text=$(cat)
    # In this order: a backslash that was escaped must not escape what follows it.
    text=${text//"$escaped"/$'\001'}
    text=${text//'\n'/$'\n'}
    text=${text//'\"'/\"}
    text=${text//'\/'//}
    text=${text//'\t'/ }
    text=${text//'\r'/}
    text=${text//$'\001'/$'\\'}
    printf '%s\n' "$text" | tr -d '\000-\010\013-\037\177'
}

essence() { # the line of an error of several lines that says most: OpenVINO's begin with where in its source they arose
    grep -vE "^[[:space:]]*$|^Exception from |^Check '.*' failed at |^[a-z_/]+\.[ch]pp:[0-9]+" | sed -n '1{s/^[[:space:]]*//;p;}'
}
