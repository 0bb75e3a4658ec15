use std::{
    io::{self, Read, Write},
    process::ExitCode,
};

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::engine;

/// Address space of the worker: Cranelift takes about 50 MiB for a plugin of 1 MiB.
pub(super) const MEMORY_BYTES_MAX: u64 = 512 << 20;
/// CPU time of the worker.
pub(super) const CPU_SECONDS_MAX: u64 = 5;
/// Bytes of WebAssembly that are read at most.
pub(super) const INPUT_BYTES_MAX: u64 = 64 << 20;
/// What the worker answers with when the input is at fault and not its own limits.
pub(super) const EXIT_INVALID: u8 = 10;

/// The body of the worker process: reads WebAssembly on standard input, writes its compiled form on standard output. The
/// limits are the first thing it sets, before it reads a byte.
pub fn compile_worker() -> ExitCode {
    match limit_self().and_then(|()| read_input()) {
        Ok(wasm) => answer(&wasm),
        Err(error) => fail(1, &format!("the compile worker cannot start: {error}")),
    }
}

fn limit_self() -> io::Result<()> {
    let limit = |resource, value| setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) });
    limit(Resource::As, MEMORY_BYTES_MAX)?;
    limit(Resource::Core, 0)?;
    // One second more for the hard limit: at the soft one the kernel says why.
    setrlimit(Resource::Cpu, Rlimit { current: Some(CPU_SECONDS_MAX), maximum: Some(CPU_SECONDS_MAX + 1) })?;
    Ok(())
}

fn read_input() -> io::Result<Vec<u8>> {
    let mut wasm = Vec::new();
    io::stdin().lock().take(INPUT_BYTES_MAX).read_to_end(&mut wasm)?;
    Ok(wasm)
}

fn answer(wasm: &[u8]) -> ExitCode {
    let engine = match engine::compiling() {
        Ok(engine) => engine,
        Err(error) => return fail(1, &error.to_string()),
    };
    match engine.precompile_component(wasm) {
        Ok(compiled) => match io::stdout().lock().write_all(&compiled) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(1, &format!("the compiled form cannot be written: {error}")),
        },
        Err(error) => fail(EXIT_INVALID, &format!("{error:#}")),
    }
}

fn fail(code: u8, message: &str) -> ExitCode {
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::from(code)
}
