//! A seccomp filter as classic BPF (seccomp(2)): what is not named kills the
//! process.
//!
//! Made here because no crate serves all three architectures of the box: the
//! filter is a list of system calls, nothing more. Pure: makes instructions and
//! runs none. Driven by [`super::filter`].

use libc::sock_filter;

/// One thing that the filter lets through.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// This system call.
    Call(libc::c_long),
    /// This system call, if its argument of that index has none of the bits.
    Without {
        /// The call.
        call: libc::c_long,
        /// Which argument, from 0.
        argument: u32,
        /// What it must not hold.
        bits: u32,
    },
    /// This system call, if its argument of that index is this.
    Only {
        /// The call.
        call: libc::c_long,
        /// Which argument, from 0.
        argument: u32,
        /// What it must be.
        value: u32,
    },
}

/// `LD W ABS`: load a word of `seccomp_data`.
const LOAD: u16 = 0x20;
/// `JMP JEQ K`.
const IF_EQUAL: u16 = 0x15;
/// `JMP JSET K`.
const IF_ANY_BIT: u16 = 0x45;
/// `RET K`.
const RETURN: u16 = 0x06;

/// Offset of the call's number in `seccomp_data`.
const NUMBER: u32 = 0;
/// Offset of the architecture.
const ARCHITECTURE: u32 = 4;
/// Offset of the first argument; each is 8 bytes, low word first (all three
/// architectures are little-endian).
const ARGUMENTS: u32 = 16;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;

const fn step(code: u16, k: u32) -> sock_filter {
    branch(code, k, 0, 0)
}

const fn branch(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// The filter for an architecture (`AUDIT_ARCH_*`). Calls of another one (32-bit
/// calls on 64-bit machines, x32) kill as well.
pub(super) fn program(architecture: u32, rules: &[Rule]) -> Vec<sock_filter> {
    let mut out = vec![
        step(LOAD, ARCHITECTURE),
        branch(IF_EQUAL, architecture, 1, 0),
        step(RETURN, KILL),
        step(LOAD, NUMBER),
    ];
    for rule in rules {
        match *rule {
            Rule::Call(call) => {
                out.extend([branch(IF_EQUAL, number(call), 0, 1), step(RETURN, ALLOW)])
            }
            Rule::Without {
                call,
                argument,
                bits,
            } => out.extend(judged(call, argument, branch(IF_ANY_BIT, bits, 1, 0))),
            Rule::Only {
                call,
                argument,
                value,
            } => out.extend(judged(call, argument, branch(IF_EQUAL, value, 0, 1))),
        }
    }
    out.push(step(RETURN, KILL));
    out
}

/// A call that `test` allows by one argument: 0 steps over is allowed, 1 is not.
fn judged(call: libc::c_long, argument: u32, test: sock_filter) -> [sock_filter; 5] {
    [
        branch(IF_EQUAL, number(call), 0, 4),
        step(LOAD, ARGUMENTS + 8 * argument),
        test,
        step(RETURN, ALLOW),
        step(RETURN, KILL),
    ]
}

fn number(call: libc::c_long) -> u32 {
    u32::try_from(call).expect("system calls have small numbers")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const X86_64: u32 = 0xc000_003e;
    const EXEC: u32 = 4;

    fn rules() -> Vec<Rule> {
        vec![
            Rule::Call(0),
            Rule::Without {
                call: 9,
                argument: 2,
                bits: EXEC,
            },
            Rule::Only {
                call: 72,
                argument: 1,
                value: 1,
            },
            Rule::Call(60),
        ]
    }

    /// What the kernel would do: seccomp(2)'s machine, as far as it is used.
    fn run(program: &[sock_filter], architecture: u32, call: u32, arguments: [u64; 6]) -> u32 {
        let mut data = Vec::from(call.to_le_bytes());
        data.extend(architecture.to_le_bytes());
        data.extend([0; 8]);
        data.extend(arguments.iter().flat_map(|argument| argument.to_le_bytes()));
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let now = program[at];
            at += 1;
            let jump = |taken| usize::from(if taken { now.jt } else { now.jf });
            match now.code {
                LOAD => {
                    let from = usize::try_from(now.k).unwrap();
                    let word = data[from..from + 4].try_into().unwrap();
                    accumulator = u32::from_le_bytes(word);
                }
                IF_EQUAL => at += jump(accumulator == now.k),
                IF_ANY_BIT => at += jump(accumulator & now.k != 0),
                RETURN => return now.k,
                other => panic!("{other:#x} is not used"),
            }
        }
    }

    #[test]
    fn what_is_named_is_let_through_and_everything_else_kills() {
        let program = program(X86_64, &rules());
        for call in 0..1000 {
            let expected = match call {
                0 | 9 | 60 => ALLOW,
                _ => KILL,
            };
            assert_eq!(run(&program, X86_64, call, [0; 6]), expected, "call {call}");
        }
    }

    #[test]
    fn a_call_that_is_let_through_for_one_thing_kills_for_others() {
        let program = program(X86_64, &rules());
        for command in 0..2000 {
            let verdict = run(&program, X86_64, 72, [5, command, 0, 0, 0, 0]);
            let expected = if command == 1 { ALLOW } else { KILL };
            assert_eq!(verdict, expected, "command {command}");
        }
    }

    #[test]
    fn another_architecture_s_numbers_and_x32_kill() {
        let program = program(X86_64, &rules());

        assert_eq!(run(&program, 0x4000_0003, 0, [0; 6]), KILL);
        assert_eq!(run(&program, X86_64, 0x4000_0000, [0; 6]), KILL);
    }

    proptest! {
        #[test]
        fn memory_that_can_be_executed_is_never_given(protection: u64, rest: [u64; 5]) {
            let program = program(X86_64, &rules());
            let arguments = [rest[0], rest[1], protection, rest[2], rest[3], rest[4]];

            let verdict = run(&program, X86_64, 9, arguments);

            let executable = protection & u64::from(EXEC) != 0;
            prop_assert_eq!(verdict == KILL, executable);
        }
    }
}
