//! PostgreSQL with a fresh cluster in a temporary folder. Nothing in it needs to outlive a power failure, so it never flushes.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tempfile::TempDir;

use crate::process::{self, Process, free_port};
use crate::tools::{self, PostgresTools, run};
use crate::{blocking, fresh_name};

const USER: &str = "tact";

/// One PostgreSQL server; dropping it ends it and removes what it stored.
#[derive(Debug)]
pub struct Postgres {
    tools: PostgresTools,
    folder: TempDir,
    port: u16,
    /// Whom it runs as when we are root, which it refuses to be.
    other: Option<(u32, u32)>,
    process: Mutex<Option<Process>>,
}

impl Postgres {
    /// Starts a server of one's own.
    ///
    /// # Errors
    /// If there is no PostgreSQL, or it does not start; the error holds the end of its log.
    pub async fn start() -> Result<Self> {
        blocking(Self::start_blocking).await
    }

    /// The server that all tests of this process share; each takes a database of its own. Nobody may stop it.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<Postgres, String>> = OnceLock::new();
        let shared = blocking(|| Ok(SHARED.get_or_init(|| Self::start_blocking().map_err(|error| format!("{error:#}"))))).await?;
        shared.as_ref().map_err(|error| anyhow!("{error}"))
    }

    /// Makes an empty database, and returns its address for clients: `postgres://tact@127.0.0.1:PORT/NAME`.
    ///
    /// # Errors
    /// If the server does not answer.
    pub async fn database(&self) -> Result<String> {
        let name = fresh_name("db").replace('-', "_");
        let (port, statement) = (self.port, format!("create database {name}"));
        blocking(move || execute(port, &statement)).await?;
        Ok(self.url(&name))
    }

    /// The address of a database for clients.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// The end of its log.
    pub fn last_lines(&self) -> String {
        process::last_lines(&self.folder.path().join("log"))
    }

    /// Kills it with SIGKILL.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill(&self) -> Result<()> {
        self.take()?.kill()
    }

    /// Stops it: running statements are broken off.
    ///
    /// # Errors
    /// If it does not run or does not stop.
    pub async fn stop(&self) -> Result<()> {
        let process = self.take()?;
        blocking(move || process.stop("INT")).await
    }

    /// Starts it again on the same port with what it stored. It must have been stopped or killed.
    ///
    /// # Errors
    /// If it runs, or does not start.
    pub async fn restart(&self) -> Result<()> {
        if self.running().is_some() {
            bail!("PostgreSQL still runs");
        }
        // The processes of a killed server may need a moment to notice it, and hold its memory until then.
        let mut attempts = 0;
        loop {
            let mut process = self.launch()?;
            let port = self.port;
            let started = blocking(move || {
                let ready = process.wait_until(|| execute(port, "select 1").is_ok());
                Ok((process, ready))
            });
            let (process, ready) = started.await?;
            match ready {
                Ok(()) => {
                    *self.running() = Some(process);
                    return Ok(());
                }
                Err(error) if attempts == 10 => return Err(error),
                Err(_) => attempts += 1,
            }
        }
    }

    fn start_blocking() -> Result<Self> {
        let tools = tools::postgres()?;
        let folder = tempfile::Builder::new().prefix("tact-postgres-").tempdir()?;
        let other = other_user()?;
        if let Some((user, group)) = other {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group))?;
        }
        let postgres = Self { tools, folder, port: free_port()?, other, process: Mutex::new(None) };
        let mut initdb = postgres.command("initdb");
        initdb
            .args(["--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "--username", USER, "--pgdata"])
            .arg(postgres.data());
        run(&mut initdb)?;
        let mut process = postgres.launch()?;
        process.wait_until(|| execute(postgres.port, "select 1").is_ok())?;
        *postgres.running() = Some(process);
        Ok(postgres)
    }

    fn launch(&self) -> Result<Process> {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        let sockets = format!("unix_socket_directories={}", self.folder.path().display());
        for setting in [
            &sockets,
            "listen_addresses=127.0.0.1",
            "fsync=off",
            "full_page_writes=off",
            "synchronous_commit=off",
            "jit=off",
            "shared_buffers=64MB",
            "max_connections=200",
            "timezone=UTC",
        ] {
            command.args(["-c", setting]);
        }
        Process::start(command, self.folder.path())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.tools.bin.join(program));
        command.current_dir(self.folder.path()).env("LC_ALL", "C");
        if let Some(libraries) = &self.tools.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        if let Some((user, group)) = self.other {
            command.uid(user).gid(group);
        }
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn running(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn take(&self) -> Result<Process> {
        self.running().take().context("PostgreSQL does not run")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the end of PostgreSQL's log ---\n{}", self.last_lines());
        }
        if let Some(process) = self.running().take() {
            // Its children outlive a kill for a moment, and would write into the folder while it is removed.
            let _ = process.stop("QUIT");
        }
    }
}

/// User and group of somebody harmless, if we are root.
fn other_user() -> Result<Option<(u32, u32)>> {
    if run(Command::new("id").arg("-u"))?.trim() != "0" {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    let found = ["postgres", "nobody"].iter().find_map(|name| {
        let mut fields = users.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    found.map(Some).context("we are root, which PostgreSQL refuses to be, and there is neither a user postgres nor nobody")
}

/// Runs one statement: as much of PostgreSQL's protocol as that takes where no password is asked for.
fn execute(port: u16, statement: &str) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let parameters = format!("user\0{USER}\0database\0postgres\0\0");
    let mut hello = Vec::from(u32::try_from(parameters.len() + 8)?.to_be_bytes());
    hello.extend(196_608_u32.to_be_bytes());
    hello.extend(parameters.as_bytes());
    stream.write_all(&hello)?;
    until_ready(&mut stream)?;
    let mut query = vec![b'Q'];
    query.extend(u32::try_from(statement.len() + 5)?.to_be_bytes());
    query.extend(statement.as_bytes());
    query.push(0);
    stream.write_all(&query)?;
    until_ready(&mut stream)?;
    stream.write_all(&[b'X', 0, 0, 0, 4])?;
    Ok(())
}

/// Reads messages until the server is ready for a query; an error message becomes an error.
fn until_ready(stream: &mut TcpStream) -> Result<()> {
    let mut refused = None;
    loop {
        let mut head = [0; 5];
        if let Err(error) = stream.read_exact(&mut head) {
            return Err(refused.unwrap_or_else(|| error.into()));
        }
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let mut body = vec![0; usize::try_from(length)?.saturating_sub(4)];
        stream.read_exact(&mut body)?;
        match head[0] {
            b'Z' => return refused.map_or(Ok(()), Err),
            b'E' => refused = Some(anyhow!("{}", String::from_utf8_lossy(&body).replace('\0', " "))),
            b'R' if body != [0; 4] => bail!("the server asks for a password"),
            _ => {}
        }
    }
}
