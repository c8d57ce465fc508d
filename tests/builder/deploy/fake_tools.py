"""What the tests put on PATH as `nuctl` and `docker`: records every call and answers as the real ones do.

Called as `fake_tools.py FOLDER TOOL ARGUMENTS…`. In FOLDER: `calls` (one JSON list a line), `state.json` (images,
project, functions), `staged/` (what `nuctl deploy --path` and `docker build` were given), and `answers.json`, written
by a test: {"nuctl deploy cats": {"code": 1, "out": "…"}} answers calls that begin with these words; a list of answers
is given one by one, the last of them for ever. The texts are nuctl 1.14.1's and Docker's, colours and all.

It is started some 3000 times in all tests, so it imports little, and that where it needs it.
"""
# ruff: noqa: PTH112, PTH123

import json
import sys

VERSION = 'Client version:\n"Label: 1.13.0, Git commit: 0, OS: linux, Arch: amd64, Go version: go1.21"\n'


# nuctl's own spelling of a function, in parts.
RECORD = """\
metadata:
  name: {name}
spec:
  build:
    image: preannotate.{name}:0123456789abcdef
  env:
  - name: NOTE
    value: before
  image: preannotate.{name}:0123456789abcdef
  triggers:
    myHttpTrigger:
      attributes:
        maxRequestBodySize: 268435456
        port: {port}
      kind: http
status:
  httpPort: {port}
  state: ready
"""


def value_of(words: list[str], flag: str) -> str | None:
    return words[words.index(flag) + 1] if flag in words else None


def table(functions: dict[str, list[str]]) -> str:
    rows = [" NAMESPACE | NAME | PROJECT | STATE | REPLICAS | NODE PORT "]
    rows += [
        f" nuclio    | {name} | cvat    | {state} | 1/1      | {port} " for name, (state, port) in functions.items()
    ]
    return "\n".join(rows) + "\n"


def in_function_yaml(words: list[str], pattern: str) -> str | None:
    import re

    found = re.search(pattern, read(value_of(words, "--file")), re.M)
    return found and found[1]


def name_of(words: list[str]) -> str:
    return in_function_yaml(words, r"^  name: [\"']?(.*?)[\"']?$")


def read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path: str, content: object) -> None:
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file)


def copy(source: str, target: str) -> None:
    import os
    import shutil

    (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, target)


def nuctl(words: list[str], state: dict, staged: str) -> tuple[int, str]:
    command = " ".join(words[:2])
    if words[0] == "version":
        return 0, VERSION
    if command == "get projects":
        return (0, " NAMESPACE | NAME \n nuclio    | cvat \n") if state["project"] else (1, "No projects found")
    if command == "create project":
        state["project"] = True
        return 0, "\x1b[34m(I)\x1b[0m Project created\n"
    if words[0] == "deploy":
        name = name_of(words)
        copy(value_of(words, "--path") or value_of(words, "--file"), f"{staged}/{name}")
        port = in_function_yaml(words, r"^ +port: ([0-9]+)$") or str(32768 + len(state["functions"]))
        state["functions"][name] = ["ready", port]
        return 0, "\x1b[34m(I)\x1b[0m Function deploy complete\n"
    if command == "get functions":
        wanted = [words[2]] if len(words) > 2 and not words[2].startswith("-") else list(state["functions"])
        found = {name: state["functions"][name] for name in wanted if name in state["functions"]}
        if value_of(words, "--output") == "yaml":
            return 0, "".join(RECORD.format(name=name, port=port) for name, (_, port) in found.items())
        return (0, table(found)) if found else (1, "No functions found")
    if command == "delete functions":
        del state["functions"][words[2]]
        return 0, "\x1b[34m(I)\x1b[0m Successfully deleted function\n"
    raise SystemExit(f"the fake nuctl does not know {words}")


def function_of(words: list[str], state: dict) -> str | None:
    """The function whose container the words name, if it runs."""
    names = [word.removeprefix("nuclio-nuclio-") for word in words if word.startswith("nuclio-nuclio-")]
    return next((name for name in names if name in state["functions"]), None)


def inspected(words: list[str], state: dict) -> tuple[int, str]:
    """What `docker inspect --format` prints of a function's container."""
    name, template = function_of(words, state), value_of(words, "--format")
    if name is None:
        return 1, ""
    if ".State" in template:
        return 0, "running false 0 0\n"
    if ".Config.Image" in template:
        return 0, f"sha256:{name} preannotate.{name}:0123456789abcdef\n"
    return 0, f"{state['functions'][name][1]} \n"


def docker(words: list[str], state: dict, staged: str) -> tuple[int, str]:
    command = " ".join(words[:2])
    if command == "image inspect":
        return (0, "[]\n") if words[2] in state["images"] else (1, "Error: No such image\n")
    if words[0] == "build":
        state["images"].append(value_of(words, "--tag"))
        copy(words[-1], f"{staged}/base")
        return 0, "Successfully built\n"
    if words[0] == "exec":
        return (0, "200\n") if function_of(words, state) else (1, "")
    if words[0] == "inspect":
        return inspected(words, state)
    if words[0] == "ps" and value_of(words, "--format") == "{{.Names}}":
        return 0, "".join(f"nuclio-nuclio-{name}\n" for name in state["functions"])
    if words[0] in ("version", "ps", "logs", "tag") or command == "image ls":
        return 0, ""
    raise SystemExit(f"the fake docker does not know {words}")


def main() -> int:
    folder, tool, words = sys.argv[1], sys.argv[2], sys.argv[3:]
    with open(f"{folder}/calls", "a", encoding="utf-8") as file:
        file.write(json.dumps([tool, *words]) + "\n")
    named = [name_of(words)] if words[0] == "deploy" else []
    line = " ".join([tool, *words[: len(named)], *named, *words[len(named) :]])
    answers = json.loads(read(f"{folder}/answers.json"))
    for beginning, answer in answers.items():
        if line.startswith(beginning):
            if isinstance(answer, list):
                given = answer[0]
                answers[beginning] = answer[1:] or answer
                write(f"{folder}/answers.json", answers)
            else:
                given = answer
            if given.get("as usual"):
                break
            print(given.get("out", ""), end="")
            return given.get("code", 0)
    state = json.loads(read(f"{folder}/state.json"))
    code, text = {"nuctl": nuctl, "docker": docker}[tool](words, state, f"{folder}/staged")
    write(f"{folder}/state.json", state)
    print(text, end="")
    return code


if __name__ == "__main__":
    sys.exit(main())
