"""The front door: arguments in, text and an exit code out.

In: argv. Out: text on stdout, one-sentence errors on stderr, the exit codes of errors.py.
May not live here: decisions; anything a test would need a terminal for. The only importer of typer.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from mailrules.errors import EXIT_BUG, MailrulesError, TemporaryError
from mailrules.redact import guard_outputs


def main() -> NoReturn:
    """Run the command line and leave with its exit code; no traceback reaches a user."""
    try:
        gc.disable()  # why: nothing that is imported is garbage; looking through it again and again takes a tenth of a poll
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is None:  # cron's `>&-`: there is nobody to tell, and the work is done all the same
                setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - it stays open to the end
        if sys.stdin is None:  # `<&-`: nothing stands there to be read
            sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - it stays open to the end
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        guard_outputs()
        heed_signals()
        from mailrules.cli.polling import plain, poll_once

        asked = plain(sys.argv[1:])
        if asked is not None:  # why: cron's call every few minutes; what reads command lines takes longer than the poll
            sys.exit(poll_once(asked))
        from mailrules.cli.commands import app

        gc.enable()
        app(prog_name="mailrules")
    except MailrulesError as error:
        tell(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            os.dup2(
                os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
            )  # what is left of the output would fail again
            full = f"there is no room to write: {error.strerror}"
            tell(TemporaryError(full, help="make room on the disk that is written to, and run it again"))
            sys.exit(TemporaryError.exit_code)
        if os.environ.get("MAILRULES_DEBUG"):
            raise
        from mailrules.cli.output import safe

        sys.stderr.write(
            f"mailrules: this is a bug of ours: {type(error).__name__}: {safe(error)}\n"
            "  help: run it again with MAILRULES_DEBUG=1 and report what it prints\n"
        )
        sys.exit(EXIT_BUG)
    finally:
        gc.freeze()  # why: Python would look through everything once more before it ends
    sys.exit(0)


def heed_signals() -> None:
    """Let SIGTERM and SIGINT end the program, also where Python passes over what is raised (within a callback of its own)."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.unraisablehook = _once_more


def _once_more(passed_over: sys.UnraisableHookArgs) -> None:
    again = {KeyboardInterrupt: signal.SIGINT, SystemExit: signal.SIGTERM}.get(passed_over.exc_type)
    if again is None:
        sys.__unraisablehook__(passed_over)
        return
    import threading

    threading.Timer(0.01, os.kill, (os.getpid(), again)).start()


def tell(error: MailrulesError) -> None:
    """Print an error as a person reads it: the sentence, then what to do. What a server said may be hostile."""
    from mailrules.cli.output import safe

    text = f"mailrules: {error}\n" + (f"  help: {error.help}\n" if error.help else "")
    lines = ("\t".join(map(safe, line.split("\t"))) for line in text.split("\n"))
    sys.stderr.write("\n".join(lines))
