"""Every error a user can meet: one sentence saying what was wrong, where, and what to do."""


class GenNASError(Exception):
    """Base of all errors raised on purpose by this package; the message is one line.

    >>> str(GenNASError("a\\nb"))
    'a b'
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(" ".join(line.strip() for line in str(message).splitlines()))


class InputError(GenNASError):
    """Something the user gave is wrong; the command line turns it into exit code 2."""


class UnknownNameError(InputError, KeyError):
    """A name that no registry entry has; the message lists near matches."""

    def __str__(self) -> str:  # KeyError would show the repr
        return str(self.args[0])


class ArchitectureError(InputError, ValueError):
    """Text that is no architecture of the space, or an invalid cell."""


class ModelError(InputError, ValueError):
    """A module of the user's that cannot be scored: the message names the part that is in the way."""


class UnscorableError(GenNASError):
    """An architecture whose measure is not a finite number."""


class SpecError(InputError, ValueError):
    """A proxy task, fidelity or preset with an unknown key, a wrong type or an impossible value."""


class TableError(InputError, ValueError):
    """A ground-truth table that cannot be read, or lacks what was asked of it."""


class ImageError(InputError, ValueError):
    """Images of the wrong shape, type or number."""


class DeviceError(InputError, ValueError):
    """A device that does not exist on this machine, or does not answer any more."""


class RunError(InputError):
    """A run directory that cannot be written, belongs to something else, or to another configuration."""


class MissingPackageError(InputError, ImportError):
    """An optional package is not installed; the message holds the install line."""


class BrokenPackageError(InputError, ImportError):
    """Something of another package, asked for by its name, that cannot be imported; the message says why."""
