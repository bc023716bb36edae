"""The one family of errors: each says what is wrong and what to do next.

The sentences are Portuguese: they speak to whoever runs the dispatcher, and reach no mail.
"""

from __future__ import annotations


class AthomeError(Exception):
    """Something that a person can put right.

    ``problem`` says what is wrong and names the thing; ``way_out`` says what to do.
    ``exit_code`` is what the shell gets.
    """

    exit_code = 1

    def __init__(self, problem: str, way_out: str) -> None:
        super().__init__(f"{problem} {way_out}")
        self.problem = problem
        self.way_out = way_out


class SettingsError(AthomeError):
    """The settings file is missing, unreadable or wrong: correct the file and start again."""

    exit_code = 78  # EX_CONFIG of sysexits.h


class SecretError(SettingsError):
    """A password or key cannot be read: put it where the settings point to."""


class InventoryError(AthomeError):
    """Ansible cannot read the inventory, or it lacks a group: correct the inventory."""

    exit_code = 78


class StoreError(AthomeError):
    """The job store cannot be used: the sentence says whether to wait, to free space or to repair."""

    exit_code = 75  # EX_TEMPFAIL


class OutrunError(StoreError):
    """What a mail was judged by has changed before it was taken: it is judged again, and nothing is lost."""

    def __init__(self) -> None:
        super().__init__(
            "Outro processo mudou ao mesmo tempo o que decidia sobre este e-mail.",
            "Nada foi gravado; ele é examinado de novo em seguida.",
        )


class AlreadyServingError(AthomeError):
    """Another dispatcher holds this state folder: stop it first, or look at its log."""

    exit_code = 75


class ServiceDiedError(AthomeError):
    """A part of the service met a fault of ours: the log has it, and a new start goes on."""

    exit_code = 70  # EX_SOFTWARE


class RunLostError(AthomeError):
    """A run was ended as its worker slept, or not begun as an earlier one is still there: run it again."""

    exit_code = 75

    def __init__(self, ident: str) -> None:
        super().__init__(
            f"A execução {ident} foi interrompida: quem a conduzia parou, ou outra ainda ocupa o servidor.",
            "Repita o comando; nada ficou rodando aqui.",
        )


class NotFoundError(AthomeError):
    """There is no such thing as was asked for: the sentence says how to list what there is."""

    exit_code = 66  # EX_NOINPUT


class NotNowError(AthomeError):
    """What was asked for cannot be done with the thing as it stands: the sentence says with which it can."""

    exit_code = 65  # EX_DATAERR


class MailboxError(AthomeError):
    """The mail server refuses or does not answer: check host, password and certificate."""

    exit_code = 69  # EX_UNAVAILABLE


class DeliveryError(AthomeError):
    """The SMTP server did not take a reply. ``permanent`` tells whether trying again makes sense."""

    exit_code = 69

    def __init__(self, problem: str, way_out: str, *, permanent: bool) -> None:
        super().__init__(problem, way_out)
        self.permanent = permanent
