# The commands that a contributor needs. `just` alone lists them.

target := env("CARGO_TARGET_DIR", "target")
peristyle := target / "release/peristyle"

_list:
    @just --list --unsorted

# Build everything, as CI does
build:
    cargo build --release --workspace

# All tests: the README's command
test *ARGS:
    cargo test --release --workspace {{ARGS}}

# The crates without DataFusion: seconds
test-light:
    cargo test -p peristyle-model -p peristyle-outputs -p peristyle-synth

# Format, lints, unused dependencies, spelling, licences: what CI refuses
lint:
    cargo fmt --all --check
    cargo clippy --release --workspace --all-targets -- -D warnings
    cargo machete
    typos
    cargo deny check bans licenses sources

# API documentation and the book
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps
    mdbook build docs

# The demo of the README
demo:
    cargo run --release -- demo

# The shared vectors and studies, where ../shared is there
conformance: build
    {{peristyle}} conformance ../shared/ehrql/vectors/*.jsonl.gz

# Property tests for longer than CI has time for
property cases="5000":
    PROPTEST_CASES={{cases}} cargo test --release -p peristyle-tests --test suite property

# Who is left out leaves no trace: more random definitions, tables and policies than CI has time for
non-interference cases="20000": build
    GUARD_CASES={{cases}} cargo test --release --workspace --test suite -- --nocapture guard::interference guard::whole

# The measured rows of issue 2: sharing of the scan, intervals, memory. 10 million events by default
measure patients="100000" events="100":
    benchmarks/measure.py {{peristyle}} {{patients}} {{events}}

# The same work by Peristyle, by DuckDB, DataFusion and Polars, and the bare decode: table, JSON and chart. Takes an hour and
# 15 GB; `just bench --only a12,b` takes five minutes
bench *ARGS: build
    benchmarks/bench.py --binary {{peristyle}} {{ARGS}}

# Where the time of each piece of the bench goes: a flame graph of each, and a table. Needs perf, and `cargo install inferno`
flamegraphs *ARGS: build
    benchmarks/flamegraphs.py --binary {{peristyle}} {{ARGS}}

# What the Guard costs on a full scan, side by side. 100 million events by default
guard-cost patients="1000000" events="100": build
    {{peristyle}} synth --patients {{patients}} --events-per-patient {{events}} --registers --out {{target}}/guard-cost
    cargo bench -p peristyle-tests --bench guard -- {{target}}/guard-cost

# What each operator costs, in events a second; `just operators pick` for some, `--save-baseline NAME` to compare later
[positional-arguments]
operators *ARGS:
    cargo bench -p peristyle-tests --bench operators -- "$@"

# Everything that CI runs
ci:
    .ci/run
