//! Runs that take seconds, and what can be seen of them meanwhile.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::place::place;
use super::sandbox::{Sandbox, binary};

/// Long enough for a run to begin, short enough not to hang.
const PATIENCE: Duration = Duration::from_secs(60);

const PERMISSIONS: &str = r#"["include_t1oo","include_ndoo","include_gp_unactivated"]"#;

/// Runs the binary where `/proc` is not to be seen, by which files without names are named in the end.
const WITHOUT_PROC: &str = "mount -t tmpfs none /proc && exec \"$0\" \"$@\"";

/// How a run keeps its answer from sight until it is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// In a file without a name
    Unnamed,
    /// In a hidden file, as where the system has no files without names
    Hidden,
}

impl Way {
    /// Those that can be tried here.
    pub(crate) fn all() -> Vec<Way> {
        let allowed = Command::new("unshare").args(["--mount", "sh", "-c", "mount -t tmpfs none /proc"]).output();
        if allowed.is_ok_and(|tried| tried.status.success()) {
            return vec![Way::Unnamed, Way::Hidden];
        }
        eprintln!("not allowed to mount: hidden files of answers are tested in peristyle-outputs alone");
        vec![Way::Unnamed]
    }

    /// The binary, to be run in this way.
    pub(crate) fn command(self, sandbox: &Sandbox) -> Command {
        let mut command = match self {
            Way::Unnamed => Command::new(binary()),
            Way::Hidden => {
                let mut command = Command::new("unshare");
                command.args(["--mount", "sh", "-c", WITHOUT_PROC]).arg(binary());
                command
            }
        };
        command.current_dir(sandbox.path(".")).env("TMPDIR", sandbox.path("spill")).env_remove("PERISTYLE_LOG");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// A place whose run takes seconds where blocks are of one patient: there are many.
pub(crate) fn slow_place() -> Sandbox {
    let sandbox = place();
    let rows = |row: &dyn Fn(u32) -> String| (1..60_000).map(row).collect::<String>();
    sandbox.write(
        "tables/patients.csv",
        format!("patient_id,date_of_birth,sex\n{}", rows(&|patient| format!("{patient},1970-01-01,male\n"))),
    );
    sandbox.write(
        "tables/clinical_events.csv",
        format!("patient_id,date,numeric_value\n{}", rows(&|patient| format!("{patient},2018-05-01,1.5\n"))),
    );
    fs::create_dir(sandbox.path("spill")).expect("a folder");
    fs::create_dir(sandbox.path("out")).expect("a folder");
    sandbox
}

/// Begins a run of everybody, with its answer in the folder `out`.
pub(crate) fn begin(sandbox: &Sandbox, way: Way, output: &str, flags: &str) -> Child {
    let line =
        format!("generate-dataset dataset.json --source source.toml --project flu --output out/{output} {flags}");
    let mut command = way.command(sandbox);
    command.args(line.split_whitespace()).args(["--permissions", PERMISSIONS]);
    command.spawn().expect("the binary runs")
}

/// Begins such a run that takes seconds.
pub(crate) fn begin_slow(sandbox: &Sandbox, way: Way, output: &str) -> Child {
    begin(sandbox, way, output, "--threads 1 --block-patients 1 --memory-limit 64MiB")
}

/// Waits until the run that was begun in a way writes an answer into the folder `out`. In which way it does: a file system
/// may have hidden files alone, and a run that cannot name a file without a name tries one first.
pub(crate) fn wait_for_output(sandbox: &Sandbox, run: &Child, begun: Way) -> Way {
    let began = Instant::now();
    let folder = sandbox.path("out").canonicalize().expect("a folder");
    loop {
        if let Some(way) = writes_into(run.id(), &folder)
            && (begun == Way::Unnamed || way == Way::Hidden)
        {
            return way;
        }
        assert!(began.elapsed() < PATIENCE, "the run does not begin");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether a process has a file open in a folder that is not in its place.
fn writes_into(process: u32, folder: &Path) -> Option<Way> {
    let open = fs::read_dir(format!("/proc/{process}/fd")).ok()?;
    let mut files = open.flatten().filter_map(|file| fs::read_link(file.path()).ok());
    files.find_map(|file| {
        let name = file.file_name()?.to_str()?.to_owned();
        match file.parent() == Some(folder) {
            true if name.starts_with('#') => Some(Way::Unnamed),
            true if name.starts_with(".peristyle-partial-") => Some(Way::Hidden),
            _ => None,
        }
    })
}

/// What can be seen in the folder `out`: each file's name and permissions. Names of hidden files are cut.
pub(crate) fn seen(sandbox: &Sandbox) -> Vec<(String, u32)> {
    let names = sandbox.list("out").into_iter().filter_map(|name| {
        let found = fs::symlink_metadata(sandbox.path(&format!("out/{name}"))).ok()?;
        let name = if name.starts_with(".peristyle-partial-") { "hidden".to_owned() } else { name };
        Some((name, found.permissions().mode() & 0o7777))
    });
    names.collect()
}
