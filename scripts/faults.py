#!/usr/bin/env python3
"""Breaks the program's commands on purpose, and checks what is left of their outputs.

  scripts/faults.py PROGRAM [--commands NAME ...] [--every N] [--kills N]

Three kinds of faults, for each command that writes:
  calls   the n-th write, sync, rename, open or memory mapping of a thread fails, for every n (or every N-th n): strace injects
          the error
  kills   the process is killed with SIGKILL at N random moments (default 100)
  disk    the outputs are on a file system of 8 MB, which is too small for them (needs root)

After each of them
  * the exit code is not that of a fault of the program, nor that of a panic or an abort. Memory that the system refuses may abort
    a process: Rust offers nothing else;
  * the output is what it was before, or complete: never half of it, never gone;
  * the same command, with --resume where a run was left, then gives the same bytes as an undisturbed one and leaves nothing else.
"""

import argparse
import collections
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

CALLS = {
    "write": ("write,pwrite64,writev", "ENOSPC"),
    "sync": ("fsync,fdatasync", "EIO"),
    "rename": ("rename,renameat,renameat2", "EIO"),
    "open": ("openat,mkdir,mkdirat", "EACCES"),
    "map": ("mmap", "ENOMEM"),
}
# Files with times and durations in them.
VOLATILE = {"run.json", "metrics.jsonl", "report.json", "index.html"}
# What a process may end with that gets no memory: an abort, or a fault in the dynamic loader and in the start of the allocator.
WITHOUT_MEMORY = {-6, -11, 127}
WORDS = "play some jazz music the weather in paris book a table for two rate this novel five good film new york".split()


def rows(count, seed):
    chosen = random.Random(seed)
    for at in range(count):
        words = " ".join(chosen.choice(WORDS) for _ in range(6))
        yield json.dumps({"text": words, "label": "ab"[at % 2]})


class Command:
    """A command line, what it writes, and whether an interrupted run of it can go on."""

    def __init__(self, name, line, out, resumable=False):
        self.name, self.line, self.out, self.resumable = name, line.split(), out, resumable


COMMANDS = [
    Command("init", "init --layers 1 --hidden 32 --heads 2 --ffn 32 --positions 32 --vocab-from base --out new", "new"),
    Command("fine-tune", "fine-tune --model base --train train.jsonl --dev dev.jsonl --epochs 2 --batch-size 8 --max-tokens 16 "
            "--checkpoint-steps 3 --out tuned", "tuned", True),
    Command("general", "distill --stage general --teacher base --student student --corpus text.txt --batch-size 8 "
            "--micro-batch 8 --max-tokens 16 --max-train-tokens 1500 --checkpoint-steps 3 --out taught", "taught", True),
    Command("distill", "distill --stage task --teacher teacher --student student --train train.jsonl --dev dev.jsonl "
            "--allow-weak-teacher --intermediate-epochs 1 --prediction-epochs 1 --batch-size 8 --max-tokens 16 "
            "--checkpoint-steps 3 --out distilled", "distilled", True),
    Command("tune", "fine-tune --tune 2 --model base --train train.jsonl --dev dev.jsonl --epochs 1 --batch-size 8 "
            "--max-tokens 16 --checkpoint-steps 2 --out best", "best", True),
    Command("prune", "prune --model teacher --heads 0.5 --train train.jsonl --dev dev.jsonl --max-tokens 16 --out pruned",
            "pruned"),
    Command("quantize", "quantize --model teacher --train train.jsonl --dev dev.jsonl --max-tokens 16 --out model.tbim",
            "model.tbim"),
    Command("augment", "augment --model masked --train train.jsonl --variants 2 --out variants.jsonl", "variants.jsonl", True),
    Command("baseline", "baseline --train train.jsonl --dev dev.jsonl --out baseline.json", "baseline.json"),
    Command("predictions", "eval --model teacher --dev dev.jsonl --predictions answers.jsonl", "answers.jsonl"),
]


class Place:
    """A folder with the inputs, in which commands run."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def run(self, line, before=(), **options):
        command = [*before, self.program, *line, "--threads", "1", "-q"]
        return subprocess.run(command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)

    def must(self, line):
        done = self.run(line)
        if done.returncode != 0:
            sys.exit(f"{' '.join(line)}: exit code {done.returncode}: {done.stderr.decode()}")

    def prepare(self, hidden):
        (self.folder / "train.jsonl").write_text("\n".join(rows(48, 1)) + "\n")
        (self.folder / "dev.jsonl").write_text("\n".join(rows(16, 2)) + "\n")
        text = "\n".join(json.loads(row)["text"] for row in rows(200, 3))
        (self.folder / "text.txt").write_text(text + "\n")
        (self.folder / "words.csv").write_text("text\n" + text + "\n")
        sizes = f"--heads 2 --ffn {hidden} --positions 32"
        self.must(f"init --train-vocab-from words.csv --vocab-size 300 --layers 2 --hidden {hidden} {sizes} --out base".split())
        self.must(f"init --vocab-from base --layers 1 --hidden {hidden} {sizes} --out student".split())
        tune = "fine-tune --model base --train train.jsonl --dev dev.jsonl --epochs 1 --max-tokens 16 --out teacher"
        self.must(tune.split())
        self.must("fine-tune --objective mlm --model base --corpus text.txt --max-train-tokens 500 --out masked".split())

    def listing(self):
        return {path.name for path in self.folder.iterdir()}


def contents(path):
    """The bytes of a file or of the files of a folder, as far as they do not tell times; None if there is nothing."""
    if path.suffix == ".json":
        return {key: value for key, value in json.loads(path.read_text()).items() if key not in ("microseconds", "seconds")} if path.is_file() else None
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file() and file.name not in VOLATILE)
        return {str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    return None


class Trial:
    """One command in its place: what it gives undisturbed, and what was found under faults."""

    def __init__(self, place, command):
        self.place, self.command, self.faults, self.resumed, self.wrong = place, command, 0, 0, []
        self.inputs = place.listing()
        place.must([*command.line, "--seed", "7"] if command.name != "predictions" else command.line)
        # The earlier output, and the record that some commands write beside it.
        self.before, self.record = self.place.folder / ".before", self.place.folder / ".before.run.json"
        self.out.rename(self.before)
        if self.record_of_out.exists():
            self.record_of_out.rename(self.record)
        begun = time.time()
        place.must(command.line)
        self.seconds = time.time() - begun
        self.expected = contents(self.out)
        self.clear()

    @property
    def out(self):
        return self.place.folder / self.command.out

    @property
    def record_of_out(self):
        return pathlib.Path(f"{self.out}.run.json")

    def clear(self):
        """Removes everything but the inputs and the earlier output."""
        for name in self.place.listing() - self.inputs - {self.before.name, self.record.name}:
            path = self.place.folder / name
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def begin(self, with_earlier):
        self.clear()
        if with_earlier:
            copy = shutil.copytree if self.before.is_dir() else shutil.copy2
            copy(self.before, self.out)
            if self.record.exists():
                shutil.copy2(self.record, self.record_of_out)

    def check(self, what, code, allowed, had_earlier):
        """Checks what a disturbed run has left, and that the next run makes up for it."""
        self.faults += 1
        fault = lambda why: self.wrong.append(f"{what}: {why}")
        if code in (1, 101) or code < 0 and code not in allowed:
            fault(f"exit code {code}")
        found = contents(self.out)
        if found not in (self.expected, contents(self.before) if had_earlier else None):
            fault("the output is neither what it was nor complete")
        run = pathlib.Path(f"{self.out}.run")
        resume = self.command.resumable and run.exists() and any(run.iterdir())
        line = [*self.command.line, *(["--resume"] if resume else [])]
        done = self.place.run(line)
        if done.returncode == 2 and b"nothing to resume" in done.stderr:
            done = self.place.run(self.command.line)
        self.resumed += resume
        if done.returncode != 0:
            fault(f"the next run ends with {done.returncode}: {done.stderr.decode().strip()}")
        elif contents(self.out) != self.expected:
            fault("the next run gives other bytes")
        beside = {self.command.out, self.record_of_out.name, "teacher-cache", self.before.name, self.record.name}
        if left := self.place.listing() - self.inputs - beside:
            fault(f"left behind: {', '.join(sorted(left))}")

    def calls(self, every):
        for kind, (names, error) in CALLS.items():
            log = self.place.folder / ".before.log"
            self.begin(True)
            self.place.run(self.command.line, ["strace", "-f", "-qq", "-e", f"trace={names}", "-o", str(log)])
            counts = collections.Counter(line.split()[0] for line in log.read_text().splitlines() if "resumed>" not in line)
            log.unlink()
            for number in range(1, max(counts.values(), default=0) + 1, every):
                self.begin(number % 2 == 0)
                inject = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={names}", "-e",
                          f"inject={names}:error={error}:when={number}"]
                done = self.place.run(self.command.line, inject)
                self.check(f"{kind} {number}", done.returncode, WITHOUT_MEMORY if kind == "map" else set(), number % 2 == 0)

    def kills(self, count):
        chosen = random.Random(5)
        for number in range(count):
            self.begin(number % 2 == 0)
            delay = chosen.uniform(0, 1.1 * self.seconds)
            try:
                code = self.place.run(self.command.line, timeout=delay).returncode
            except subprocess.TimeoutExpired:  # subprocess has sent SIGKILL
                code = 0
            self.check(f"kill after {delay:.3f} s", code, set(), number % 2 == 0)


def small_disk(program):
    """Every command on a file system of 8 MB, with models of 5 MB."""
    wrong, codes = [], {}
    with tempfile.TemporaryDirectory() as folder:
        source = Place(program, pathlib.Path(folder) / "inputs")
        source.folder.mkdir()
        source.prepare(384)
        disk = pathlib.Path(folder) / "disk"
        disk.mkdir()
        for command in COMMANDS:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], check=True)
            try:
                (disk / "filler").write_bytes(bytes(5 << 20))
                line = [str(disk / part) if part == command.out else part for part in command.line]
                code = source.run(line).returncode
                codes[command.name] = code
                left = {path.name for path in disk.iterdir()} - {"filler", "teacher-cache"}
                if code not in (0, 4):
                    wrong.append(f"{command.name}: exit code {code}")
                if code != 0 and left - {f"{command.out}.run"}:
                    wrong.append(f"{command.name}: left behind: {', '.join(sorted(left))}")
            finally:
                subprocess.run(["umount", disk], check=True)
    return codes, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--commands", nargs="+", default=[command.name for command in COMMANDS])
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--disk", action="store_true", help="only the small file system")
    options = parser.parse_args()
    program, wrong = str(options.program.resolve()), []
    if options.disk:
        codes, wrong = small_disk(program)
        print("exit codes on 8 MB:", ", ".join(f"{name} {code}" for name, code in codes.items()))
        print("\n".join(wrong), end="")
    else:
        with tempfile.TemporaryDirectory() as folder:
            place = Place(program, pathlib.Path(folder))
            place.prepare(24)
            for command in COMMANDS:
                if command.name not in options.commands:
                    continue
                trial = Trial(place, command)
                if options.every:
                    trial.calls(options.every)
                calls, resumed = trial.faults, trial.resumed
                trial.kills(options.kills)
                print(f"{command.name:12} {calls:5} failed calls ({resumed} resumed), {trial.faults - calls:4} kills "
                      f"({trial.resumed - resumed} resumed), {len(trial.wrong)} wrong", flush=True)
                for line in trial.wrong:
                    print(f"    {line}", flush=True)
                wrong += trial.wrong
                shutil.rmtree(trial.before) if trial.before.is_dir() else trial.before.unlink()
                trial.record.unlink(missing_ok=True)
                trial.clear()
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
