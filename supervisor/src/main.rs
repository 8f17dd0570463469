//! `culvert-supervisor`: process 1 of a box, twice.
//!
//! As `/init` of the initial file system it checks the slot that the boot
//! loader chose and enters its root; as `/sbin/init` of that root it runs the
//! box; as `/sbin/dhcp-event` the DHCP client calls it with what it learned.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let called = std::env::args_os().next().unwrap_or_default();
    if Path::new(&called).file_name() == Some(OsStr::new("dhcp-event")) {
        return culvert_supervisor::dhcp::event();
    }
    if std::process::id() != 1 {
        culvert_supervisor::console::line("this program is process 1 of a box and nothing else");
        return ExitCode::from(2);
    }
    if Path::new(&called) == Path::new("/init") {
        culvert_supervisor::early::main()
    } else {
        culvert_supervisor::run::main()
    }
}
