# shellcheck shell=bash
# Function directories: finding them, checking them without Python, and staging what a variant needs.
# Sourced by deploy.sh, which sets the variables that are only read here.
# shellcheck disable=SC2154

yaml_file() { if [ "$command" = gpu ]; then echo function-gpu.yaml; else echo function.yaml; fi; }

absolute() { (unset CDPATH && cd -- "$1" && pwd); }

find_functions() { # fills `directories`
    local dir path any file
    file=$(yaml_file)
    directories=()
    for dir in "$@"; do
        [ -d "$dir" ] || fail "$dir: no such directory; expected function directories in it. Build one with \`preannotate build\`."
        any=no
        while IFS= read -r -d '' path; do
            add_directory "${path%/*}"
            any=yes
        done < <(yaml_files_in "$(absolute "$dir")" "$file")
        if [ "$any" = no ]; then nothing_in "$dir" "$file"; fi
        while IFS= read -r path; do say "$path: no GPU variant; left out."; done < <(without_gpu "$dir")
    done
}

without_gpu() { # $1 directory: the functions in it that have no GPU variant
    local path
    [ "$command" = gpu ] || return 0
    while IFS= read -r -d '' path; do
        if [ ! -e "${path%/*}/function-gpu.yaml" ]; then printf '%s\n' "${path%/*}"; fi
    done < <(yaml_files_in "$(absolute "$1")" function.yaml)
}

nothing_in() { # $1 directory, $2 file that no function in it has
    if [ -n "$(without_gpu "$1")" ]; then
        fail "$1: only functions without a GPU variant; expected nuclio/$2. Deploy them with: ./deploy.sh cpu."
    fi
    fail "$1: no nuclio/$2 in it; expected function directories. Build one with \`preannotate build\`."
}

yaml_files_in() { # $1 directory, $2 file: the one right there, or those in nuclio/ beneath, without hidden drafts
    if [ -f "$1/$2" ]; then
        printf '%s\0' "$1/$2"
    else
        find -L "$1" -mindepth 1 -name '.*' -prune -o -path "*/nuclio/$2" -type f -print0 | LC_ALL=C sort -z
    fi
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
    sed -n "/^$2: */{s///;s/[\"']//g;s/[[:space:]]*\$//;p;q;}" "$1"
}

check_function() { # prints what is wrong with directory $1, one sentence; nothing if it may be deployed
    local dir=$1 file name fingerprint
    file=$(yaml_file)
    check_files "$dir" || return 0
    name=$(yaml_value "$dir/$file" '  name')
    fingerprint=$(yaml_value "$dir/$file" '    preannotate.fingerprint')
    check_file "$dir" "$file" "$name" "$fingerprint" || return 0
    if ! grep -q '"verdict": "passed"' "$dir/parity.json"; then
        echo "parity.json: the verdict is not \"passed\"; expected a proven function. Build the function again."
        return 0
    fi
    check_proven "$dir" || return 0
}

check_proven() { # whether every file that would be deployed is, byte for byte, the one of the proof in parity.json
    local dir=$1 digest path proven digests=() paths=() i=0
    proven=$(sed -n '/^ *"digests": {/,/}/s/^ *"\([^"]*\)": "\([0-9a-f]\{64\}\)",\{0,1\}$/\2 \1/p' "$dir/parity.json")
    if [ -z "$proven" ]; then
        echo "parity.json: no digests; expected one for each file that was proven. Run: preannotate check $dir"
        return 1
    fi
    while read -r digest path; do
        if left_out "$path"; then continue; fi
        if [ ! -f "$dir/$path" ]; then
            echo "$path: no such file; expected the file that was proven. Build the function again."
            return 1
        fi
        digests+=("$digest") paths+=("./$path")
    done <<<"$proven"
    while [ "$i" -lt "${#paths[@]}" ]; do # none for a file that cannot be read
        if ! read -r digest _ || [ "$digest" != "${digests[i]}" ]; then
            echo "${paths[i]#./}: changed after the proof; expected the bytes that were proven. Build the function again."
            return 1
        fi
        i=$((i + 1))
    done < <(cd "$dir" && sha256 "${paths[@]}" 2>/dev/null)
    while IFS= read -r -d '' path; do
        path=${path#./}
        case $path in parity.json | function.yaml | function-gpu.yaml) continue ;; esac
        if ! left_out "$path" && ! [[ $proven$'\n' = *" $path"$'\n'* ]]; then
            echo "$path: was added after the proof; expected only files that were proven. Remove it."
            return 1
        fi
    done < <(cd "$dir" && find -L . -mindepth 1 \( -name '.*' -o -name __pycache__ \) -prune -o -type f -print0 | LC_ALL=C sort -z)
}

left_out() { # whether file $1 of a function directory is not deployed with the variant
    case $command:$1 in
    cpu:saved_model/* | cpu:function-gpu.yaml | gpu:model.xml | gpu:model.bin | *:auto_annotation.py) return 0 ;;
    *) return 1 ;;
    esac
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
    local image precision
    if ! valid_name "$3"; then
        echo "$2: metadata.name '$3'; expected at most 56 lower-case letters, digits and hyphens. Build the function again."
        return 1
    fi
    image=$(yaml_value "$1/$2" '    image')
    precision=$(yaml_value "$1/$2" '    preannotate.precision')
    if [[ ! $4 =~ ^[0-9a-f]{16}$ ]]; then
        echo "$2: preannotate.fingerprint '$4'; expected 16 hexadecimal digits. Build the function again."
        return 1
    fi
    same "$2: preannotate.fingerprint" "$4" \
        "$(sed -n 's/.*"model_fingerprint": *"\([^"]*\)".*/\1/p' "$1/model.json")" ", as in model.json" &&
        same "$2: spec.build.image" "$image" "preannotate.$3:$4${precision:+-$precision}" "" &&
        same "$2: spec.build.baseImage" "$(yaml_value "$1/$2" '    baseImage')" "$(base_image)" ", which this version makes" &&
        same "$2: spec.runtime" "$(yaml_value "$1/$2" '  runtime')" "python:$PYTHON_VERSION" ", the Python of the base image"
}

same() { # $1 where, $2 found, $3 expected, $4 why
    [ "$2" = "$3" ] && return
    echo "$1 '$2'; expected '$3'$4. Build the function again."
    return 1
}

model_files() { if [ "$command" = gpu ]; then echo saved_model/saved_model.pb; else echo model.xml model.bin; fi; }

sha256() { if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi; }

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
