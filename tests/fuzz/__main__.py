"""The long run: ``python -m tests.fuzz --inputs 10000000 --jobs 2``.

Inputs are shared out over the targets. By default they are mutations of seeds and corpus, the same
for the same ``--seed``; ``--guided`` lets atheris look for new ways through the program
(``pip install atheris``; Linux), starting from the same. Exit code 1 if anything was found.
"""

import argparse
import base64
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.finds import Finds, Found, limited
from tests.fuzz.mutation import Mutator
from tests.fuzz.targets import BY_NAME, TARGETS, Target, corpus_of, write_corpus

_ROOT = Path(__file__).parents[2]
_PORTION = 20_000


def main() -> int:
    """Run it and say what came of it."""
    args = _arguments()
    targets = [BY_NAME[name] for name in args.target] if args.target else list(TARGETS)
    if args.show:
        return _show(targets[0], base64.b85decode(args.show))
    whole = sum(target.share for target in targets)
    finds = 0
    total = 0
    began = time.monotonic()
    for target in targets:
        inputs = max(1, args.inputs * target.share // whole)
        start = time.monotonic()
        run = _guided if args.guided else _mutated
        done, found = run(target, inputs, args)
        took = time.monotonic() - start
        total += done
        finds += len(found)
        _say(f"{target.name:10} {done:>10} inputs {done / took:>8.0f}/s  {len(found)} finds")
        for key in found:
            _say(f"    {key}")
    _say(f"{'all':10} {total:>10} inputs in {time.monotonic() - began:.0f} s, {finds} finds")
    return 1 if finds else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of all targets together")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", action="append", choices=sorted(BY_NAME), help="only this one")
    parser.add_argument("--guided", action="store_true", help="by coverage, with atheris")
    parser.add_argument("--keep", action="store_true", help="with --guided: write the corpus anew")
    parser.add_argument("--finds", type=Path, default=Path("fuzz-finds"), metavar="FOLDER")
    parser.add_argument(
        "--show", metavar="INPUT", help="run one input of --target, as a find has it"
    )
    return parser.parse_args()


def _show(target: Target, data: bytes) -> int:
    target.run(data)
    _say("nothing wrong with it")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _mutated(target: Target, inputs: int, args: argparse.Namespace) -> tuple[int, list[str]]:
    finds = Finds(target.name, args.finds)
    portions = [
        (target.name, args.seed, at, min(at + _PORTION, inputs))
        for at in range(0, inputs, _PORTION)
    ]
    with concurrent.futures.ProcessPoolExecutor(args.jobs) as pool:
        for found in pool.map(run_portion, portions):
            for key, (data, text) in found.items():
                finds.note(key, data, text)
    return inputs, list(finds.found)


def run_portion(portion: tuple[str, int, int, int]) -> Found:
    """Run the inputs of these numbers; the faults."""
    name, seed, begin, end = portion
    target = BY_NAME[name]
    mutator = Mutator(target, corpus_of(name), seed)
    finds = Finds(name)
    run = limited(target.run)
    for number in range(begin, end):
        data = mutator.make(number)
        try:
            run(data)
        except Exception as error:  # the find
            finds.add(error, data)
    return finds.found


def _guided(target: Target, inputs: int, args: argparse.Namespace) -> tuple[int, list[str]]:
    with tempfile.TemporaryDirectory() as name:
        corpus, kept = Path(name, "corpus"), Path(name, "kept")
        for folder in (corpus, kept):
            folder.mkdir()
        for number, data in enumerate([*target.seeds(), *corpus_of(target.name)]):
            (corpus / f"seed-{number}").write_bytes(data)
        words = Path(name, "words")
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
        dictionary = [f"-dict={words}"] if target.words else []
        each = max(1, inputs // args.jobs)
        commands = [
            _command(
                target, args.finds, f"-runs={each}", f"-seed={args.seed + job}",
                *dictionary, "-timeout=60", str(corpus),
            )
            for job in range(args.jobs)
        ]  # fmt: skip
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            outputs = list(pool.map(_run, commands))
        if args.keep:
            _run(_command(target, args.finds, "-set_cover_merge=1", str(kept), str(corpus)))
            write_corpus(target.name, _within_limit([p.read_bytes() for p in kept.iterdir()]))
    done = sum(int(n) for out in outputs for n in re.findall(r"Done (\d+) runs", out))
    found = [line for out in outputs for line in out.splitlines() if line.startswith("FIND")]
    bad = [out for out in outputs if "Done " not in out]
    found += [f"the fuzzer itself ended: {out[-2000:]}" for out in bad]
    return done, found


_MOST_KEPT = 24_000


def _within_limit(inputs: Sequence[bytes]) -> list[bytes]:
    """The short ones first, until there are enough octets."""
    kept, octets = [], 0
    for data in sorted(inputs, key=len):
        octets += len(data)
        if octets > _MOST_KEPT:
            break
        kept.append(data)
    return kept


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{octet:02x}" for octet in word)


def _command(target: Target, finds: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "tests.fuzz.guided", target.name, str(finds), *arguments]


def _run(command: list[str]) -> str:
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, check=False
    )
    return done.stdout.decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
