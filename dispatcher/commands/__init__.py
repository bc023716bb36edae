"""The one table of commands. A new command is one module here and one row."""

from dispatcher.commands.base import Command, InvalidCommand, Problem
from dispatcher.commands.checkip import CheckIp

COMMANDS: dict[str, type[Command]] = {
    "CHECKIP": CheckIp,
}

__all__ = ["COMMANDS", "Command", "InvalidCommand", "Problem"]
