# What there is to do.
default:
    @just --list

# Everything that has to hold before a change goes in; the same that CI runs.
check:
    .ci/run

# Writes docs/api.md anew, from the comments of the proto files.
api-docs:
    UPDATE_API_DOCS=1 cargo test --locked --test api_docs

# The slow runs: 200 kills, and many more random histories.
long: kill
    TPLUS_TRACES=2000 PROPTEST_CASES=20000 cargo test --locked

# Kills a server `rounds` times while clients talk to it.
kill rounds="200":
    TPLUS_KILL_ROUNDS={{ rounds }} cargo test --locked --test restart -- --nocapture

# Storms: random histories on a disk that loses power, fails and fills up. How many, or which: `just sim 20000`, `just sim 7..8`.
sim seeds="500":
    TPLUS_SEEDS={{ seeds }} cargo test --locked --release --test simulation storm -- --nocapture

# Sets the wall clock of the real program while it runs and between its runs, in a random walk of so many rounds.
clock rounds="8":
    TPLUS_CLOCK_ROUNDS={{ rounds }} .ci/clock --nocapture

# Fuzzes each target for so many seconds (`cargo install cargo-fuzz`); any compiler does. What is found is in fuzz/artifacts.
fuzz seconds="300":
    cp Cargo.lock fuzz/
    for target in request segment checkpoint settings; do mkdir -p target/fuzz/corpus/$target && RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none --target-dir target/fuzz $target target/fuzz/corpus/$target fuzz/corpus/$target -- -max_total_time={{ seconds }} -max_len=20000 -print_final_stats=1 || exit 1; done

# Serves with the manual clock, on a data directory that is thrown away.
play start="2026-01-01T00:00:00Z":
    cargo run --locked -- serve --data-dir "$(mktemp -d)/data" --clock manual --clock-start {{ start }}

# How fast it is.
bench:
    cargo bench --locked

# Counts the instructions of the core paths and compares them with what is written down; `--write` writes it anew.
instructions *args:
    .ci/instructions {{ args }}

# Beside what one would build instead: Redis with a script, PostgreSQL with functions. `just peers --rounds 3`.
peers *args:
    benches/peers/run {{ args }}

# What TLS, access rules, tokens, tracing and metrics cost, beside a server without them. `just guarded --rounds 5`.
guarded *args:
    benches/guarded/run {{ args }}
