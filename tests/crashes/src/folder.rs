//! [`Folder`]: real files, for what the engine does with files of its own.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::fault::Fault;
use crate::machine::Storage;
use crate::random::Random;

/// The files of the computer. The process that uses it really dies.
pub(crate) struct Folder;

impl Storage for Folder {
    /// The path. A file is opened for each access, so that nothing but the disk keeps a state.
    type File = String;

    fn exists(&self, name: &str) -> bool {
        fs::metadata(name).is_ok()
    }

    fn open(&mut self, name: &str) -> io::Result<String> {
        File::open(name).map(|_| name.to_owned())
    }

    fn create(&mut self, name: &str) -> io::Result<String> {
        File::create_new(name).map(|_| name.to_owned())
    }

    fn delete(&mut self, name: &str) -> io::Result<()> {
        fs::remove_file(name)
    }

    fn size(&self, file: &String) -> io::Result<u64> {
        fs::metadata(file).map(|file| file.len())
    }

    fn read(&self, file: &String, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = File::open(file)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut count = 0;
        loop {
            match file.read(&mut buffer[count..])? {
                0 => break,
                more => count += more,
            }
        }
        buffer[count..].fill(0);
        Ok(count)
    }

    fn write(&mut self, file: &String, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut file = File::options().write(true).open(file)?;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(data)
    }

    fn truncate(&mut self, file: &String, size: u64) -> io::Result<()> {
        File::options().write(true).open(file)?.set_len(size)
    }

    /// A process that is killed loses nothing that it did not sync.
    fn sync(&mut self, _file: &String) -> io::Result<()> {
        Ok(())
    }

    fn sync_names(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn die(&mut self, _fault: Fault, _random: &mut Random) {
        std::process::abort();
    }
}
