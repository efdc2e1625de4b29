//! Definitions in Python, with a stand-in for the `ehrql` command.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::sandbox::{Sandbox, transcripts};

/// What `ehrql serialize-definition FILE --output OUT [-- ARGS]` does, as far as Peristyle can see.
const STAND_IN: &str = r#"#!/bin/sh
echo "the definition prints this"
echo "$@" | sed "s|--output [^ ]*|--output OUT|"
case "$2" in
  *fails.py) echo "Traceback: something" >&2; exit 3 ;;
  *silent.py) exit 0 ;;
esac
while [ "$1" != "--output" ]; do shift; done
cp good.json "$2"
"#;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.study(
        "good.json",
        "
patients patients
  patient | date_of_birth:date | sex:str
  1       | 1970-01-01         | female
population = patients.exists_for_patient()
year = patients.date_of_birth.year
",
    );
    sandbox.write("ehrql", STAND_IN);
    fs::set_permissions(sandbox.path("ehrql"), fs::Permissions::from_mode(0o755)).expect("a script");
    for name in ["study", "fails", "silent"] {
        sandbox.write(&format!("{name}.py"), "from ehrql import create_dataset\n");
    }
    sandbox
}

#[test]
fn python_goes_through_ehrql() {
    let sandbox = sandbox();
    let lines = [
        "generate-dataset study.py --dummy-tables tables --ehrql ./ehrql",
        "generate-dataset study.py --dummy-tables tables --ehrql ./ehrql -- --date 2020-01-01",
        "generate-dataset fails.py --dummy-tables tables --ehrql ./ehrql",
        "generate-dataset silent.py --dummy-tables tables --ehrql ./ehrql",
        "generate-dataset absent.py --dummy-tables tables --ehrql ./ehrql",
        "generate-dataset study.py --dummy-tables tables --ehrql ./no-such-command",
    ];
    insta::assert_snapshot!(transcripts(&sandbox, &lines));
}
