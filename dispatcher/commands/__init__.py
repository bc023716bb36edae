"""The one table of commands. A new command is one module here and one row."""

from dispatcher.commands.base import Command, InvalidCommand, NotPermitted, Problem
from dispatcher.commands.cancel import Cancel
from dispatcher.commands.checkip import CheckIp
from dispatcher.commands.help import Help
from dispatcher.commands.macchange import MacChange
from dispatcher.commands.ramais import Ramais
from dispatcher.commands.status import Status
from dispatcher.commands.undo import Undo
from dispatcher.commands.whitelist import Whitelist

COMMANDS: dict[str, type[Command]] = {
    "CHECKIP": CheckIp,
    "MACCHANGE": MacChange,
    "RAMAIS": Ramais,
    "WHITELIST": Whitelist,
    "STATUS": Status,
    "CANCELAR": Cancel,
    "DESFAZER": Undo,
    "AJUDA": Help,
}
ALIASES = {"HELP": "AJUDA", "CANCEL": "CANCELAR", "UNDO": "DESFAZER"}

__all__ = ["ALIASES", "COMMANDS", "Command", "InvalidCommand", "NotPermitted", "Problem"]
