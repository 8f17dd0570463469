//! The last door: closes what was inherited, then lets the process do nothing
//! but compute, read, write and end (decision 0020).
//!
//! The only file of the gateway with `unsafe`. Driven by [`super::confine`].

#![expect(
    unsafe_code,
    reason = "seccomp(2), close_range(2) and the two inherited descriptors have no safe form"
)]

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};

use super::program::{Rule, program};

/// The pair to the gateway, where a program expects its input.
const PAIR: RawFd = 0;
/// The connected LAN socket, where a program writes its output.
const LAN: RawFd = 1;

/// Takes the two descriptors that the gateway handed over. Call once, first.
pub(super) fn inherited() -> (OwnedFd, OwnedFd) {
    // SAFETY: the gateway starts a worker with exactly these two descriptors
    // (`super::spawn`), nothing else in the process owns them, and this runs
    // once, before anything uses standard input or output.
    unsafe { (OwnedFd::from_raw_fd(PAIR), OwnedFd::from_raw_fd(LAN)) }
}

/// Closes every descriptor but the two.
pub(super) fn close_others() -> io::Result<()> {
    // SAFETY: closes descriptors 2 and above; nothing in this process owns one
    // yet, as this runs before the runtime is built.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 2_u32, u32::MAX, 0_u32) };
    match closed {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Puts the filter in place, for this thread and all it could make. The caller
/// has set `no_new_privs` and runs on one thread.
pub(super) fn lock() -> io::Result<()> {
    let mut instructions = program(ARCHITECTURE, RULES);
    let filter = libc::sock_fprog {
        len: u16::try_from(instructions.len()).expect("a few hundred instructions"),
        filter: instructions.as_mut_ptr(),
    };
    // SAFETY: `filter` points to `len` instructions that live until after the
    // call; the kernel copies and checks them.
    let set = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0_u32,
            &raw const filter,
        )
    };
    match set {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

// linux/audit.h: EM_* with the bits for 64-bit and little-endian.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;
#[cfg(target_arch = "arm")]
const ARCHITECTURE: u32 = 0x4000_0028;

// 32-bit calls with 64-bit times, which libc does not name for arm
// (arch/arm/tools/syscall.tbl).
#[cfg(target_arch = "arm")]
const CLOCK_GETTIME64: libc::c_long = 403;
#[cfg(target_arch = "arm")]
const FUTEX_TIME64: libc::c_long = 422;

const EXECUTABLE: u32 = libc::PROT_EXEC.cast_unsigned();

/// What a worker may do: nothing here opens, connects, makes a process or a
/// thread, signals, or makes memory executable.
const RULES: &[Rule] = &[
    // The two sockets, and waiting for them.
    Rule::Call(libc::SYS_read),
    Rule::Call(libc::SYS_write),
    Rule::Call(libc::SYS_readv),
    Rule::Call(libc::SYS_writev),
    Rule::Call(libc::SYS_recvfrom),
    Rule::Call(libc::SYS_sendto),
    #[cfg(target_arch = "arm")]
    Rule::Call(libc::SYS_recv),
    #[cfg(target_arch = "arm")]
    Rule::Call(libc::SYS_send),
    Rule::Call(libc::SYS_epoll_ctl),
    Rule::Call(libc::SYS_epoll_pwait),
    #[cfg(any(target_arch = "x86_64", target_arch = "arm"))]
    Rule::Call(libc::SYS_epoll_wait),
    Rule::Call(libc::SYS_shutdown),
    Rule::Call(libc::SYS_close),
    // The standard library asks whether a descriptor is open before it closes
    // it, in debug builds.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    Rule::Only {
        call: libc::SYS_fcntl,
        argument: 1,
        value: libc::F_GETFD.cast_unsigned(),
    },
    #[cfg(target_arch = "arm")]
    Rule::Only {
        call: libc::SYS_fcntl64,
        argument: 1,
        value: libc::F_GETFD.cast_unsigned(),
    },
    // Memory, never executable.
    Rule::Call(libc::SYS_brk),
    Rule::Call(libc::SYS_munmap),
    Rule::Call(libc::SYS_mremap),
    Rule::Call(libc::SYS_madvise),
    // russh keeps its secrets out of swap.
    Rule::Call(libc::SYS_mlock),
    Rule::Call(libc::SYS_munlock),
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    Rule::Without {
        call: libc::SYS_mmap,
        argument: 2,
        bits: EXECUTABLE,
    },
    #[cfg(target_arch = "arm")]
    Rule::Without {
        call: libc::SYS_mmap2,
        argument: 2,
        bits: EXECUTABLE,
    },
    Rule::Without {
        call: libc::SYS_mprotect,
        argument: 2,
        bits: EXECUTABLE,
    },
    // Time, chance, waiting for oneself.
    Rule::Call(libc::SYS_clock_gettime),
    #[cfg(target_arch = "arm")]
    Rule::Call(CLOCK_GETTIME64),
    Rule::Call(libc::SYS_getrandom),
    Rule::Call(libc::SYS_futex),
    #[cfg(target_arch = "arm")]
    Rule::Call(FUTEX_TIME64),
    Rule::Call(libc::SYS_sched_yield),
    Rule::Call(libc::SYS_restart_syscall),
    // The end.
    Rule::Call(libc::SYS_sigaltstack),
    Rule::Call(libc::SYS_rt_sigprocmask),
    Rule::Call(libc::SYS_rt_sigreturn),
    Rule::Call(libc::SYS_exit),
    Rule::Call(libc::SYS_exit_group),
];
