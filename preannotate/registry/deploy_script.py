"""deploy.sh for the models of a workspace: which of its arguments a publication may have, and one call of it."""

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import builder
from builder.variants import VARIANTS
from preannotate.core import child_process
from preannotate.core.text import without_escapes
from preannotate.registry.workspace import WorkspaceError

SCRIPT = Path(builder.__file__).parent / "deploy" / "deploy.sh"
# Options with a value, and those of them whose value is a path.
_WITH_VALUE = ("--wheels", "--ca-certificates", "--port", "--timeout", "--platform", "--registry")
_PATHS = ("--wheels", "--ca-certificates")
_SWITCHES = ("--no-pull", "--rebuild-base")
_LAST_LINES = 8
# A row of its table.
_ROW = re.compile(r"^\S+ +(?:failed|refused) +\S+ +(.+)$")


@dataclass(frozen=True)
class DeployArguments:
    """Arguments of deploy.sh.

    Attributes:
        variant: Key of `VARIANTS`.
        options: Of deploy.sh.
        nuctl: For `nuctl deploy`.
    """

    variant: str = "cpu"
    options: tuple[str, ...] = ()
    nuctl: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what a user typed: `gpu --wheels wheels --port 31005 -- --env A=1`; "" is the CPU variant.

        Raises:
            ValueError: With what was found and what was expected.
        """
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise ValueError(f"{text!r} ({error}); expected arguments of deploy.sh. Close the quotes.") from error
        nuctl: list[str] = []
        if "--" in words:
            at = words.index("--")
            words, nuctl = words[:at], words[at + 1 :]
        variant = words.pop(0) if words and words[0] in VARIANTS else cls.variant
        options: list[str] = []
        while words:
            word = words.pop(0)
            if word in _SWITCHES:
                options.append(word)
            elif word in _WITH_VALUE and words:
                value = words.pop(0)
                options += [word, str(Path(value).absolute()) if word in _PATHS else value]
            else:
                known = ", ".join((*VARIANTS, *_SWITCHES, *_WITH_VALUE))
                raise ValueError(f"{word!r}; expected some of: {known}. Put flags of nuctl after --.")
        return cls(variant, tuple(options), tuple(nuctl))

    def __str__(self) -> str:
        """What `parse` reads."""
        words = [*([] if self.variant == "cpu" else [self.variant]), *self.options]
        return shlex.join([*words, *(["--", *self.nuctl] if self.nuctl else [])])

    def deployed_name(self, name: str) -> str:
        """Return the name under which nuclio has the function of a model."""
        return name + VARIANTS[self.variant].suffix

    def deploy(self, function: Path) -> None:
        """Deploy a function directory; raises WorkspaceError with the cause."""
        run([self.variant, str(function), *self.options, *(["--", *self.nuctl] if self.nuctl else [])])

    def delete(self, name: str) -> None:
        """Remove a model's function from nuclio; raises WorkspaceError."""
        platform = [
            word
            for option, value in zip(self.options, self.options[1:], strict=False)
            if option in ("--platform", "--registry")
            for word in (option, value)
        ]
        run(["delete", self.deployed_name(name), *platform])


def run(arguments: list[str]) -> None:
    """Run deploy.sh, whose lines, and nuctl's, appear on standard error as they come; raises WorkspaceError."""
    # An unpacked wheel may have lost its mode. One stream, so that the lines stay in order.
    command = ["bash", "-c", 'exec bash "$@" >&2', "deploy.sh", str(SCRIPT), *arguments]
    result = child_process.run(command, on_stderr=_show)
    if result.code != 0:
        lines = without_escapes(result.stderr).strip().splitlines()
        causes = [found[1] for line in lines if (found := _ROW.match(line))]
        shown = causes[-1:] or ([result.error] if result.error else lines[-_LAST_LINES:])
        ending = f"bash: {result.not_run}" if result.code is None else child_process.exit_reason(result.code)
        raise WorkspaceError(
            f"deploy.sh {shlex.join(arguments)}: {ending} ({' | '.join(shown) or 'no output'}); expected exit code 0. "
            f"Fix that and run the same command again."
        )


def _show(line: str) -> None:
    print(without_escapes(line.rstrip("\n")), file=sys.stderr, flush=True)
