"""The error tree. The class says who must act.

Bot4Error
├── CallerError          the person who typed the command or wrote the strategy
│   ├── ConfigError      a setting is wrong; names the setting and its nearest match
│   ├── DataError        a file or frame cannot be read; names file and line
│   ├── InstrumentError  a price, quantity or instrument breaks its rules
│   ├── StrategyError    a user's strategy raised, or returned nonsense
│   └── LookAheadError   something asked for data that was not yet known
├── OperatorError        whoever runs the machine
│   ├── StorageError     a disk is full, a folder is not writable
│   ├── JournalError     a journal is damaged; names the first bad block
│   └── MissingExtra     an optional dependency is not installed; names the extra
└── SafetyError          nobody: bot4 has already stopped; read the journal
    └── SealBroken       an order without proof of its checks
"""

from collections.abc import Mapping


class Bot4Error(Exception):
    """Base of all errors that bot4 raises on purpose.

    `exit_code` is the command's exit code; `document` what was found out before, for --json.
    """

    exit_code = 1
    document: Mapping[str, object] = {}


class CallerError(Bot4Error):
    """The caller can repair it: a wrong argument, file, or setting."""

    exit_code = 2


class ConfigError(CallerError):
    """A setting is unknown, of the wrong type or out of its bounds."""


class DataError(CallerError):
    """Input data cannot be read or breaks its format."""

    exit_code = 3


class InstrumentError(CallerError, ValueError):
    """A value is off the tick or lot grid, out of range, or of another instrument."""


class StrategyError(CallerError):
    """A user's strategy failed."""

    exit_code = 5


class LookAheadError(StrategyError):
    """A strategy, feature or label used what was not yet known."""


class OperatorError(Bot4Error):
    """The surroundings must be repaired: disk, permissions, installation."""

    exit_code = 4


class StorageError(OperatorError):
    """A file or folder cannot be written."""


class JournalError(OperatorError):
    """A journal does not verify."""

    exit_code = 6


class MissingExtra(OperatorError):
    """An optional dependency is missing."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(f"{module} is not installed; install it with: pip install 'bot4[{extra}]'")


class SafetyError(Bot4Error):
    """A safety rule was about to be broken; bot4 stopped instead."""

    exit_code = 7


class SealBroken(SafetyError):
    """An ApprovedOrder was made outside the gate."""
