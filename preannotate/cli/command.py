"""What a command is: every `cli.py` has a table of them."""

import argparse
from collections.abc import Callable, Mapping

AddArguments = Callable[[argparse.ArgumentParser], None]
# Returns the exit code.
Run = Callable[[argparse.Namespace], int]
# Name to (help, add_arguments, run).
Commands = Mapping[str, tuple[str, AddArguments, Run]]
