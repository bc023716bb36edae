"""What can go wrong in the lab, each with its way out."""


class LabError(Exception):
    """Base: a sentence for the person at the shell. The command line prints it and exits with `status`."""

    status = 1


class MachineError(LabError):
    """The machine lacks something that the lab needs."""


class ImageError(LabError):
    """An image could not be built; names the log."""


class StartError(LabError):
    """The lab did not come up; names the host and the log."""


class NotRunningError(LabError):
    """There is no lab of this name to work with."""
