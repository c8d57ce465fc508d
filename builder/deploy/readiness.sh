# shellcheck shell=bash
# Whether a deployed function answers. nuctl's "ready" says only that its container was started: nuclio's health check
# asks the processor and ignores the status of the reply.
# Sourced by deploy.sh, which sets the variables that are only read here.
# shellcheck disable=SC2154

# A container that was started again so often does not get better by waiting.
readonly MOST_RESTARTS=3
readonly SECONDS_BETWEEN_LINES=15
# Asked inside the container, whose address only Linux hosts reach, with the Python that every function has. nuclio's
# processor answers 503 until each worker has loaded its model, and nobody answers before it listens.
readonly READY_PROBE='import http.client
connection = http.client.HTTPConnection("127.0.0.1", 8082, timeout=3)
connection.request("GET", "/ready")
print(connection.getresponse().status)'

container_of() { echo "nuclio-${NUCTL_NAMESPACE:-nuclio}-$1"; }

answers() { # whether all workers of container $1 are ready
    [ "$(docker exec "$1" python3 -c "$READY_PROBE" 2>/dev/null)" = 200 ]
}

container_state() { # of container $1: status, out of memory (true or false), exit code, how often it was started again
    docker inspect --type container --format '{{.State.Status}} {{.State.OOMKilled}} {{.State.ExitCode}} {{.RestartCount}}' \
        "$1" 2>/dev/null
}

was_killed() { # whether container $1, which ends again and again, is killed; Docker shows it until the next start
    local memory code i
    for i in 1 2 3 4 5 6 7 8 9 10; do
        read -r _ memory code _ < <(container_state "$1") || return 1
        if [ "$memory" = true ] || [ "$code" = 137 ]; then return 0; fi
        if ((i < 10)); then sleep 1; fi
    done
    return 1
}

wait_until_ready() { # $1 function: returns 1 and prints the cause, one line, if it is not ready in time
    local container state status memory code restarts why out_of_memory=no
    local begin=$SECONDS next=$((SECONDS + SECONDS_BETWEEN_LINES))
    container=$(container_of "$1")
    say "Waiting until $1 answers (up to $ready_seconds s) ..."
    while true; do
        if ! state=$(container_state "$container"); then
            echo "Its container $container is gone. Deploy it again."
            return 1
        fi
        read -r status memory code restarts <<<"$state"
        # Docker forgets it at the next start, and 137 is what SIGKILL leaves.
        if [ "$memory" = true ] || [ "$code" = 137 ]; then out_of_memory=yes; fi
        if [ "$status" = running ] && answers "$container"; then return; fi
        if [[ $status = exited || $status = dead ]] || ((restarts > 0)); then
            why=$(container_cause "$1" "" "$out_of_memory")
            if [[ $status = exited || $status = dead || -n $why ]] || ((restarts >= MOST_RESTARTS)); then
                echo "${why:-It ends soon after it is started (exit code $code). Look at its log: docker logs $container}"
                return 1
            fi
        fi
        if ((SECONDS - begin >= ready_seconds)); then
            why=$(container_cause "$1" "" "$out_of_memory")
            echo "${why:-It does not answer after $ready_seconds s. Wait longer with --timeout, or look at its log: docker logs $container}"
            return 1
        fi
        if ((SECONDS >= next)); then
            say "Still waiting for $1: the model is being loaded ($((SECONDS - begin)) s)."
            next=$((SECONDS + SECONDS_BETWEEN_LINES))
        fi
        sleep 1
    done
}
