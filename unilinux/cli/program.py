# SPDX-License-Identifier: GPL-2.0-only
"""The program behind ``./x``: invoke's, with our own words for what can't be understood.

``invoke build --app nginx`` works with ``tasks.py`` alone, too; what is wrong with a command line is then told in
invoke's words.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from invoke.collection import Collection
from invoke.exceptions import Exit, ParseError
from invoke.parser.argument import Argument
from invoke.parser.context import ParserContext
from invoke.parser.parser import Parser
from invoke.program import Program

from unilinux.cli.session import end_with
from unilinux.core.errors import UsageError
from unilinux.core.suggest import suggestion

_NUMBERS: Mapping[object, str] = {int: "a whole number", float: "a number"}
# What invoke itself takes behind a command, as far as it is of use here.
_HELP = ("--help", "-h")


class Commands(Program):
    """Parses a command line and runs its commands."""

    def __init__(self, namespace: Collection, project: Path) -> None:
        super().__init__(namespace=namespace, name="UniLinux", binary="./x", version="0.1")
        self._project = project
        self._words: list[str] = []

    def _make_parser(self) -> Parser:
        """Look at the words with the contexts that they will be parsed with."""
        parser = super()._make_parser()
        check_words(self._words, parser.contexts, self._project)
        return parser

    def print_help(self) -> None:
        """What there is to do."""
        sys.stdout.write("Usage: ./x COMMAND [OPTIONS]\n\n./x COMMAND --help lists the options of one.\n\n")
        self.list_tasks()

    def print_task_help(self, name: str) -> None:
        """What a command does, and its options."""
        sys.stdout.write(f"Usage: ./x {name} [OPTIONS]\n\n{self.collection[name].__doc__}\n\nOptions:\n")
        self.print_columns(self.parser.contexts[name].help_tuples())

    def run(self, argv: list[str] | None = None, exit: bool = True) -> None:  # noqa: ARG002 # invoke's own signature
        """Run what ``argv`` says.

        :raise SystemExit: with the status of what was run.
        """
        name, *words = _with_arguments(sys.argv if argv is None else argv)
        if words and not words[0].startswith("-") and any(word in _HELP for word in words):
            words = ["--help", words[0]]  # behind an option that wants a value, invoke takes --help for that
        self._words = words
        try:
            self.create_config()
            self.parse_core([name, *words])
            sys.dont_write_bytecode = False  # compiled once, not at each call
            self.parse_collection()
            self.parse_tasks()
            self.parse_cleanup()
            self.update_config()
            self.execute()
        except Exit as ended:
            if ended.message:
                sys.stderr.write(f"{ended.message}\n")
            raise SystemExit(ended.code) from None
        except ParseError as error:
            raise SystemExit(_told(UsageError(str(error), hint="./x --help"), words)) from None
        except (UsageError, BrokenPipeError, KeyboardInterrupt) as error:
            raise SystemExit(_told(error, words)) from None


def _with_arguments(argv: Sequence[str]) -> list[str]:
    """What stands behind ``--`` is for the application. Invoke would join it, or take words of it for its own.

    Within quotes no word is one of invoke's.
    """
    if "--" not in argv:
        return list(argv)
    end = list(argv).index("--")
    quoted = ("'" + word.replace("'", "'\"'\"'") + "'" for word in argv[end + 1 :])
    return [*argv[:end], "--arguments", " ".join(quoted)]


def _told(error: BaseException, words: Sequence[str]) -> int:
    return end_with(error, as_json="--json" in words, verbose="--verbose" in words)


def check_words(words: Sequence[str], contexts: Mapping[str, ParserContext], project: Path) -> None:
    """See that commands, options and values are such as there are.

    :raise UsageError: the first that isn't, with the nearest that is.
    """
    left = list(words)
    if len(left) == 2 and left[0] in _HELP:
        left, name = [], left[1]
        if name not in contexts:
            raise UsageError(f"there is no command {name!r}{suggestion(name, contexts)}", hint="./x --list lists them")
    if left and left[0].startswith("-"):  # invoke's own: --list, --help COMMAND
        return
    while left:
        name = left.pop(0)
        if name not in contexts:
            raise UsageError(f"there is no command {name!r}{suggestion(name, contexts)}", hint="./x --list lists them")
        left = _Command(name, contexts[name], project).take(left, contexts)


class _Command:
    """One command of a line, and what it was given."""

    def __init__(self, name: str, context: ParserContext, project: Path) -> None:
        self._name = name
        self._context = context
        self._project = project
        self._given: set[str] = set()

    def take(self, words: list[str], contexts: Mapping[str, ParserContext]) -> list[str]:
        """Take this command's words; the rest begins with the name of another."""
        left = list(words)
        while left:
            word = left[0]
            if word.startswith("-") and word != "-":
                self._option(left)
            elif missing := self._missing():
                self._given.add(str(missing[0].name))
                left.pop(0)
            elif word in contexts:
                break
            else:
                raise UsageError(
                    f"{self._name} can do nothing with {word!r}", hint=f"./x {self._name} --help lists its options"
                )
        missing = self._missing()
        if missing:
            raise self._lacks(missing[0])
        return left

    def _option(self, left: list[str]) -> None:
        word, equals, value = left.pop(0).partition("=")
        argument = self._context.flags.get(word)
        if argument is None:
            if word in self._context.inverse_flags:
                return
            names = [name for name in (*self._context.flags, *self._context.inverse_flags) if name.startswith("--")]
            raise UsageError(
                f"{self._name} has no option {word}{suggestion(word, names)}",
                hint=f"./x {self._name} --help lists its options",
            )
        self._given.add(str(argument.name))
        if not argument.takes_value:
            if equals:
                raise UsageError(f"{word} takes no value", hint=f"./x {self._name} {word}")
            return
        if not equals:
            if not left:
                raise UsageError(f"{word} needs a value", hint=f"./x {self._name} --help says which")
            value = left.pop(0)
        number = _NUMBERS.get(argument.kind)
        if number is not None:
            try:
                argument.kind(value)
            except ValueError:
                raise UsageError(f"{word} takes {number}, not {value!r}") from None

    def _missing(self) -> list[Argument]:
        return [one for one in self._context.positional_args if one.name not in self._given]

    def _lacks(self, argument: Argument) -> UsageError:
        if argument.name != "app":
            return UsageError(f"{self._name} needs --{argument.name}: {argument.help}", hint=f"./x {self._name} --help")
        apps = sorted(path.parent.name for path in self._project.glob("apps/*/app.toml"))
        return UsageError(
            f"{self._name} needs an application: --app NAME",
            details=[f"there are {', '.join(apps)}"] if apps else (),
            hint=f"./x {self._name} --app {'hello' if 'hello' in apps else next(iter(apps), 'NAME')}"
            f"\n./x apps says what they are, ./x {self._name} --help lists the other options",
        )
