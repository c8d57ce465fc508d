# shellcheck shell=bash
# Why a deployment failed, in one line.
# Sourced by deploy.sh, which sets the variables that are only read here.
# shellcheck disable=SC2154

cause() { # one line, from nuctl's output in file $2 and the log of function $1's container
    local text
    text=$(plain <"$2")
    case $text in
    *"could not select device driver"*) echo "Docker has no GPU for containers. Install the NVIDIA Container Toolkit." ;;
    *"port is already allocated"*) echo "The port in function.yaml is taken. Choose another, or remove what listens there." ;;
    *nuclio-local-storage-reader*"is not running"* | *"No such container: nuclio-local-storage-reader"*)
        echo "nuclio's store container is broken. Run: docker rm -f nuclio-local-storage-reader" ;;
    *"Could not find the file /home/nuclio/bin/py"*)
        echo "This nuctl brings no packages for python:$PYTHON_VERSION. Install nuctl 1.13 to 1.16." ;;
    *"existing function is being provisioned"*) echo "An interrupted deployment left it half done. Run: ./deploy.sh delete $1" ;;
    *"Function wasn't ready in time"*) container_error "$1" "$text" ;;
    *) nuctl_error <<<"$text" ;;
    esac
}

nuctl_error() { # the innermost error of nuctl's report on stdin, else its last line
    local text error words=""
    text=$(plain)
    error=$(sed -n 's/^Error - //p' <<<"$text" | tail -n 1)
    case $error in
    "exit status "*) words=$(complaint <<<"$text") ;;
    "") words=$(last_line <<<"$text") ;;
    esac
    echo "${words:-$error}"
}

complaint() { # of a command that nuctl ran: pip's, Docker's, or the last on its standard error
    local text words
    text=$(cat)
    words=$(sed -n 's/^ERROR: //p' <<<"$text" | head -n 1)
    [ -n "$words" ] || words=$(sed -n 's/^.*\(Error response from daemon: .*\)$/\1/p' <<<"$text" | tail -n 1)
    [ -n "$words" ] || words=$(sed -n '/^stderr:/,/^    [.]/{/^stderr:/d;/^    [.]/d;p;}' <<<"$text" | last_line)
    echo "$words"
}

container_error() { # $1 function, $2 nuctl's output: what Python said last, else how long nuclio waited
    local log=$2 error container="nuclio-${NUCTL_NAMESPACE:-nuclio}-$1"
    if [ "$platform" = local ]; then log=$(docker logs --tail 200 "$container" 2>&1 | plain) || log=$2; fi
    # Two workers write at once, so a line may begin with something else.
    error=$(grep -oE '[A-Za-z_][A-Za-z_0-9.]*(Error|Exception|Interrupt|Exit)(: .*)?$' <<<"$log" | tail -n 1) || true
    if [[ -z $error && $log = *"exited unexpectedly with: signal: killed"* ]]; then
        error="A worker was killed, most likely for want of memory. Give the container more, or deploy with fewer workers."
    fi
    echo "${error:-It was not ready in time; its log: docker logs $container}"
}
