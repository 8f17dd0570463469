//! A technician's screen that nobody looks at, and the marks looked for on it.
//!
//! A [`Pattern`] is random black and white squares painted on a remote screen;
//! finding it in a local screenshot shows that the remote picture arrived.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::keys::random_word;
use crate::namespace::{Ns, finish, said};
use crate::{LabError, Running, Site, ready};

/// An X screen (Xvfb) in one of the lab's places; ends when dropped.
pub struct Screen<'a> {
    site: &'a Site,
    ns: Ns,
    display: String,
    _server: Running,
}

impl<'a> Screen<'a> {
    /// Starts a screen in a place of the technician's side or the gateway's.
    pub fn start(site: &'a Site, ns: Ns) -> Result<Self, LabError> {
        let mut command = site.command(ns, "Xvfb");
        command
            .args(["-displayfd", "1", "-screen", "0", "1280x1024x24"])
            // When its last program goes, it stays as it is for the next one.
            .args(["-nolisten", "tcp", "-ac", "-noreset"]);
        let server = site.spawn(&format!("screen-{}", ns.name()), &mut command)?;
        let display = ready::until("Xvfb", Duration::from_secs(40), || {
            let log = server.log();
            let number = log.lines().find(|line| line.parse::<u32>().is_ok());
            match number {
                Some(number) => Ok(format!(":{number}")),
                None => Err(log),
            }
        })?;
        Ok(Self {
            site,
            ns,
            display,
            _server: server,
        })
    }

    /// A command that will run `program` on this screen.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = self.site.command(self.ns, program);
        command.env("DISPLAY", &self.display);
        command
    }

    /// Waits until the pattern is seen. Where it is not, and the variable
    /// `CULVERT_LAB_KEEP` names a folder, the last screenshot is left there.
    pub fn wait_for(&self, pattern: &Pattern, limit: Duration) -> Result<(), LabError> {
        let seen = self.look_for(pattern, limit);
        if let (Err(_), Some(folder)) = (&seen, std::env::var_os("CULVERT_LAB_KEEP")) {
            // Only a help for people: the error itself is what counts.
            let name = format!("screen-{}.png", std::process::id());
            let _ = self.save(&Path::new(&folder).join(name));
        }
        seen
    }

    fn look_for(&self, pattern: &Pattern, limit: Duration) -> Result<(), LabError> {
        ready::until("the pattern on the screen", limit, || {
            let picture = self.picture().map_err(|error| error.to_string())?;
            if pattern.is_in(&picture) {
                return Ok(());
            }
            Err("the pattern is not in the screenshot".into())
        })
    }

    /// Clicks into the middle of the window whose title holds `title` and
    /// types a line into it.
    pub fn type_line(&self, title: &str, line: &str) -> Result<(), LabError> {
        self.type_behind(title, "mousemove --window $w 300 200 click 1", line)
    }

    /// Types an address into the browser whose title holds `title`.
    pub fn type_address(&self, title: &str, address: &str) -> Result<(), LabError> {
        self.type_behind(title, "key ctrl+l", address)
    }

    /// Makes the window whose title holds `title` large enough for a whole remote
    /// screen, and types an answer to what it asks; a tab goes to the next field.
    pub fn type_answer(&self, title: &str, answer: &str) -> Result<(), LabError> {
        let before = format!("windowsize $w {LARGE} sleep 1 key ctrl+a");
        self.type_behind(title, &before, answer)
    }

    /// Makes the window whose title holds `title` as large as that, and clicks at a
    /// place in it.
    pub fn click(&self, title: &str, (x, y): (u16, u16)) -> Result<(), LabError> {
        self.at_window(
            title,
            &format!(
                "xdotool windowsize $w {LARGE}
                 xdotool mousemove --window $w {x} {y} click 1"
            ),
        )
    }

    /// Whether a place of the screen is light.
    pub fn is_light(&self, (x, y): (usize, usize)) -> Result<bool, LabError> {
        Ok(self.picture()?.is_light(x, y))
    }

    fn type_behind(&self, title: &str, before: &str, line: &str) -> Result<(), LabError> {
        self.at_window(
            title,
            &format!(
                "xdotool {before}
                 xdotool type --delay 40 '{line}'
                 xdotool key Return"
            ),
        )
    }

    /// Runs a script for a window, `$w`, which has the keys then.
    fn at_window(&self, title: &str, script: &str) -> Result<(), LabError> {
        let script = format!(
            "w=$(xdotool search --onlyvisible --name '{title}' | tail -1)
             timeout 5 xdotool windowfocus --sync $w || true
             {script}"
        );
        let mut command = self.command("sh");
        command.args(["-ec", &script]);
        let output = finish(&mut command)?;
        if output.status.success() {
            return Ok(());
        }
        Err(LabError::Failed {
            what: format!("working in {title}"),
            output: said(&output),
        })
    }

    /// Writes what the screen shows to a PNG file, to look at.
    pub fn save(&self, path: &Path) -> Result<(), LabError> {
        let mut command = self.command("sh");
        let script = "xwd -root -silent | convert xwd:- png:-";
        let output = finish(command.args(["-c", script]))?;
        fs::write(path, &output.stdout).map_err(LabError::file(path))
    }

    fn picture(&self) -> Result<Picture, LabError> {
        let mut command = self.command("sh");
        let output =
            finish(command.args(["-c", "xwd -root -silent | convert xwd:- -depth 8 pgm:-"]))?;
        Picture::read_pgm(&output.stdout)
    }
}

/// A grey picture.
pub(crate) struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Picture {
    /// Reads a binary PGM as ImageMagick writes it: "P5", perhaps a comment
    /// line, then width, height and 255.
    pub(crate) fn read_pgm(bytes: &[u8]) -> Result<Self, LabError> {
        let bad = || LabError::Unreadable("picture");
        let mut rest = bytes;
        let mut words = Vec::new();
        while words.len() < 4 {
            let comment = rest.first() == Some(&b'#');
            let ends = |byte: &u8| *byte == b'\n' || (!comment && *byte == b' ');
            let end = rest.iter().position(ends).ok_or_else(bad)?;
            if !comment {
                words.push(String::from_utf8_lossy(&rest[..end]));
            }
            rest = &rest[end + 1..];
        }
        let width: usize = words[1].parse().map_err(|_| bad())?;
        let height: usize = words[2].parse().map_err(|_| bad())?;
        let pixels = width
            .checked_mul(height)
            .and_then(|count| rest.get(..count));
        Ok(Self {
            width,
            height,
            pixels: pixels.ok_or_else(bad)?.to_vec(),
        })
    }

    fn is_light(&self, x: usize, y: usize) -> bool {
        self.pixels[y * self.width + x] > 127
    }
}

/// Random black and white squares.
pub struct Pattern {
    light: Vec<bool>,
}

impl Pattern {
    /// A pattern nobody has seen before.
    pub fn random() -> Result<Self, LabError> {
        let word = random_word(CELLS * CELLS)?;
        // Half of the alphabet is light.
        let light = word.bytes().map(|letter| letter < b'n').collect();
        Ok(Self { light })
    }

    /// Covers the background of a host's screen with the pattern.
    pub fn paint(&self, site: &Site, host: Ns, display: u32) -> Result<(), LabError> {
        let name = format!("pattern-{}.xbm", random_word(6)?);
        let file = site.temp_dir().join(name);
        fs::write(&file, self.xbm()).map_err(LabError::file(&file))?;
        let mut command = site.command(host, "setpriv");
        site.as_account(&mut command, Some(display));
        command.env(
            "XAUTHORITY",
            format!("/home/{}/.Xauthority", site.credentials().user),
        );
        command.args(["xsetroot", "-fg", "black", "-bg", "white", "-bitmap"]);
        command.arg(&file);
        let output = finish(&mut command)?;
        if output.status.success() {
            return Ok(());
        }
        Err(LabError::Failed {
            what: "painting the pattern".into(),
            output: said(&output),
        })
    }

    /// Whether the picture shows the whole pattern, undistorted, anywhere.
    pub(crate) fn is_in(&self, picture: &Picture) -> bool {
        let side = CELLS * CELL;
        let columns = picture.width.saturating_sub(side);
        let rows = picture.height.saturating_sub(side);
        (0..rows).any(|y| (0..columns).any(|x| self.is_at(picture, x, y)))
    }

    fn is_at(&self, picture: &Picture, left: usize, top: usize) -> bool {
        let mut wrong = 0;
        for (index, light) in self.light.iter().enumerate() {
            let x = left + index % CELLS * CELL + CELL / 2;
            let y = top + index / CELLS * CELL + CELL / 2;
            wrong += usize::from(picture.is_light(x, y) != *light);
            if wrong > TOLERATED {
                return false;
            }
        }
        true
    }

    /// The X bitmap format: text, one bit a pixel, lowest bit leftmost.
    fn xbm(&self) -> String {
        let side = CELLS * CELL;
        let mut text = format!(
            "#define p_width {side}\n#define p_height {side}\nstatic unsigned char p_bits[] = {{\n"
        );
        for y in 0..side {
            for byte in 0..side / 8 {
                let dark = |bit: &usize| !self.light[y / CELL * CELLS + (byte * 8 + bit) / CELL];
                let value: u32 = (0..8).filter(dark).map(|bit| 1_u32 << bit).sum();
                text.push_str(&format!("0x{value:02x},"));
            }
            text.push('\n');
        }
        text.push_str("};\n");
        text
    }
}

/// A window in which a remote screen is seen as a whole.
const LARGE: &str = "1240 980";
/// Squares in a row and in a column.
const CELLS: usize = 20;
/// Pixels of a square's side.
const CELL: usize = 6;
/// A pointer may hide a few squares of the 400.
const TOLERATED: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_found_where_it_is_and_not_in_another() {
        let (one, other) = (Pattern::random().unwrap(), Pattern::random().unwrap());
        let picture = one.painted_at(37, 61);
        assert!(one.is_in(&picture));
        assert!(!other.is_in(&picture));
    }

    #[test]
    fn a_flat_screen_shows_no_pattern() {
        let pattern = Pattern::random().unwrap();
        for shade in [0, 255] {
            let picture = Picture {
                width: 400,
                height: 300,
                pixels: vec![shade; 400 * 300],
            };
            assert!(!pattern.is_in(&picture));
        }
    }

    #[test]
    fn a_picture_with_a_comment_is_read() {
        let picture = Picture::read_pgm(b"P5\n#xwdump of x\n2 1\n255\n\x00\xff").unwrap();
        assert!(!picture.is_light(0, 0) && picture.is_light(1, 0));
    }

    #[test]
    fn a_cut_picture_is_refused() {
        assert!(Picture::read_pgm(b"P5\n4 4\n255\n0123").is_err());
        assert!(Picture::read_pgm(b"P5\n4 ").is_err());
        assert!(Picture::read_pgm(b"").is_err());
    }

    impl Pattern {
        fn painted_at(&self, left: usize, top: usize) -> Picture {
            let (width, height) = (400, 300);
            let mut pixels = vec![90; width * height];
            for y in 0..CELLS * CELL {
                for x in 0..CELLS * CELL {
                    let light = self.light[y / CELL * CELLS + x / CELL];
                    pixels[(top + y) * width + left + x] = if light { 250 } else { 3 };
                }
            }
            Picture {
                width,
                height,
                pixels,
            }
        }
    }
}
