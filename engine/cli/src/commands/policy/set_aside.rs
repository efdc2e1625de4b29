//! `policy keygen`, `policy sign` and `policy verify`: emergency set-asides.

use std::io::Write;
use std::path::Path;

use peristyle_policy::Day;
use peristyle_policy::set_aside::{Record, SigningKeyFile, VerifiedSetAside, public_key_fingerprint, public_key_text};

use crate::args::{PolicyKeygen, PolicySign, PolicyVerify};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::governed::load_policy;
use crate::source_file::SourceFile;
use crate::ui;

/// Makes a key. What is shown is public.
pub(super) fn keygen(command: &PolicyKeygen) -> Result<ExitStatus, Failure> {
    let key = SigningKeyFile::create(&command.out)?.public_key();
    let (public_key, fingerprint) = (public_key_text(&key), public_key_fingerprint(&key));
    ui::show(&format!(
        "private key  {}: for its owner's eyes only\npublic_key   \"{public_key}\"\nfingerprint  {fingerprint}\n\n\
         The public key goes into [[set_aside.signers]] of the policy. Read the fingerprint to whoever writes it there.\n",
        command.out.display()
    ))?;
    Ok(ExitStatus::Success)
}

/// Signs a record for a body, and shows what was signed.
pub(super) fn sign(command: &PolicySign) -> Result<ExitStatus, Failure> {
    let mut record = Record::load(&command.record)?;
    let key = SigningKeyFile::open(&command.key)?;
    record.sign(&command.body, &key)?;
    replace(&command.record, record.to_json().as_bytes()).map_err(|error| {
        Failure::new(ExitStatus::Files, format!("cannot write the record `{}`", command.record.display())).cause(error)
    })?;
    let fingerprint = public_key_fingerprint(&key.public_key());
    ui::show(&format!("{record}\n\nsigned for `{}` with the key {fingerprint}\n", command.body))?;
    Ok(ExitStatus::Success)
}

/// Puts a whole file in the place of another.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(bytes)?;
    new.as_file().set_permissions(path.metadata()?.permissions())?;
    new.as_file().sync_all()?;
    new.persist(path)?;
    Ok(())
}

/// Says whether a run of a project would be accepted under a set-aside today.
pub(super) fn verify(command: &PolicyVerify) -> Result<ExitStatus, Failure> {
    let policy = load_policy(&SourceFile::load(&command.source)?)?;
    let record = Record::load(&command.record)?;
    let verified = VerifiedSetAside::verify(&record, &policy, &command.project, Day::today())?;
    crate::governed::words::set_aside(&verified)?;
    ui::show(&format!("{record}\n\naccepted for project `{}` today\n", command.project))?;
    Ok(ExitStatus::Success)
}
