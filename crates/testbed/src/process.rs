//! One server process: started, signalled by its own id, and ended with us even if we are killed.

use std::collections::HashSet;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a server may take to start or to stop.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Waits for the end of its standard input, which is ours, and then kills the server and removes its folder: both end with us,
    /// whatever ends us. Values in statics, which are never dropped, end so too.
    guard: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a server whose output goes to the end of `log` in `folder`, which is temporary and holds all that it stores.
    pub(crate) fn start(mut command: Command, folder: &Path) -> Result<Self> {
        let log = folder.join("log");
        let output = File::options().create(true).append(true).open(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let mut child = command.spawn().with_context(|| format!("{} cannot be started", command.get_program().display()))?;
        let guard = Command::new("sh")
            .args(["-c", "trap '' INT TERM HUP; read _; kill -9 \"$0\" && sleep 1; rm -rf \"$1\"", &child.id().to_string()])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match guard {
            Ok(guard) => Ok(Self { child, guard, log }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error).context("sh cannot be started")
            }
        }
    }

    /// Waits until `ready` says so; an error if the server ends before, or it takes too long.
    pub(crate) fn wait_until(&mut self, ready: impl Fn() -> bool) -> Result<()> {
        let began = Instant::now();
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}:\n{}", self.last_lines());
            }
            if began.elapsed() > PATIENCE {
                bail!("the server is not ready after {} s:\n{}", PATIENCE.as_secs(), self.last_lines());
            }
            pause();
        }
        Ok(())
    }

    /// Sends a signal by name, as `kill` takes it.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        // A builtin of the shell, since the program `kill` is not on every machine.
        let status = Command::new("sh").args(["-c", "kill -\"$1\" \"$0\"", &self.child.id().to_string(), name]).status()?;
        if !status.success() {
            bail!("signal {name} cannot be sent to process {}", self.child.id());
        }
        Ok(())
    }

    /// Stops it where it is, and waits until each of its threads stands still: the signal alone lets them finish what they are at.
    pub(crate) fn freeze(&self) -> Result<()> {
        self.signal("STOP")?;
        let began = Instant::now();
        while !self.stands_still()? {
            if began.elapsed() > PATIENCE {
                bail!("process {} does not stand still after {} s", self.child.id(), PATIENCE.as_secs());
            }
            pause();
        }
        Ok(())
    }

    fn stands_still(&self) -> Result<bool> {
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // A thread that has just ended does nothing any more.
            let Ok(stat) = std::fs::read_to_string(thread?.path().join("stat")) else { continue };
            let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
            if state != Some('T') {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Kills it at once, as a power failure of the process would.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end by a signal, and waits until it has.
    pub(crate) fn stop(mut self, signal: &str) -> Result<()> {
        self.signal(signal)?;
        let began = Instant::now();
        while self.child.try_wait()?.is_none() {
            if began.elapsed() > PATIENCE {
                bail!("the server has not stopped after {} s:\n{}", PATIENCE.as_secs(), self.last_lines());
            }
            pause();
        }
        Ok(())
    }

    fn last_lines(&self) -> String {
        last_lines(&self.log)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The guard first: once the server is reaped, its id may be another process's.
        let _ = self.guard.kill();
        let _ = self.guard.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Between two looks at a condition that nothing tells us about.
#[allow(clippy::disallowed_methods, reason = "another process's state can only be asked for again and again")]
fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

/// The end of a server's log, for the message of a failed test.
pub(crate) fn last_lines(log: &Path) -> String {
    let text = String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// A port of 127.0.0.1 that is free now and that this process has not handed out before.
pub(crate) fn free_port() -> Result<u16> {
    static HANDED_OUT: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    loop {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut handed_out = HANDED_OUT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if handed_out.get_or_insert_default().insert(port) {
            return Ok(port);
        }
    }
}
