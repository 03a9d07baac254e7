//! The command line.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};
use tact::import::{self, command::ImportCommand};
use tact::roles::{self, Role};
use tact::settings::Given;
use tact::{
    audit, demo, dispatch, evidence_cli, exit, feed_cli, history_cli, keys_cli, moving, patient_cli, policy_cli, projections_cli,
    schema_cli, token_cli,
};
use tact_service::clock::Clock;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Patient relations that keep to the stated contact policy.
#[derive(Debug, Parser)]
#[command(
    name = "tact",
    version,
    about,
    after_help = "\
Examples:
  tact demo                                    a sample network, and the page of its morning
  tact serve                                   a network of your own, kept in ./tact-data
  tact token create --label Desk --as administrator --branch north
  tact policy check my-policy.toml

Exit codes:
  0  done
  1  a test of a policy failed, or it could not be done; the last line says why
  2  the command line, a settings file or an input file cannot be read
  3  the event log cannot be reached
  4  a database cannot be reached
  5  what is stored is of a newer version, of another network, or damaged
  6  another process uses the data folder, or there is no room
  7  a history or a backup does not hold

-h is short, --help has every setting. Settings come from --config, TACT_... variables and flags, each later one going before."
)]
struct Cli {
    #[command(flatten)]
    given: Given,
    #[command(subcommand)]
    command: Cmd,
}

#[derive(Debug, Subcommand)]
enum Cmd {
    /// Serve, in all roles or some.
    #[command(after_help = "\
Examples:
  tact serve                                   everything in this process, kept in ./tact-data
  tact serve --listen 0.0.0.0:8080 --data /var/lib/tact
  tact serve --config tact.toml --role contact,projector

The first start prints an administrator's token on standard output, once. Everything else goes to standard error. Exit codes: tact --help")]
    Serve {
        /// A role; several may be named; without any: all.
        #[arg(long = "role", env = "TACT_ROLE", value_enum, value_delimiter = ',')]
        roles: Vec<Role>,
    },
    /// Make a sample network from a seed, print the page of its morning, and serve it.
    #[command(after_help = "Examples:\n  tact demo\n  tact demo --seed 7 --patients 500 --exit")]
    Demo(demo::DemoArgs),
    /// Take in what another system has kept.
    #[command(subcommand)]
    Import(ImportCommand),
    /// Check a policy, and hold it against written cases.
    #[command(subcommand)]
    Policy(policy_cli::PolicyCommand),
    /// Hand out a patient's history, and verify one without a server.
    #[command(subcommand)]
    History(history_cli::HistoryCommand),
    /// Show by what right a contact was made.
    #[command(subcommand)]
    Evidence(evidence_cli::EvidenceCommand),
    /// Make, list and change the keys by which the network signs.
    #[command(subcommand)]
    Keys(keys_cli::KeysCommand),
    /// Papers about one patient.
    #[command(subcommand)]
    Patient(patient_cli::PatientCommand),
    /// Check what is said to patients.
    #[command(subcommand)]
    Templates(dispatch::TemplatesCommand),
    /// A gateway for demonstrations.
    #[command(subcommand)]
    Gateway(dispatch::GatewayCommand),
    /// Give, list and take access.
    #[command(subcommand)]
    Token(token_cli::TokenCommand),
    /// Keep a copy of the network outside of it: made while it runs, checked, and put back.
    #[command(subcommand)]
    Backup(moving::BackupCommand),
    /// Move a network from a data folder to servers, and back.
    #[command(subcommand)]
    Cluster(moving::ClusterCommand),
    /// Build the read models anew.
    #[command(subcommand)]
    Projections(projections_cli::ProjectionsCommand),
    /// Show what was done against the policy, and what led up to each "don't call me".
    Audit(audit::AuditArgs),
    /// Print the OpenAPI 3.1 document of all roles.
    #[command(after_help = "Example:\n  tact openapi > openapi.json")]
    Openapi,
    /// Export the feed for analysts.
    #[command(subcommand)]
    Feed(feed_cli::FeedCommand),
    /// The JSON Schemas of all events.
    #[command(subcommand)]
    Schema(schema_cli::SchemaCommand),
    /// Print the AsyncAPI 3 document of the feed for analysts.
    #[command(after_help = "Example:\n  tact asyncapi --network clinic > asyncapi.json")]
    Asyncapi,
    /// Show the settings in force, without secrets.
    #[command(after_help = "Example:\n  tact config --config tact.toml")]
    Config,
    /// Ask a running server whether it is ready; for images without a shell.
    #[command(after_help = "\
Example:
  tact healthcheck --listen 127.0.0.1:8080

Exit codes: 0 it is ready; 1 it is not, or cannot be reached within 5 s")]
    Healthcheck,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("tact: the runtime cannot be started: {error}");
            return ExitCode::from(exit::FAILED);
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tact: {error:#}");
            ExitCode::from(exit::code(&error))
        }
    }
}

/// For people on a terminal, JSON otherwise; never on standard output.
fn logging() {
    use std::io::IsTerminal;
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let json = match std::env::var("TACT_LOG_FORMAT").as_deref() {
        Ok("json") => true,
        Ok("text") => false,
        _ => !std::io::stderr().is_terminal(),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    if json { builder.json().init() } else { builder.compact().init() }
}

async fn run(cli: Cli) -> Result<ExitCode> {
    if let Cmd::Openapi = cli.command {
        println!("{:#}", roles::whole_document());
        return Ok(ExitCode::SUCCESS);
    }
    if let Cmd::Schema(command) = &cli.command {
        return schema_cli::run(command);
    }
    if let Cmd::Policy(command) = &cli.command {
        return Ok(policy_cli::run(command, &cli.given).await);
    }
    if let Cmd::Evidence(command) = &cli.command {
        return evidence_cli::run(command).await.map(|()| ExitCode::SUCCESS);
    }
    if let Cmd::History(command) = &cli.command {
        return history_cli::run(command).await;
    }
    if let Cmd::Patient(command) = &cli.command {
        patient_cli::run(command).await?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Cmd::Templates(command) = &cli.command {
        return Ok(dispatch::templates(command));
    }
    if let Cmd::Backup(moving::BackupCommand::Verify(arguments)) = &cli.command {
        return moving::verified(arguments);
    }
    let settings = match cli.given.settle() {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("tact: {error:#}");
            return Ok(ExitCode::from(exit::USAGE));
        }
    };
    let clock = settings.now.map_or_else(Clock::machine, Clock::starting_at);
    match cli.command {
        Cmd::Serve { roles } => {
            let roles = if roles.is_empty() { Role::value_variants().to_vec() } else { roles };
            return serve(&settings, &roles, clock).await;
        }
        Cmd::Demo(args) => {
            let mut signals = Signals::new()?;
            let made = tokio::select! {
                made = demo::make(&args, settings.listen) => made?,
                code = signals.come() => return Ok(ExitCode::from(u8::try_from(code).unwrap_or(exit::FAILED))),
            };
            println!("{}", made.page);
            if !args.exit {
                made.running.app.clock.run();
                return until_told(made.running, signals).await;
            }
            made.running.stop().await;
        }
        Cmd::Import(ImportCommand::Appointments(arguments)) => return import_book(&settings, clock, &arguments).await,
        Cmd::Import(ImportCommand::Fhir(arguments)) => return import_fhir(&settings, clock, &arguments).await,
        Cmd::Import(ImportCommand::Providers(arguments)) => return import_providers(&settings, clock, &arguments).await,
        Cmd::Keys(command) => keys_cli::run(&settings, &clock, command).await?,
        Cmd::Token(command) => token_cli::run(&settings, &clock, command).await?,
        Cmd::Backup(command) => return moving::backup(&settings, clock, command).await,
        Cmd::Cluster(command) => return moving::cluster(&settings, clock, command).await,
        Cmd::Projections(command) => projections_cli::run(&settings, clock, command).await?,
        Cmd::Audit(arguments) => audit::run(&settings, &arguments).await?,
        Cmd::Feed(command) => feed_cli::run(&settings, command).await?,
        Cmd::Asyncapi => println!("{:#}", tact_feed::asyncapi::document(&settings.network)),
        Cmd::Gateway(command) => {
            let mut signals = Signals::new()?;
            tokio::select! {
                served = dispatch::gateway(&command, clock) => served?,
                _ = signals.come() => {}
            }
        }
        Cmd::Config => println!("{}", settings.shown()),
        Cmd::Healthcheck => return healthcheck(&settings).await,
        Cmd::Openapi
        | Cmd::Schema(_)
        | Cmd::Policy(_)
        | Cmd::Templates(_)
        | Cmd::History(_)
        | Cmd::Evidence(_)
        | Cmd::Patient(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Rows that cannot be taken do not keep the rest from going in; the account names them.
async fn import_book(
    settings: &tact::settings::Settings,
    clock: Clock,
    arguments: &import::command::Arguments,
) -> Result<ExitCode> {
    let (book, mapping) = match import::command::read_input(arguments) {
        Ok(read) => read,
        Err(error) => {
            eprintln!("tact: {error:#}");
            return Ok(ExitCode::from(exit::USAGE));
        }
    };
    let app = roles::open(settings, clock).await?;
    let stores = import::Stores { transactor: &app.transactor, control: &app.control, personal: &app.personal, keys: &app.keys };
    import::command::run(arguments, &book, &mapping, stores).await?;
    Ok(ExitCode::SUCCESS)
}

/// Resources that cannot be taken do not keep the rest from going in; the account names them.
async fn import_fhir(settings: &tact::settings::Settings, clock: Clock, arguments: &import::fhir::Arguments) -> Result<ExitCode> {
    let read = import::fhir::read_mapping(&arguments.mapping)
        .and_then(|mapping| Ok((import::fhir::read_files(&arguments.files, &mapping)?, mapping)));
    let (read, mapping) = match read {
        Ok(read) => read,
        Err(error) => {
            eprintln!("tact: {error:#}");
            return Ok(ExitCode::from(exit::USAGE));
        }
    };
    let app = roles::open(settings, clock).await?;
    let stores = import::Stores { transactor: &app.transactor, control: &app.control, personal: &app.personal, keys: &app.keys };
    import::fhir::run(arguments, read, &mapping, stores).await?;
    Ok(ExitCode::SUCCESS)
}

/// Sites that cannot be listed do not keep the rest from it; the account names them.
async fn import_providers(
    settings: &tact::settings::Settings,
    clock: Clock,
    arguments: &import::providers::Arguments,
) -> Result<ExitCode> {
    let read = import::providers::read_mapping(&arguments.mapping)
        .and_then(|mapping| Ok((import::providers::read_files(&arguments.files, &mapping)?, mapping)));
    let (sites, mapping) = match read {
        Ok(read) => read,
        Err(error) => {
            eprintln!("tact: {error:#}");
            return Ok(ExitCode::from(exit::USAGE));
        }
    };
    let app = roles::open(settings, clock).await?;
    let stores = import::Stores { transactor: &app.transactor, control: &app.control, personal: &app.personal, keys: &app.keys };
    import::providers::run(arguments, sites, &mapping, stores).await?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(settings: &tact::settings::Settings, roles: &[Role], clock: Clock) -> Result<ExitCode> {
    // From now on, and not only once it serves: whoever stops it in between stops it in order.
    let mut signals = Signals::new()?;
    let running = tokio::select! {
        running = roles::start(settings, roles, clock) => running?,
        _ = signals.come() => {
            tracing::info!("stopping before it has started");
            return Ok(ExitCode::SUCCESS);
        }
    };
    announce(&running);
    until_told(running, signals).await
}

/// The signals that tell a process to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let heard = |kind| signal(kind).context("signals cannot be waited for");
        Ok(Self { interrupt: heard(SignalKind::interrupt())?, terminate: heard(SignalKind::terminate())? })
    }

    /// Waits for the next one; the exit code of a process that ends by it.
    async fn come(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
        }
    }
}

/// Serves until a signal comes or a part has failed for good.
async fn until_told(mut running: roles::Running, mut signals: Signals) -> Result<ExitCode> {
    tokio::select! {
        _ = signals.come() => {}
        error = running.failed() => return Err(error),
    }
    tracing::info!("stopping: finishing what is under way; a second signal ends at once");
    tokio::select! {
        () = running.stop() => {}
        code = signals.come() => std::process::exit(code),
    }
    Ok(ExitCode::SUCCESS)
}

fn announce(running: &roles::Running) {
    eprintln!("Tact listens on {}; its routes are at {}/openapi.json", running.url, running.url);
    if running.app.clock.is_set() {
        eprintln!("The clock is set to {}; every answer says so.", running.app.clock.now());
    }
    if let Some(token) = &running.first_token {
        eprintln!("The administrator's token, shown this once:");
        println!("{token}");
    }
    let policies = running.app.control.policies();
    if let Some(policy) = policies.all().last() {
        eprintln!("Policy `{}` is in force from {}.", policy.event.version, policy.effective_from());
    }
}

/// Asks `/readyz` over a plain connection, so that a check costs next to nothing.
async fn healthcheck(settings: &tact::settings::Settings) -> Result<ExitCode> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut address = settings.listen;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::IpAddr::from([127, 0, 0, 1]));
    }
    let asked = async {
        let mut connection = tokio::net::TcpStream::connect(address).await?;
        connection.write_all(b"GET /readyz HTTP/1.1\r\nHost: tact\r\nConnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(std::time::Duration::from_secs(5), asked).await;
    match answer {
        Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200") => Ok(ExitCode::SUCCESS),
        Ok(Ok(answer)) => {
            eprintln!("tact: not ready: {}", answer.lines().next().unwrap_or("no answer"));
            Ok(ExitCode::from(exit::FAILED))
        }
        Ok(Err(error)) => {
            eprintln!("tact: {address} cannot be reached: {error}");
            Ok(ExitCode::from(exit::FAILED))
        }
        Err(_) => {
            eprintln!("tact: {address} did not answer within 5 s");
            Ok(ExitCode::from(exit::FAILED))
        }
    }
}
