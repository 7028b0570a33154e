"""The command line's manners: what a command returns or raises becomes an exit code, and never a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer
import typer.core

from jaxscale.errors import ConfigError, JaxscaleError, PlanError
from jaxscale.terminal.console import failure

DONE, NO, BAD_INPUT, BUG, STOPPED = 0, 1, 2, 3, 130
UsageError: Any = typer.BadParameter.__base__  # typer's own errors of usage; typer gives the class no public name


class Commands(typer.core.TyperGroup):
    """Runs a command and turns what it returns or raises into an exit code, with no traceback."""

    def main(self, args: Sequence[str] | None = None, **extra: Any) -> Any:
        """Run and exit: 0 done, 1 the answer is no, 2 bad input, 3 an error of ours, 130 stopped."""
        args = list(sys.argv[1:] if args is None else args)
        extra |= {"prog_name": "jaxscale", "standalone_mode": False}
        sys.exit(self._code(args, extra) or DONE)

    def _code(self, args: list[str], extra: dict[str, Any]) -> int | None:
        as_json = "--json" in args
        try:
            return super().main(args=args, **extra)
        except UsageError as error:
            if as_json:
                failure(ConfigError(error.format_message()), as_json)
            else:
                error.show()
            return BAD_INPUT
        except PlanError as error:
            failure(error, as_json)
            return NO
        except JaxscaleError as error:
            failure(error, as_json)
            return BAD_INPUT
        except OSError as error:
            failure(ConfigError(f"{error.filename or 'a file'}: {error.strerror or error}"), as_json)
            return BAD_INPUT
        except (typer.Abort, KeyboardInterrupt):
            print("jaxscale: stopped", file=sys.stderr)
            return STOPPED
        except Exception as error:
            if os.environ.get("JAXSCALE_TRACEBACK"):
                raise
            said = f"an error inside jaxscale, {type(error).__name__}: {error}"
            failure(
                RuntimeError(f"{said}. Please report it, with the traceback that JAXSCALE_TRACEBACK=1 shows."), as_json
            )
            return BUG
