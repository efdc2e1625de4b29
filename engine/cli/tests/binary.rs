//! The program starts. That this test exists makes `cargo test` build the program, which the suite in `tests/` runs.
#![allow(clippy::expect_used)]

use std::process::Command;

#[test]
fn the_program_tells_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_peristyle")).arg("--version").output().expect("the program starts");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("peristyle {}\n", env!("CARGO_PKG_VERSION")));
}
