//! A disk of our own: an ext4 file system in a file, which can lose its power.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

/// A mounted image. Unmounted when dropped.
pub(crate) struct Disk {
    image: PathBuf,
    pub(crate) mount: PathBuf,
}

/// `FS_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`: what was not synced is gone.
const SHUT_DOWN: &str = "import fcntl, os, struct, sys
folder = os.open(sys.argv[1], os.O_RDONLY)
fcntl.ioctl(folder, 0x8004587d, struct.pack('I', 2))";

fn run(program: &str, arguments: &[&std::ffi::OsStr]) -> Result<()> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    bail!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())
}

impl Disk {
    /// Makes and mounts an image of `mebibytes`.
    ///
    /// # Errors
    ///
    /// Without root, loop devices, `mkfs.ext4` and `python3` there is none.
    pub(crate) fn make(folder: &Path, mebibytes: u64) -> Result<Disk> {
        let (image, mount) = (folder.join("image"), folder.join("mount"));
        std::fs::File::create(&image)?.set_len(mebibytes << 20)?;
        run("mkfs.ext4", &["-q".as_ref(), image.as_ref()])?;
        run("python3", &["-c".as_ref(), "import fcntl".as_ref()])?;
        std::fs::create_dir(&mount)?;
        let disk = Disk { image, mount };
        disk.mount()?;
        Ok(disk)
    }

    fn mount(&self) -> Result<()> {
        run("mount", &["-o".as_ref(), "loop".as_ref(), self.image.as_ref(), self.mount.as_ref()])
    }

    /// The power goes.
    pub(crate) fn cut(&self) -> Result<()> {
        run("python3", &["-c".as_ref(), SHUT_DOWN.as_ref(), self.mount.as_ref()])
    }

    /// The power comes back.
    pub(crate) fn restore(&self) -> Result<()> {
        run("umount", &[self.mount.as_ref()])?;
        self.mount()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What cannot be unmounted shows in `mount`; there is nobody left to tell.
        let _ = run("umount", &[self.mount.as_ref()]);
    }
}
