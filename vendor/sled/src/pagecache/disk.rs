//! keyledger: the file of the database, and the folder around it. Every byte that sled reads of
//! its file or writes anywhere goes through here (but for blobs, see `blob_io.rs`).
//!
//! Writes go through, or are set aside: then they are kept in memory in the order in which they
//! were made, with the syncs between them, and reads see them. `Disk::release` makes all of them.
//! Without it the folder is as it was before.

use std::{
    collections::HashMap,
    fs,
    fs::File,
    io,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, Ordering},
        OnceLock,
    },
};

use parking_lot::RwLock;

use super::{parallel_io_unix as parallel_io, LogOffset};
use crate::{Config, Error, Result, Writes};

/// The unit in which writes that are set aside are found again.
const BLOCK: usize = 4096;

/// sled's file.
#[derive(Debug)]
pub struct Disk {
    /// Unset as long as there is no file: one that is set aside is not made before its release.
    file: OnceLock<File>,
    path: PathBuf,
    /// What was set aside; `None` if writes go through.
    aside: RwLock<Option<Aside>>,
    /// Whether `aside` must be looked at, for reads that need not wait for it.
    is_aside: AtomicBool,
    never: bool,
    #[cfg(feature = "failing_disk")]
    failing: FailingDisk,
}

/// Which reads and writes of the file fail. For tests.
#[cfg(feature = "failing_disk")]
#[derive(Clone, Debug, Default)]
pub struct FailingDisk {
    /// This read and none else, counted from 0.
    pub read: Option<usize>,
    /// This write and none else, counted from 0.
    pub write: Option<usize>,
    /// Reads so far.
    pub reads_done: std::sync::Arc<std::sync::atomic::AtomicUsize>,
    /// Writes so far.
    pub writes_done: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

#[cfg(feature = "failing_disk")]
impl FailingDisk {
    fn read(&self) -> io::Result<()> {
        let done = self.reads_done.fetch_add(1, Ordering::SeqCst);
        if self.read == Some(done) {
            return Err(io::Error::new(io::ErrorKind::Other, "told to fail"));
        }
        Ok(())
    }

    fn write(&self) -> io::Result<()> {
        let done = self.writes_done.fetch_add(1, Ordering::SeqCst);
        if self.write == Some(done) {
            // As a disk does: whoever waits for it waits by then.
            std::thread::sleep(std::time::Duration::from_millis(20));
            return Err(io::Error::new(io::ErrorKind::Other, "told to fail"));
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Aside {
    steps: Vec<Step>,
    /// What was written, by its place in units of `BLOCK`; `None` is zeros.
    blocks: HashMap<u64, Option<Box<[u8]>>>,
    /// The length that the file would have.
    length: u64,
}

/// Something that would have been done.
#[derive(Debug)]
enum Step {
    Write(LogOffset, Vec<u8>),
    Zero(LogOffset, usize),
    SetLength(u64),
    Sync,
    SyncRange(LogOffset, usize),
    MakeFolder(PathBuf),
    WriteFile(PathBuf, Vec<u8>),
    /// What is in it, the name while it is written, and the name then.
    WriteSnapshot(Vec<u8>, PathBuf, PathBuf),
    RemoveFile(PathBuf),
}

impl Disk {
    /// Nothing is opened yet.
    pub(crate) fn new(path: PathBuf, config: &Config) -> Disk {
        let writes = config.writes;
        let is_aside = match writes {
            Writes::Through => false,
            Writes::Aside | Writes::Never => true,
        };
        Disk {
            file: OnceLock::new(),
            path,
            aside: RwLock::new(if is_aside {
                Some(Aside::default())
            } else {
                None
            }),
            is_aside: AtomicBool::new(is_aside),
            never: match writes {
                Writes::Never => true,
                Writes::Through | Writes::Aside => false,
            },
            #[cfg(feature = "failing_disk")]
            failing: config.failing_disk.clone(),
        }
    }

    /// Opens the file, and locks it.
    pub(crate) fn open(&self, config: &Config) -> Result<()> {
        let mut aside = self.aside.write();
        let mut options = fs::OpenOptions::new();
        let _ = options.read(true).write(!self.never);
        if aside.is_none() {
            let _ = options.create(true);
            if config.create_new {
                let _ = options.create_new(true);
            }
        }
        let file = match options.open(&self.path) {
            Err(ref e)
                if e.kind() == io::ErrorKind::NotFound && aside.is_some() =>
            {
                return Ok(());
            }
            file => config.try_lock(file?)?,
        };
        if let Some(aside) = aside.as_mut() {
            aside.length = file.metadata()?.len();
        }
        let _ = self.file.set(file);
        Ok(())
    }

    /// Whether the file is there and has something in it. For use before it is opened.
    pub(crate) fn is_empty(path: &Path) -> io::Result<bool> {
        match fs::metadata(path) {
            Err(ref e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
            metadata => Ok(metadata?.len() == 0),
        }
    }

    /// Makes every write that was set aside, from the first one on; from then on writes go
    /// through. After an error nothing is forgotten, and it may be called again.
    pub(crate) fn release(&self, config: &Config) -> Result<()> {
        if self.never {
            return Err(Error::Unsupported(
                "it was opened for reading only".to_owned(),
            ));
        }
        let mut aside = self.aside.write();
        let steps = match aside.as_ref() {
            None => return Ok(()),
            Some(aside) => &aside.steps,
        };
        // Folders first: the file is in one.
        for step in steps {
            if let Step::MakeFolder(path) = step {
                fs::create_dir_all(path)?;
            }
        }
        if self.file.get().is_none() {
            let mut options = fs::OpenOptions::new();
            let _ = options.read(true).write(true).create(true);
            let file = config.try_lock(options.open(&self.path)?)?;
            let _ = self.file.set(file);
        }
        for step in steps {
            self.step(step)?;
        }
        *aside = None;
        self.is_aside.store(false, Ordering::Release);
        Ok(())
    }

    fn step(&self, step: &Step) -> io::Result<()> {
        match step {
            Step::Write(at, bytes) => {
                parallel_io::pwrite_all(self.file()?, bytes, *at)
            }
            Step::Zero(at, len) => {
                parallel_io::pwrite_all(self.file()?, &vec![0; *len], *at)
            }
            Step::SetLength(length) => self.file()?.set_len(*length),
            Step::Sync => self.file()?.sync_all(),
            Step::SyncRange(at, len) => sync_range(self.file()?, *at, *len),
            Step::MakeFolder(path) => fs::create_dir_all(path),
            Step::WriteFile(path, bytes) => write_file(path, bytes),
            Step::WriteSnapshot(bytes, first, then) => {
                write_snapshot(bytes, first, then)
            }
            Step::RemoveFile(path) => remove_file(path),
        }
    }

    fn file(&self) -> io::Result<&File> {
        self.file.get().ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "there is no file")
        })
    }

    /// Does something, or sets it aside.
    fn act(&self, step: Step) -> io::Result<()> {
        if self.is_aside.load(Ordering::Acquire) {
            if let Some(aside) = self.aside.write().as_mut() {
                return aside.set(step, self.file.get());
            }
        }
        self.step(&step)
    }

    pub(crate) fn pwrite_all(
        &self,
        buf: &[u8],
        at: LogOffset,
    ) -> io::Result<()> {
        #[cfg(feature = "failing_disk")]
        self.failing.write()?;
        if self.is_aside.load(Ordering::Acquire) {
            if let Some(aside) = self.aside.write().as_mut() {
                let step = if buf.iter().all(|byte| *byte == 0) {
                    Step::Zero(at, buf.len())
                } else {
                    Step::Write(at, buf.to_vec())
                };
                return aside.set(step, self.file.get());
            }
        }
        parallel_io::pwrite_all(self.file()?, buf, at)
    }

    /// Fills the buffer, or says `UnexpectedEof`.
    pub(crate) fn pread_exact(
        &self,
        buf: &mut [u8],
        at: LogOffset,
    ) -> io::Result<()> {
        if self.pread_exact_or_eof(buf, at)? == buf.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// Fills the buffer up to the end of the file. How much that was.
    pub(crate) fn pread_exact_or_eof(
        &self,
        buf: &mut [u8],
        at: LogOffset,
    ) -> io::Result<usize> {
        #[cfg(feature = "failing_disk")]
        self.failing.read()?;
        if self.is_aside.load(Ordering::Acquire) {
            if let Some(aside) = self.aside.read().as_ref() {
                return aside.read(buf, at, self.file.get());
            }
        }
        read_to_end_of_file(self.file()?, buf, at)
    }

    pub(crate) fn length(&self) -> io::Result<u64> {
        if self.is_aside.load(Ordering::Acquire) {
            if let Some(aside) = self.aside.read().as_ref() {
                return Ok(aside.length);
            }
        }
        Ok(self.file()?.metadata()?.len())
    }

    pub(crate) fn set_len(&self, length: u64) -> io::Result<()> {
        self.act(Step::SetLength(length))
    }

    pub(crate) fn sync_all(&self) -> io::Result<()> {
        self.act(Step::Sync)
    }

    pub(crate) fn sync_range(&self, at: LogOffset, len: usize) -> io::Result<()> {
        self.act(Step::SyncRange(at, len))
    }

    pub(crate) fn make_folder(&self, path: PathBuf) -> io::Result<()> {
        self.act(Step::MakeFolder(path))
    }

    pub(crate) fn write_file(
        &self,
        path: PathBuf,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        self.act(Step::WriteFile(path, bytes))
    }

    pub(crate) fn write_snapshot(
        &self,
        bytes: Vec<u8>,
        first: PathBuf,
        then: PathBuf,
    ) -> io::Result<()> {
        self.act(Step::WriteSnapshot(bytes, first, then))
    }

    pub(crate) fn remove_file(&self, path: PathBuf) -> io::Result<()> {
        self.act(Step::RemoveFile(path))
    }

    /// Whether writes are set aside.
    pub(crate) fn is_aside(&self) -> bool {
        self.is_aside.load(Ordering::Acquire)
    }
}

impl Aside {
    /// Remembers a step, and what reads have to see of it.
    fn set(&mut self, step: Step, file: Option<&File>) -> io::Result<()> {
        match &step {
            Step::Write(at, bytes) => self.write(*at, bytes, file)?,
            Step::Zero(at, len) => self.zero(*at, *len, file)?,
            Step::SetLength(length) => self.set_length(*length, file)?,
            _ => {}
        }
        self.steps.push(step);
        Ok(())
    }

    fn write(
        &mut self,
        mut at: u64,
        mut bytes: &[u8],
        file: Option<&File>,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            let (number, start) = place(at);
            let len = bytes.len().min(BLOCK - start);
            let (now, rest) = bytes.split_at(len);
            let block = self.block(number, file)?;
            block[start..start + len].copy_from_slice(now);
            bytes = rest;
            at += len as u64;
            self.length = self.length.max(at);
        }
        Ok(())
    }

    fn zero(
        &mut self,
        mut at: u64,
        len: usize,
        file: Option<&File>,
    ) -> io::Result<()> {
        let end = at + len as u64;
        while at < end {
            let (number, start) = place(at);
            let len = (BLOCK - start).min((end - at) as usize);
            if len == BLOCK {
                let _ = self.blocks.insert(number, None);
            } else {
                let block = self.block(number, file)?;
                for byte in &mut block[start..start + len] {
                    *byte = 0;
                }
            }
            at += len as u64;
        }
        self.length = self.length.max(end);
        Ok(())
    }

    /// What is behind the end is zeros if the file grows again.
    fn set_length(
        &mut self,
        length: u64,
        file: Option<&File>,
    ) -> io::Result<()> {
        if length < self.length {
            let cut = self.length - length;
            self.zero(length, cut as usize, file)?;
        }
        self.length = length;
        Ok(())
    }

    /// A block to be changed: as it was written before, or as it is in the file.
    fn block(
        &mut self,
        number: u64,
        file: Option<&File>,
    ) -> io::Result<&mut Box<[u8]>> {
        let known = self.blocks.contains_key(&number);
        let block = self.blocks.entry(number).or_insert(None);
        if block.is_none() {
            let mut bytes = vec![0; BLOCK].into_boxed_slice();
            if let (false, Some(file)) = (known, file) {
                let _ =
                    read_to_end_of_file(file, &mut bytes, number * BLOCK as u64)?;
            }
            *block = Some(bytes);
        }
        Ok(block.get_or_insert_with(Default::default))
    }

    fn read(
        &self,
        buf: &mut [u8],
        at: u64,
        file: Option<&File>,
    ) -> io::Result<usize> {
        let left = self.length.saturating_sub(at).min(buf.len() as u64);
        let buf = &mut buf[..left as usize];
        let from_file = match file {
            Some(file) => read_to_end_of_file(file, buf, at)?,
            None => 0,
        };
        for byte in &mut buf[from_file..] {
            *byte = 0;
        }
        let mut done = 0;
        while done < buf.len() {
            let (number, start) = place(at + done as u64);
            let len = (BLOCK - start).min(buf.len() - done);
            let target = &mut buf[done..done + len];
            match self.blocks.get(&number) {
                None => {}
                Some(None) => {
                    for byte in target {
                        *byte = 0;
                    }
                }
                Some(Some(block)) => {
                    target.copy_from_slice(&block[start..start + len])
                }
            }
            done += len;
        }
        Ok(buf.len())
    }
}

/// In which block a byte is, and where in it.
fn place(at: u64) -> (u64, usize) {
    let block = BLOCK as u64;
    (at / block, (at % block) as usize)
}

/// A read that ends before the file does is an error: what follows it is not known.
fn read_to_end_of_file(
    file: &File,
    buf: &mut [u8],
    at: LogOffset,
) -> io::Result<usize> {
    let read = parallel_io::pread_exact_or_eof(file, buf, at)?;
    if read == buf.len() || at + read as u64 >= file.metadata()?.len() {
        return Ok(read);
    }
    // It may have grown since; then there is more to read now.
    let more =
        parallel_io::pread_exact_or_eof(file, &mut buf[read..], at + read as u64)?;
    if more == 0 {
        return Err(io::Error::new(
            io::ErrorKind::Other,
            "a read ended before the file does",
        ));
    }
    Ok(read + more)
}

fn sync_range(file: &File, at: LogOffset, len: usize) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use std::convert::TryFrom;
        use std::os::unix::io::AsRawFd;
        let ret = unsafe {
            libc::sync_file_range(
                file.as_raw_fd(),
                i64::try_from(at).unwrap(),
                i64::try_from(len).unwrap(),
                libc::SYNC_FILE_RANGE_WAIT_BEFORE
                    | libc::SYNC_FILE_RANGE_WRITE
                    | libc::SYNC_FILE_RANGE_WAIT_AFTER,
            )
        };
        if ret < 0 {
            let err = io::Error::last_os_error();
            if let Some(libc::ENOSYS) = err.raw_os_error() {
                file.sync_all()?;
            } else {
                return Err(err);
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    {
        let _ = (at, len);
        file.sync_all()?;
    }

    Ok(())
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let _ = options.write(true).create(true).truncate(true);
    options.open(path)?.write_all(bytes)
}

fn write_snapshot(bytes: &[u8], first: &Path, then: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let _ = options.write(true).create(true).truncate(true);
    let mut file = options.open(first)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(first, then)?;
    // Its name is on the disk before the older ones are removed.
    match then.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(ref e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
