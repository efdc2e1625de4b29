#!/usr/bin/env python3
"""Where the time of each piece of work goes: a flame graph for each, and a table of all.

    benchmarks/flamegraphs.py [--only a12,b] [--patients N] [--events N] [--runs N] [--data DIR] [--out DIR]

Runs Peristyle alone, over the populations of bench.py, under Linux's `perf`, and draws with inferno
(`cargo install inferno`). Leaves `ITEM.svg` for each item and `shares.md` in a folder. Standard library only."""

import argparse
import collections
import pathlib
import re
import shutil
import subprocess
import sys

from harness import ground, items, process
from harness.contenders import Place

DRAWN = ("a12", "b", "c", "d", "e-b", "f-b")
NEEDED = ("perf", "inferno-collapse-perf", "inferno-flamegraph")

# What a sample is counted for: of its frames, from the innermost out, the first that one of these matches.
PARTS = (
    ("new pages of memory, from the kernel", r"page_fault|clear_page|madvise|munmap|mmap|exit_mm"),
    ("reading files", r"vfs_read|ksys_read|pread|read_iter"),
    ("zstd, reading", r"ZSTD_decompress|ZSTD_decode|HUF_(de|read)|FSE_decode|ZSTD_buildSeq"),
    ("codes: to keys, and which are wanted", r"parquet_(codes|hybrid|deciding)|source::codes|::entries|predicate::"),
    ("patients' ids, and their order", r"patient_ids"),
    ("other columns of wanted rows", r"parquet::(arrow::(array|record|arrow)_reader|column::reader)"),
    ("policy, types, which rows pass", r"peristyle_policy|peristyle_opt_out::(policy|conform|decode::guard)"),
    ("views of raw tables, inline tables", r"datafusion_physical_plan::(?!sorts)|datafusion_functions|physical_expr"),
    ("sorting", r"physical_plan::sorts|row_order|arrow_row"),
    ("merging tables, cutting blocks", r"peristyle_execution::(blocks|block_exec)"),
    ("evaluation", r"peristyle_execution::"),
    ("writing the answer", r"peristyle_outputs|arrow_writer|column::writer|ZSTD_compress|arrow_ipc::writer"),
    ("scan: all else", r"peristyle_opt_out::(?!arrays|bits)"),
    ("all else", r""),
)
KNOWN = tuple((name, re.compile(pattern)) for name, pattern in PARTS)

# What calls what on the way to a task says nothing.
MACHINERY = re.compile(
    r"^(std|core|alloc|tokio|futures\w*|pin_project\w*|__rust|_start|start_thread|clone3|__libc_start|main$|\[)"
    r"|call_once|catch_unwind|do_call|FnOnce|backtrace|Future for|poll_fn|::poll(_next)?$|spawn"
)

# What of a program has neither a name nor a caller is assembly, and of that it has zstd's only.
NAMELESS = re.compile(r"^([^;]*);\[[^;\]]+\]$")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ground.add_arguments(parser)
    parser.add_argument("--only", type=ground.keys, default=list(DRAWN), help="items, such as a12,b")
    parser.add_argument("--runs", type=int, default=3, help="how often each is run; samples are added up")
    parser.add_argument("--out", type=pathlib.Path, help="where graphs go; default: `flamegraphs`, by the populations")
    given = ground.parsed(parser, "flamegraphs")
    missing = [program for program in NEEDED if not shutil.which(program)]
    if missing:
        parser.error(f"there is no {', '.join(missing)}: perf is in linux-perf, the others in `cargo install inferno`")
    return given


def samples(command, scratch):
    """Nanoseconds by stack: the frames that say something, from the outermost in, joined by semicolons."""
    recorded = scratch / "perf.data"
    process.run(
        ["perf", "record", "-q", "-F", "1999", "-e", "cpu-clock", "--call-graph", "dwarf,12288", "-o", recorded, "--"]
        + list(command)
    )
    script = subprocess.Popen(
        ["perf", "script", "--no-inline", "-i", recorded], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    folded = subprocess.run(
        ["inferno-collapse-perf", "--quiet"], stdin=script.stdout, stdout=subprocess.PIPE, check=True
    ).stdout.decode(errors="replace")
    if script.wait() != 0:
        sys.exit("perf script failed")
    recorded.unlink()
    counted = collections.Counter()
    for line in folded.splitlines():
        stack, _, number = line.rpartition(" ")
        counted[";".join(tidy(stack))] += int(number)
    return counted


def without_generics(name):
    """`a::b<c<d>>::e` as `a::b::e`; `<a as b>::c` as `a::c`."""
    name = re.sub(r"::h[0-9a-f]{16}$", "", name.removesuffix("_[k]"))
    name = re.sub(r"^<(.*) as .*>::", r"\1::", name.replace("->", "→"))
    name = re.sub(r"^<([^<>]*)>::", r"\1::", name)
    while (shorter := re.sub(r"(::)?<[^<>]*>", "", name)) != name:
        name = shorter
    return name.replace("::{{closure}}", "").replace("→", "->")


def tidy(stack):
    """The frames that say something."""
    stack = NAMELESS.sub(r"\1;ZSTD_decompress (assembly)", stack)
    # The first is the thread's name.
    frames = [without_generics(frame) for frame in stack.split(";")[1:]]
    kept = []
    for frame in frames:
        if not MACHINERY.search(frame) and (not kept or kept[-1] != frame):
            kept.append(frame)
    return kept or ["runtime"]


def part_of(stack):
    """What a tidied stack is counted for."""
    for frame in reversed(stack.split(";")):
        for name, pattern in KNOWN[:-1]:
            if pattern.search(frame):
                return name
    return KNOWN[-1][0]


def draw(counted, title, path):
    folded = "".join(f"{stack} {number}\n" for stack, number in sorted(counted.items()))
    command = ["inferno-flamegraph", "--title", title, "--minwidth", "0.4", "-c", "rust", "--hash", "--countname", "ns"]
    drawn = subprocess.run(command, input=folded.encode(), stdout=subprocess.PIPE, check=True)
    path.write_bytes(drawn.stdout)


def shares(found):
    """A table in Markdown: parts down, items across; shares of processor time."""
    share = lambda parts, name: 100 * parts[name] / sum(parts.values())
    names = [name for name, _ in PARTS if any(share(parts, name) >= 0.5 for parts in found.values())]
    lines = ["| |" + "".join(f" `{key}` |" for key in found), "|---" * (len(found) + 1) + "|"]
    for name in names:
        cells = [share(parts, name) for parts in found.values()]
        lines.append(f"| {name} |" + "".join(f" {cell:.0f}% |" if cell >= 0.5 else " – |" for cell in cells))
    return "\n".join(lines) + "\n"


def main():
    given = arguments()
    chosen = items.chosen(given.only)
    made = ground.prepare(given, chosen)
    given.out.mkdir(parents=True, exist_ok=True)
    place = Place(given.binary, None, None, {}, made.answers, given.threads)
    found = {}
    for item in chosen:
        # Of two tables under a policy, the raw ones.
        ours = made.contenders(item, place)
        command = (ours[-1] if item.who == "guarded" else ours[0]).command
        try:
            process.run(command)
            counted = sum((samples(command, made.answers) for _ in range(given.runs)), collections.Counter())
        except process.Failed as error:
            sys.exit(f"{item.key}: {error}")
        draw(counted, f"{item.key}: {item.says}", given.out / f"{item.key}.svg")
        parts = found[item.key] = collections.Counter()
        for stack, number in counted.items():
            parts[part_of(stack)] += number
    (given.out / "shares.md").write_text(shares(found))
    print(shares(found), end="")
    print(f"\n{given.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
