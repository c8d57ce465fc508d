# shellcheck shell=bash
# A fixed port of this machine for each function, so that CVAT calls the same container after a restart of Docker: the
# addresses of containers then change, and so do ports that Docker has chosen.
# Sourced by deploy.sh, which sets the variables that are only read here.
# shellcheck disable=SC2154

# Below the ports that Linux gives to outgoing connections (from 32768 on).
readonly DEFAULT_PORTS=31001-31999

choose_port() { # $1 function, $2 its function.yaml: --port, that of the file, the one it has, or the first free one
    local found=$new_port
    if [ -z "$found" ]; then found=$(port_in "$2"); fi
    if [ -z "$found" ] && [ "$dry_run" = no ]; then found=$(deployed_port "$1"); fi
    if [ -z "$found" ]; then found=$(free_port "$1"); fi
    echo "$found"
}

port_in() { # of function.yaml $1; empty if none
    sed -n 's/\r$//;s/^ *port: *\([0-9][0-9]*\) *$/\1/p' "$1" | head -n 1
}

deployed_port() { # the one that function $1 was given before; empty if Docker chose it, or there is none
    local found
    # Only what the container was asked to publish stays over a restart.
    found=$(docker inspect --type container --format '{{range index .HostConfig.PortBindings "8080/tcp"}}{{.HostPort}} {{end}}' \
        "$(container_of "$1")" 2>/dev/null) || found=""
    found=${found%% *}
    case $found in
    "" | 0) found=$(nuctl get functions "$1" --platform "$platform" --output yaml 2>/dev/null | plain | port_in /dev/stdin) || found="" ;;
    esac
    echo "$found"
}

free_port() { # for function $1
    local port taken="" ports=${FUNCTION_PORTS:-$DEFAULT_PORTS}
    [[ $ports =~ ^[1-9][0-9]{0,4}-[1-9][0-9]{0,4}$ ]] || ports=$DEFAULT_PORTS
    if [ "$dry_run" = no ]; then taken=$(ports_of_containers "$(container_of "$1")"); fi
    for ((port = ${ports%-*}; port <= ${ports#*-}; port++)); do
        if [[ " $taken ${given_ports[*]-} " != *" $port "* ]] && ! listens "$port"; then
            echo "$port"
            return
        fi
    done
}

ports_of_containers() { # all but $1, those that do not run among them
    local id ids=()
    while read -r id; do ids+=("$id"); done < <(docker ps --all --format '{{.Names}}' 2>/dev/null | grep -Fvx "$1")
    [ "${#ids[@]}" -eq 0 ] || docker inspect --type container \
        --format '{{range .HostConfig.PortBindings}}{{range .}}{{.HostPort}} {{end}}{{end}}' "${ids[@]}" 2>/dev/null | tr '\n' ' '
}

listens() { # whether somebody listens at port $1 of this machine, at any of its addresses
    local table at
    at=$(printf ':%04X ' "$1")
    for table in /proc/net/tcp /proc/net/tcp6; do
        if [ -r "$table" ] && grep -q "^ *[0-9]*: [0-9A-F]*${at}[0-9A-F]*:[0-9A-F]* 0A " "$table"; then return 0; fi
    done
    (exec 9<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

fix_port() { # $1 function, $2 its staged function.yaml: writes the port into it
    local port
    if [ "$platform" != local ] || grep -q 'disablePortPublishing: *true' "$2" 2>/dev/null; then return; fi
    port=$(choose_port "$1" "$2")
    [ -n "$port" ] || return 0 # Docker chooses one
    given_ports+=("$port")
    run sed -i.before -e '/^ *port: *[0-9][0-9]*[[:space:]]*$/d' -e "s/^\( *\)maxRequestBodySize: .*/&\\
\1port: $port/" "$2"
    run rm "$2.before"
}
