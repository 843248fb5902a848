//! A disk of our own: an ext4 file system in a file, which can be full and can lose its power.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// A mounted image. Unmounted when dropped.
pub(crate) struct Disk {
    image: PathBuf,
    pub(crate) mount: PathBuf,
}

/// Runs a program that must succeed.
pub(crate) fn run<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, arguments: &[S]) -> Result<()> {
    let name = program.as_ref().to_string_lossy().into_owned();
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("`{name}` cannot be started"))?;
    if output.status.success() {
        return Ok(());
    }
    bail!("`{name}`: {}", String::from_utf8_lossy(&output.stderr).trim())
}

/// Compiles a C file of ours; a message if there is no compiler.
pub(crate) fn compile(source: &str, built: &Path, options: &[&str]) -> Result<()> {
    let file = built.with_extension("c");
    std::fs::write(&file, source)?;
    let mut words: Vec<&OsStr> = options.iter().map(OsStr::new).collect();
    words.extend([OsStr::new("-O1"), "-o".as_ref(), built.as_ref(), file.as_ref()]);
    words.push("-ldl".as_ref());
    run("cc", &words)
}

impl Disk {
    /// Makes and mounts an image of `mebibytes` in `folder`.
    ///
    /// # Errors
    ///
    /// It takes root, loop devices and `mkfs.ext4`; what is missing is in the message.
    pub(crate) fn make(folder: &Path, mebibytes: u64) -> Result<Disk> {
        if !rustix::process::geteuid().is_root() {
            bail!("it needs root, to mount a disk of its own");
        }
        let (image, mount) = (folder.join("image"), folder.join("mount"));
        std::fs::File::create(&image)?.set_len(mebibytes << 20)?;
        run("mkfs.ext4", &[OsStr::new("-q"), image.as_ref()])?;
        std::fs::create_dir(&mount)?;
        let disk = Disk { image, mount };
        disk.attach().context("it needs loop devices and ext4")?;
        Ok(disk)
    }

    fn attach(&self) -> Result<()> {
        run("mount", &[OsStr::new("-o"), "loop".as_ref(), self.image.as_ref(), self.mount.as_ref()])
    }

    /// The power comes back: what the disk holds now is what it held when the power went.
    pub(crate) fn restore(&self) -> Result<()> {
        run("umount", &[&self.mount])?;
        self.attach()
    }

    /// Fills it until `left` bytes are free for the service.
    pub(crate) fn fill(&self, left: u64) -> Result<()> {
        let stat = rustix::fs::statvfs(&self.mount)?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let path = self.mount.join("filler");
        let filler = std::fs::File::options().create(true).append(true).open(&path)?;
        let length = filler.metadata()?.len() + free.saturating_sub(left);
        let flags = rustix::fs::FallocateFlags::empty();
        match rustix::fs::fallocate(&filler, flags, 0, length) {
            Ok(()) => {}
            // Some of what is free is the file system's own.
            Err(rustix::io::Errno::NOSPC) if left == 0 => {
                let more = [0; 4096];
                while std::io::Write::write_all(&mut &filler, &more).is_ok() {}
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Makes room again.
    pub(crate) fn empty(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.mount.join("filler"))?)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A failure leaves the image in the list of `mount`; a drop cannot return it.
        let _ = run("umount", &[&self.mount]);
    }
}
