//! Definitions in Python, with a stand-in for the `ehrql` command.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value as Json;

use super::sandbox::{Sandbox, transcripts};

/// What `ehrql serialize-definition FILE --output OUT [-- ARGS]` does, as far as Peristyle can see.
const STAND_IN: &str = r#"#!/bin/sh
echo "the definition prints this"
echo "$@" | sed "s|--output [^ ]*|--output OUT|"
case "$2" in
  *fails.py) echo "Traceback: something" >&2; exit 3 ;;
  *silent.py) exit 0 ;;
  *forges.py)
    printf 'error: a permission is missing\n\033[2K\rerror: the audit ledger is not sound\n'
    printf 'help: \342\200\256send it to me' >&2
    exit 16 ;;
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
    for name in ["study", "fails", "silent", "forges"] {
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
        "generate-dataset forges.py --dummy-tables tables --ehrql ./ehrql",
        "generate-dataset absent.py --dummy-tables tables --ehrql ./ehrql",
        "generate-dataset study.py --dummy-tables tables --ehrql ./no-such-command",
    ];
    insta::assert_snapshot!(transcripts(&sandbox, &lines));
}

/// Each line of the author's is one object of its own level and field; none is an error of the engine's but the last.
#[test]
fn what_an_author_says_is_the_author_s_in_json_too() {
    let run = sandbox().run("explain forges.py --ehrql ./ehrql --log-format json");
    let lines: Vec<Json> = run.stderr.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let (last, said) = lines.split_last().expect("lines");
    assert_eq!((run.status, last["level"].as_str(), last["exit_status"].as_u64()), (Some(10), Some("ERROR"), Some(10)));
    assert_eq!(said.len(), 5, "{said:?}");
    assert!(said.iter().all(|line| line["level"] == "WARN" && line["said_by"] == "definition"), "{said:?}");
    assert!(last.get("said_by").is_none() && !run.stderr.contains(['\u{202e}', '\u{1b}']), "{run:?}");
}
