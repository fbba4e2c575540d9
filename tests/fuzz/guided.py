"""One target under coverage guidance (atheris, libFuzzer): started by ``__main__``, not by hand.

    python -m tests.fuzz.guided TARGET FINDS_FOLDER [libFuzzer's arguments and its corpus folder]

A find is written down and the run goes on. Needs ``pip install atheris``.
"""

import shlex
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["core"]):
    from tests.fuzz.targets import BY_NAME

from tests.fuzz.finds import Finds, limited


def main() -> None:
    """Fuzz until libFuzzer has had enough."""
    name, folder, *arguments = sys.argv[1:]
    target = BY_NAME[name]
    finds = Finds(name, Path(folder))
    run = limited(target.run)

    def one_input(data: bytes) -> None:
        try:
            run(data)
        except Exception as error:  # the find: said, kept, and on with it
            if finds.add(error, data):
                sys.stderr.write(f"FIND {name}: {error!r}\n")

    with tempfile.TemporaryDirectory() as place:
        # libFuzzer starts itself anew to merge, by what it takes for its name.
        again = Path(place, "again")
        words = shlex.join([sys.executable, "-m", "tests.fuzz.guided", name, folder])
        again.write_text(f'#!/bin/sh\nexec {words} "$@"\n', "utf-8")
        again.chmod(0o700)
        atheris.Setup([str(again), f"-max_len={target.longest}", *arguments], one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
