//! NATS with JetStream: one server, or three that are one cluster. Every server flushes each message before it answers, unless it is said
//! otherwise.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tempfile::TempDir;

use crate::process::{self, Process, free_port};
use crate::{blocking, tools};

/// One NATS server; dropping it ends it and removes what it stored.
#[derive(Debug)]
pub struct Nats {
    server: PathBuf,
    folder: TempDir,
    name: String,
    port: u16,
    monitor: u16,
    process: Mutex<Option<Process>>,
}

impl Nats {
    /// Starts a server of one's own.
    ///
    /// # Errors
    /// If there is no server program, or it does not start; the error holds the end of its log.
    pub async fn start() -> Result<Self> {
        Self::start_with("").await
    }

    /// Starts a server of one's own that flushes to disk as NATS does by default: every two minutes. It loses acknowledged events on power
    /// failure: for benchmarks, and for tests that write very much and never end a server.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_with_default_sync() -> Result<Self> {
        blocking(|| {
            let nats = Self::prepare_with("alone", "", "")?;
            nats.launch()?;
            nats.wait_until_ready()?;
            Ok(nats)
        })
        .await
    }

    /// Starts a server of one's own with lines added to its configuration, such as its users.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_with(configuration: &str) -> Result<Self> {
        let configuration = configuration.to_owned();
        blocking(move || Self::start_blocking(&configuration)).await
    }

    /// The server that all tests of this process share; each takes a network of its own, see [`crate::fresh_name`].
    /// Nobody may stop it.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<Nats, String>> = OnceLock::new();
        let shared =
            blocking(|| Ok(SHARED.get_or_init(|| Self::start_blocking("").map_err(|error| format!("{error:#}"))))).await?;
        shared.as_ref().map_err(|error| anyhow!("{error}"))
    }

    fn start_blocking(configuration: &str) -> Result<Self> {
        let nats = Self::prepare("alone", configuration)?;
        nats.launch()?;
        nats.wait_until_ready()?;
        Ok(nats)
    }

    fn prepare(name: &str, configuration: &str) -> Result<Self> {
        Self::prepare_with(name, configuration, ", sync_interval: always")
    }

    fn prepare_with(name: &str, configuration: &str, sync: &str) -> Result<Self> {
        let server = tools::nats_server()?;
        let folder = tempfile::Builder::new().prefix("tact-nats-").tempdir()?;
        let (port, monitor) = (free_port()?, free_port()?);
        let text = format!(
            "server_name: {name}\nlisten: 127.0.0.1:{port}\nhttp: 127.0.0.1:{monitor}\n\
             jetstream {{ store_dir: \"{}\"{sync} }}\n{configuration}\n",
            folder.path().join("store").display()
        );
        std::fs::write(folder.path().join("nats.conf"), text)?;
        Ok(Self { server, folder, name: name.to_owned(), port, monitor, process: Mutex::new(None) })
    }

    /// The address for clients.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The server's name in its cluster.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The end of its log.
    pub fn last_lines(&self) -> String {
        process::last_lines(&self.folder.path().join("log"))
    }

    /// Kills it with SIGKILL: everything that was not on the disk is lost.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill(&self) -> Result<()> {
        self.take()?.kill()
    }

    /// Stops it in good order.
    ///
    /// # Errors
    /// If it does not run or does not stop.
    pub async fn stop(&self) -> Result<()> {
        let process = self.take()?;
        blocking(move || process.stop("TERM")).await
    }

    /// Starts it again on the same port with what it stored, and returns when it takes clients; a node of a cluster may then still
    /// be catching up. It must have been stopped or killed.
    ///
    /// # Errors
    /// If it runs, or does not start.
    pub async fn restart(&self) -> Result<()> {
        if self.running().is_some() {
            bail!("server {} still runs", self.name);
        }
        self.launch()?;
        let port = self.port;
        self.until(move || answers(port)).await
    }

    /// Freezes it with SIGSTOP: once this returns, its connections stay open and nothing answers.
    ///
    /// # Errors
    /// If it does not run.
    pub fn pause(&self) -> Result<()> {
        self.running().as_ref().context("it does not run")?.freeze()
    }

    /// Lets it go on after [`Self::pause`].
    ///
    /// # Errors
    /// If it does not run.
    pub fn resume(&self) -> Result<()> {
        self.running().as_ref().context("it does not run")?.signal("CONT")
    }

    fn launch(&self) -> Result<()> {
        let mut command = Command::new(&self.server);
        command.arg("--config").arg(self.folder.path().join("nats.conf"));
        *self.running() = Some(Process::start(command, self.folder.path())?);
        Ok(())
    }

    fn wait_until_ready(&self) -> Result<()> {
        let monitor = self.monitor;
        self.running().as_mut().context("it does not run")?.wait_until(|| get(monitor, "/healthz").is_ok())
    }

    async fn until(&self, ready: impl Fn() -> bool + Send + Sync + 'static) -> Result<()> {
        let mut process = self.take()?;
        let (process, result) = blocking(move || {
            let result = process.wait_until(ready);
            Ok((process, result))
        })
        .await?;
        *self.running() = Some(process);
        result
    }

    fn running(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn take(&self) -> Result<Process> {
        self.running().take().with_context(|| format!("server {} does not run", self.name))
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the end of NATS server {}'s log ---\n{}", self.name, self.last_lines());
        }
    }
}

/// Three NATS servers that are one JetStream cluster.
#[derive(Debug)]
pub struct NatsCluster {
    nodes: Vec<Nats>,
}

impl NatsCluster {
    /// Starts a cluster of one's own, and waits until each of its servers finds it healthy.
    ///
    /// # Errors
    /// As [`Nats::start`].
    pub async fn start() -> Result<Self> {
        blocking(Self::start_blocking).await
    }

    /// The cluster that all tests of this process share. Nobody may stop a node of it.
    ///
    /// # Errors
    /// As [`Nats::start`].
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<NatsCluster, String>> = OnceLock::new();
        let shared = blocking(|| Ok(SHARED.get_or_init(|| Self::start_blocking().map_err(|error| format!("{error:#}"))))).await?;
        shared.as_ref().map_err(|error| anyhow!("{error}"))
    }

    fn start_blocking() -> Result<Self> {
        let ports = [free_port()?, free_port()?, free_port()?];
        let routes: Vec<String> = ports.iter().map(|port| format!("\"nats-route://127.0.0.1:{port}\"")).collect();
        let nodes = ports.iter().zip(["one", "two", "three"]).map(|(port, name)| {
            let cluster = format!("cluster {{ name: tact, listen: 127.0.0.1:{port}, routes: [{}] }}", routes.join(", "));
            Nats::prepare(name, &cluster)
        });
        let nodes = nodes.collect::<Result<Vec<Nats>>>()?;
        nodes.iter().try_for_each(Nats::launch)?;
        nodes.iter().try_for_each(Nats::wait_until_ready)?;
        Ok(Self { nodes })
    }

    /// The servers, in no particular order.
    pub fn nodes(&self) -> &[Nats] {
        &self.nodes
    }

    /// The addresses for clients, one for each server.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Nats::url).collect()
    }

    /// The server that leads a stream at the moment; `None` while there is none, or no running server knows it.
    pub async fn leader_of(&self, stream: &str) -> Option<&Nats> {
        for node in self.nodes.iter().filter(|node| node.running().is_some()) {
            let monitor = node.monitor;
            let Ok(text) = blocking(move || get(monitor, "/jsz?accounts=true&streams=true")).await else { continue };
            let Ok(state) = serde_json::from_str::<serde_json::Value>(&text) else { continue };
            let accounts = state["account_details"].as_array().into_iter().flatten();
            let mut streams = accounts.flat_map(|account| account["stream_detail"].as_array().into_iter().flatten());
            let leader = streams
                .find(|detail| detail["name"] == stream)
                .and_then(|detail| detail["cluster"]["leader"].as_str().map(str::to_owned));
            if let Some(leader) = leader {
                return self.nodes.iter().find(|node| node.name == leader);
            }
        }
        None
    }
}

fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    Ok(stream)
}

/// Whether a NATS server greets its clients there.
fn answers(port: u16) -> bool {
    let mut first = [0; 4];
    connect(port).is_ok_and(|mut stream| stream.read_exact(&mut first).is_ok()) && &first == b"INFO"
}

/// The body of a page of the monitor, if its status is 200.
fn get(port: u16, path: &str) -> Result<String> {
    let mut stream = connect(port)?;
    // HTTP/1.0, so that the body comes in one piece and ends with the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer without a body")?;
    if head.split(' ').nth(1) != Some("200") {
        bail!("{}", head.lines().next().unwrap_or_default());
    }
    Ok(body.to_owned())
}
