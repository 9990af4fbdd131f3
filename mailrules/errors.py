"""The exceptions that mailrules raises on purpose.

In: nothing. Out: one small tree; each error is one sentence for a person, with the exit code it leads to.
May not live here: problems of rule files and defects of mail, which are values and not exceptions.

    MailrulesError            exit code
      ConfigError             78   mailrules.toml, a secret reference, a rule set that does not check
      AuthError               77   a server or a secret store refused us
      TemporaryError          75   network, throttling, a busy store, a full disk: try again later
      UsageError               2   the command line asks for something that does not exist
      UnreadableError          3   a document cannot be read, and only a person can say what it is
      StoreError              70   the store is damaged or from a newer version
"""

EXIT_DONE = 0
EXIT_CHECK_FAILED = 1
EXIT_USAGE = 2
EXIT_NEEDS_PERSON = 3
EXIT_BUG = 70
EXIT_TEMPORARY = 75
EXIT_AUTH = 77
EXIT_CONFIG = 78

SEVERITY = (EXIT_BUG, EXIT_CONFIG, EXIT_AUTH, EXIT_TEMPORARY, EXIT_NEEDS_PERSON, EXIT_DONE)
"""Worst first; a run over several accounts ends with the worst of their codes."""


class MailrulesError(Exception):
    """Base of every error raised on purpose; `str(error)` is the sentence, `help` is what to do about it."""

    exit_code = EXIT_BUG

    def __init__(self, message: str, *, help: str = "") -> None:  # noqa: A002 - the word users see
        super().__init__(message)
        self.help = help


class ConfigError(MailrulesError):
    """The configuration or the rules are wrong; nothing was done."""

    exit_code = EXIT_CONFIG


class AuthError(MailrulesError):
    """A login was refused, or a secret could not be had."""

    exit_code = EXIT_AUTH


class TemporaryError(MailrulesError):
    """Something outside failed in a way that may pass; the next poll tries again."""

    exit_code = EXIT_TEMPORARY


class UsageError(MailrulesError):
    """The command names something that does not exist."""

    exit_code = EXIT_USAGE


class UnreadableError(MailrulesError):
    """A document that hangs, kills or starves whoever reads it."""

    exit_code = EXIT_NEEDS_PERSON


class StoreError(MailrulesError):
    """The store cannot be used as it is (damaged, or written by a newer mailrules)."""

    exit_code = EXIT_BUG


def worst(codes: list[int]) -> int:
    """Return the exit code that wins among `codes` (70 > 78 > 77 > 75 > 3 > 0)."""
    for code in SEVERITY:
        if code in codes:
            return code
    return EXIT_DONE
