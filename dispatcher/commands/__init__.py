"""The one table of commands. A new command is one module here and one row."""

from dispatcher.commands.base import Command, InvalidCommand, Problem
from dispatcher.commands.checkip import CheckIp
from dispatcher.commands.macchange import MacChange
from dispatcher.commands.ramais import Ramais

COMMANDS: dict[str, type[Command]] = {
    "CHECKIP": CheckIp,
    "MACCHANGE": MacChange,
    "RAMAIS": Ramais,
}

__all__ = ["COMMANDS", "Command", "InvalidCommand", "Problem"]
