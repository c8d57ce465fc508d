# shellcheck shell=bash
# What the other parts of deploy.sh share: sentences for people, and commands that --dry-run only prints.
# Sourced by deploy.sh, which sets the variables that are only read here.
# shellcheck disable=SC2154

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

first_line() { plain | { grep '[^[:space:]]' || true; } | sed -n '1{s/^[[:space:]]*//;p;}'; }

last_line() { plain | { grep '[^[:space:]]' || true; } | tail -n 1 | sed 's/^[[:space:]]*//'; }
