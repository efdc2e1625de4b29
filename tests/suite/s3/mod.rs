//! An S3-compatible server of this machine: `server.py`, in a Python environment beside CI's other tools. It is made when it
//! is not there; without it, the tests that need it fail.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value as Json, json};

/// The server's package: one version, so that it behaves tomorrow as today.
const PACKAGE: &str = "moto[server]==5.2.5";

/// A running server. It ends with its test.
pub(crate) struct Server {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    endpoint: String,
    keys: Json,
}

/// A request that the server got.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) range: Option<String>,
}

/// The environment's Python.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".cache");
        let folder = cache.unwrap_or_else(home).join("peristyle/tools/moto");
        let python = folder.join("bin/python");
        if !folder.join("bin/moto_server").is_file() {
            let made = Command::new("python3").args(["-m", "venv"]).arg(&folder).status();
            assert!(
                made.is_ok_and(|made| made.success()),
                "no Python environment could be made in {}",
                folder.display()
            );
            let installed = Command::new(&python).args(["-m", "pip", "install", "--quiet", PACKAGE]).status();
            assert!(
                installed.is_ok_and(|installed| installed.success()),
                "the S3 server of the tests is not there and could not be installed: {} -m pip install '{PACKAGE}'",
                python.display()
            );
        }
        python
    })
}

impl Server {
    /// Serves what is in a folder at `s3://extracts/place`.
    pub(crate) fn start(folder: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("suite/s3/server.py");
        let mut child = Command::new(python())
            .arg(script)
            .arg(folder)
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let commands = child.stdin.take().expect("a pipe");
        let mut answers = BufReader::new(child.stdout.take().expect("a pipe"));
        let said = line(&mut answers);
        let endpoint = said["endpoint"].as_str().expect("an endpoint").to_owned();
        Server { child, commands, answers, endpoint, keys: said["keys"].clone() }
    }

    /// What a run's environment must say.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        self.environment_of("reader")
    }

    /// The same for another user of the store.
    pub(crate) fn environment_of(&self, user: &str) -> Vec<(&'static str, String)> {
        let key = |part: usize| self.keys[user][part].as_str().expect("a key").to_owned();
        vec![
            ("AWS_ACCESS_KEY_ID", key(0)),
            ("AWS_SECRET_ACCESS_KEY", key(1)),
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("NO_PROXY", "127.0.0.1".to_owned()),
        ]
    }

    /// Puts an object in the place of another.
    pub(crate) fn put(&mut self, key: &str, file: &Path) {
        self.tell(json!({"put": key, "file": file}));
    }

    /// Does so just before the object is read for the so-manieth time.
    pub(crate) fn put_on_read(&mut self, reads: u32, key: &str, file: &Path) {
        self.tell(json!({"on_read": reads, "key": key, "file": file}));
    }

    /// Has the next requests fail, as those of a store that is asked too much.
    pub(crate) fn fail(&mut self, requests: u32) {
        self.tell(json!({"fail": requests}));
    }

    /// What was asked since the last time.
    pub(crate) fn log(&mut self) -> Vec<Request> {
        let log = self.tell(json!({"log": true}));
        let request = |request: &Json| Request {
            method: request[0].as_str().expect("a method").to_owned(),
            path: request[1].as_str().expect("a path").to_owned(),
            range: request[2].as_str().map(str::to_owned),
        };
        log.as_array().expect("a list").iter().map(request).collect()
    }

    fn tell(&mut self, command: Json) -> Json {
        writeln!(self.commands, "{command}").expect("the server listens");
        self.commands.flush().expect("the server listens");
        line(&mut self.answers)
    }
}

fn line(answers: &mut impl BufRead) -> Json {
    let mut line = String::new();
    answers.read_line(&mut line).expect("an answer");
    serde_json::from_str(&line).expect("JSON from the server, which may have said on stderr what is wrong")
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
