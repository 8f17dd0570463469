//! An initial file system in the kernel's "newc" form, written in the order
//! and with the times that it is told: the same bytes every time, and device
//! nodes without being root.

/// What goes into the archive.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    out: Vec<u8>,
    entries: u32,
}

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const FILE: u32 = 0o100_644;
const CONSOLE: u32 = 0o020_600;

impl Archive {
    /// A folder; its parent must have come before.
    pub(crate) fn directory(&mut self, path: &str) {
        self.entry(path, DIRECTORY, &[], (0, 0));
    }

    /// A program.
    pub(crate) fn program(&mut self, path: &str, bytes: &[u8]) {
        self.entry(path, PROGRAM, bytes, (0, 0));
    }

    /// A file.
    pub(crate) fn file(&mut self, path: &str, bytes: &[u8]) {
        self.entry(path, FILE, bytes, (0, 0));
    }

    /// `/dev/console`, which the kernel opens before anything is mounted.
    pub(crate) fn console(&mut self) {
        self.entry("dev/console", CONSOLE, &[], (5, 1));
    }

    /// The archive's bytes.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[], (0, 0));
        self.out
    }

    fn entry(&mut self, path: &str, mode: u32, bytes: &[u8], device: (u32, u32)) {
        self.entries += 1;
        let length = u32::try_from(bytes.len()).expect("an initial file system is small");
        let name = u32::try_from(path.len() + 1).expect("a path is short");
        // ino, mode, uid, gid, nlink, mtime, size, device of the file, device
        // numbers of the node, length of the name, checksum (unused).
        let fields = [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            length,
            0,
            0,
            device.0,
            device.1,
            name,
            0,
        ];
        self.out.extend_from_slice(b"070701");
        for field in fields {
            self.out
                .extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.out.extend_from_slice(path.as_bytes());
        self.out.push(0);
        self.pad();
        self.out.extend_from_slice(bytes);
        self.pad();
    }

    fn pad(&mut self) {
        self.out.resize(self.out.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    /// The real reader's opinion, where it is installed.
    #[test]
    fn busybox_reads_the_archive() {
        let mut archive = Archive::default();
        archive.directory("dev");
        archive.console();
        archive.program("init", b"#!\n");
        archive.file("note", b"12345");
        let bytes = archive.finish();
        assert_eq!(&bytes[..6], b"070701");
        assert_eq!(bytes.len() % 4, 0);

        let Ok(mut reader) = Command::new("cpio")
            .arg("-tv")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
        else {
            return;
        };
        reader.stdin.take().unwrap().write_all(&bytes).unwrap();
        let said = String::from_utf8(reader.wait_with_output().unwrap().stdout).unwrap();

        assert!(
            said.contains("dev/console") && said.contains("-rwxr-xr-x"),
            "{said}"
        );
    }
}
