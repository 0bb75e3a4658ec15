use std::{
    io::{Read, Write},
    os::unix::process::ExitStatusExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use wasmtime::Engine;

use super::worker::{CPU_SECONDS_MAX, EXIT_INVALID, INPUT_BYTES_MAX, MEMORY_BYTES_MAX};
use crate::{Compiler, HostError};

/// Wall time that a worker gets, whatever it waits for.
const WALL_MAX: Duration = Duration::from_secs(8);
/// Of the worker's complaint, so much is read.
const MESSAGE_BYTES_MAX: u64 = 4 << 10;
/// A core module and a component differ in the four bytes after the magic number.
const CORE_MODULE_LAYER: [u8; 4] = [1, 0, 0, 0];

/// The compiled form of a component.
pub(crate) fn compile(compiler: &Compiler, engine: &Engine, wasm: &[u8]) -> Result<Vec<u8>, HostError> {
    look_at(wasm)?;
    match compiler {
        Compiler::InProcess => engine.precompile_component(wasm).map_err(|error| invalid(&format!("{error:#}"))),
        Compiler::Worker { program, arguments } => {
            let child = Command::new(program)
                .args(arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .map_err(|error| {
                    HostError::Machine(format!("the compile worker {program:?} cannot be started: {error}"))
                })?;
            run(child, wasm)
        }
    }
}

/// Says in plain words what a compiler would say in its own.
fn look_at(wasm: &[u8]) -> Result<(), HostError> {
    if wasm.len() as u64 > INPUT_BYTES_MAX {
        return Err(HostError::Invalid(format!(
            "the plugin has {} bytes: at most {INPUT_BYTES_MAX} are taken",
            wasm.len()
        )));
    }
    match wasm.split_at_checked(8).map(|(head, _)| head.split_at(4)) {
        Some((b"\0asm", layer)) if layer == CORE_MODULE_LAYER => Err(HostError::Invalid(
            "the file is a core WebAssembly module, not a component: build it with `switchyard plugin build`".into(),
        )),
        Some((b"\0asm", _)) => Ok(()),
        _ => Err(HostError::Invalid(
            "the file is not WebAssembly: it does not begin with \\0asm; build it with `switchyard plugin build`"
                .into(),
        )),
    }
}

fn run(mut child: Child, wasm: &[u8]) -> Result<Vec<u8>, HostError> {
    let (Some(mut input), Some(output), Some(messages)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(HostError::Machine("the compile worker has no pipes".into()));
    };
    // One thread a pipe: a worker that writes before it has read everything must not block both sides.
    let (done, finished) = mpsc::channel();
    let outcome = thread::scope(|scope| {
        scope.spawn(move || {
            // A worker that stops reading has ended, and its status says why.
            let _ = input.write_all(wasm);
        });
        let messages = scope.spawn(move || read(messages, MESSAGE_BYTES_MAX));
        let compiled = scope.spawn(move || {
            let compiled = read(output, MEMORY_BYTES_MAX);
            let _ = done.send(());
            compiled
        });
        let in_time = finished.recv_timeout(WALL_MAX).is_ok();
        if !in_time {
            // It may have ended this very moment; either way it is gone after this.
            let _ = child.kill();
        }
        let status = child.wait();
        (in_time, status, compiled.join(), messages.join())
    });
    let (in_time, status, compiled, messages) = outcome;
    let status = status.map_err(|error| HostError::Machine(format!("the compile worker was lost: {error}")))?;
    let message = String::from_utf8_lossy(&messages.unwrap_or_default()).trim().to_owned();
    if !in_time {
        return Err(HostError::CompileStopped(format!("compiling took more than {} s", WALL_MAX.as_secs())));
    }
    judge(status, &message)?;
    compiled.map_err(|_| HostError::Machine("the compile worker's answer was lost".into()))
}

fn read(source: impl Read, bytes_max: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A pipe that breaks ends the bytes; the worker's status says whether they are all.
    let _ = source.take(bytes_max).read_to_end(&mut bytes);
    bytes
}

fn judge(status: ExitStatus, message: &str) -> Result<(), HostError> {
    const SIGABRT: i32 = 6;
    const SIGKILL: i32 = 9;
    const SIGXCPU: i32 = 24;
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) if code == i32::from(EXIT_INVALID) => Err(invalid(message)),
        (_, Some(SIGXCPU)) => {
            Err(HostError::CompileLimit(format!("compiling took more than {CPU_SECONDS_MAX} s of CPU time")))
        }
        // Its own limits end otherwise.
        (_, Some(SIGKILL)) => {
            Err(HostError::CompileStopped("the compile worker was killed: the machine may be short of memory".into()))
        }
        (_, Some(SIGABRT)) => {
            Err(HostError::CompileLimit(format!("compiling took more than {} MiB of memory", MEMORY_BYTES_MAX >> 20)))
        }
        _ => Err(HostError::Machine(format!("the compile worker failed with {status}: {message}"))),
    }
}

fn invalid(message: &str) -> HostError {
    let first = message.lines().next().unwrap_or_default();
    HostError::Invalid(format!("the file is not a valid component: {first}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_component_is_told_apart() {
        let check = |bytes: &[u8], expected: &str| {
            let error = look_at(bytes).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(b"", "not WebAssembly");
        check(b"\0asm", "not WebAssembly");
        check(b"hello, world", "not WebAssembly");
        check(b"\0asm\x01\0\0\0rest", "core WebAssembly module");
        assert_eq!(look_at(b"\0asm\x0d\0\x01\0rest"), Ok(()));
    }

    #[test]
    fn a_workers_end_says_whose_fault_it_was() {
        let status = |raw| ExitStatus::from_raw(raw);
        assert_eq!(judge(status(0), ""), Ok(()));
        assert!(matches!(judge(status(i32::from(EXIT_INVALID) << 8), "bad"), Err(HostError::Invalid(_))));
        assert!(matches!(judge(status(24), ""), Err(HostError::CompileLimit(_))));
        assert!(matches!(judge(status(6), ""), Err(HostError::CompileLimit(_))));
        assert!(matches!(judge(status(9), ""), Err(HostError::CompileStopped(_))));
        assert!(matches!(judge(status(1 << 8), "x"), Err(HostError::Machine(_))));
    }
}
