//! Other people's programs: Python scripts of `tests/tools`.

use std::{path::Path, process::Command};

/// Runs a script of `tests/tools` and gives what it printed; none, said in one line, where there is no Python for it.
pub fn run(script: &str, args: &[&str]) -> Option<String> {
    let Some(python) = std::env::var_os("SESERAGI_PYTHON") else {
        println!("SESERAGI_PYTHON is not set: {script} is not run (bash .ci/test sets it)");
        return None;
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools").join(script);
    let output = Command::new(python).arg(path).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} failed with {}:\n{said}\n{complained}", output.status);
    Some(said)
}
