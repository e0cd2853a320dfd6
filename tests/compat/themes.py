"""What the Python clients share: where the broker is, how long anything may take, and one line for each theme."""

import os
import sys
import time
import traceback

BOOTSTRAP = os.environ["WEIR_TEST_BOOTSTRAP"]
DEADLINE_S = 30
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
_RUN = f"{time.time_ns():x}"


def unique(name):
    """A name that no other run uses."""
    return f"{name}-{_RUN}"


def same(what, expected, found):
    assert expected == found, f"{what}: expected {expected!r}, found {found!r}"


def until(what, holds, step):
    """Steps until this holds."""
    end = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < end, f"{what} did not happen within {DEADLINE_S} s"
        step()


def raises(code, work):
    """The work must fail with this error, named by a word of its text."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 - each client has error types of its own
        assert code in repr(error), f"expected {code}, got {error!r}"
        return
    raise AssertionError(f"expected {code}, but it went well")


def run(client, *themes):
    """Runs each theme, whatever became of the one before, and ends the program."""
    failed = False
    for theme in themes:
        name = theme.__name__.replace("_", " ")
        started = time.monotonic()
        try:
            theme()
            print(f"ok: {client}: {name}: {theme.__doc__} ({time.monotonic() - started:.1f} s)", flush=True)
        except Exception:  # noqa: BLE001 - told, and the other themes go on
            failed = True
            print(f"FAILED: {client}: {name}", flush=True)
            traceback.print_exc(file=sys.stdout)
    # Not through the interpreter's end: a theme that failed may have left clients whose threads would keep the program.
    sys.stdout.flush()
    os._exit(1 if failed else 0)
