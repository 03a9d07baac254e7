//! Calls and messages out, as the binary knows them: the dispatch file at the start of a dispatcher, the check of templates, and the sandbox
//! gateway.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Subcommand;
use tact_dispatcher::Desk;
use tact_dispatcher::sandbox::{Options, Sandbox};
use tact_dispatcher::setup::{Setup, SetupError, read_templates, read_words};
use tact_dispatcher::signing::Secrets;
use tact_dispatcher::store::Store;
use tact_dispatcher::templates::check::{Checked, Rules, check};
use tact_domain::policy::{self, Policy};
use tact_scenario::read_policy;
use tact_service::App;
use tact_service::clock::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::exit::{self, Usage};
use crate::roles::databases;
use crate::settings::{Settings, read_secret};

/// The desk of a dispatcher's process, its templates checked. `needed`: a process that has this role alone must have a dispatch file.
///
/// # Errors
/// [`Usage`]: a dispatch file that is missing or cannot be used; or the database cannot be opened.
pub async fn desk(settings: &Settings, app: &Arc<App>, needed: bool) -> Result<Arc<Desk>> {
    let setup = match &settings.dispatch_file {
        Some(file) => Some(Setup::read(file).map_err(usage)?),
        None if needed => {
            let problem = "`dispatch_file` must name a file that says where the gateway is; docs/DISPATCH.md shows one";
            return Err(Usage(problem.to_owned()).into());
        }
        None => None,
    };
    if let Some(setup) = &setup {
        let branches: Vec<String> = app.control.directory().branches.values().map(|branch| branch.name.clone()).collect();
        let policies = app.control.policies();
        // What is published is what counts; a network that has no policy yet gets the one that ships.
        let published = policies.all().last().map(|published| published.policy.clone());
        let in_force = policies.in_force(app.clock.now()).map(|published| published.policy.clone()).or(published);
        let policy = match in_force {
            Some(policy) => policy,
            None => Arc::new(shipped()?),
        };
        let rules = Rules { policy: &policy, words: &setup.words, sms_parts: setup.sms_parts, branches: &branches };
        let Checked { mistakes, missing } = check(&setup.templates, &rules);
        if !mistakes.is_empty() {
            let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            return Err(Usage(format!("the templates must not go out:\n{}", lines.join("\n"))).into());
        }
        let served = missing.iter().filter(|finding| {
            setup.gateways.iter().flat_map(|gateway| &gateway.channels).any(|channel| finding.of.contains(channel.as_str()))
        });
        for finding in served {
            tracing::warn!(template = %finding.of, "no template says it: such a permit is given back unused");
        }
        for code in app.control.directory().branches.keys().filter(|code| !setup.branch_phones.contains_key(*code)) {
            tracing::warn!(branch = %code, "`branch_phones` does not name this branch: texts that say its number are not sent");
        }
    }
    let store = Store::open(&databases(settings)?, settings.wait).await.context("the dispatcher's tables cannot be opened")?;
    Ok(Arc::new(Desk::new(app.clone(), store, setup)))
}

fn usage(error: SetupError) -> Usage {
    Usage(format!("the dispatch file cannot be used:\n{error}"))
}

fn shipped() -> Result<Policy> {
    policy::text::parse(policy::DEFAULT, "default").map_err(|_| anyhow::anyhow!("the policy that ships cannot be read"))
}

/// What to do with templates.
#[derive(Debug, Subcommand)]
pub enum TemplatesCommand {
    /// Say what is wrong with templates: promotions dressed as something else, what betrays a diagnosis, texts that are too long.
    #[command(
        after_help = "Examples:\n  tact templates check my-templates.toml\n  tact templates check my-templates.toml --policy my-policy.toml --sms-parts 2\n\nExit codes: 0 no mistakes; 2 mistakes, or no such file."
    )]
    Check {
        /// The templates.
        file: PathBuf,
        /// The policy that they are for; without it, the one that ships with Tact.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// Words of the network's own that give a text away.
        #[arg(long, value_name = "FILE")]
        words: Option<PathBuf>,
        /// The most parts of a text message.
        #[arg(long, value_name = "NUMBER", default_value_t = 3)]
        sms_parts: usize,
    },
    /// Print the templates that ship with Tact.
    #[command(after_help = "Example:\n  tact templates show > my-templates.toml")]
    Show,
}

/// Checks templates.
pub fn templates(command: &TemplatesCommand) -> ExitCode {
    match command {
        TemplatesCommand::Show => {
            print!("{}", tact_dispatcher::templates::DEFAULT);
            ExitCode::SUCCESS
        }
        TemplatesCommand::Check { file, policy, words, sms_parts } => {
            let checked = checked(file, policy.as_deref(), words.as_deref(), *sms_parts);
            let (templates, checked) = match checked {
                Ok(checked) => checked,
                Err(error) => {
                    eprintln!("{error:#}");
                    return ExitCode::from(exit::USAGE);
                }
            };
            for finding in &checked.missing {
                println!("{}: not covered: {finding}", file.display());
            }
            for finding in &checked.mistakes {
                eprintln!("{}: {finding}", file.display());
            }
            if checked.mistakes.is_empty() {
                println!("{}: no mistakes, {templates} templates", file.display());
                return ExitCode::SUCCESS;
            }
            ExitCode::from(exit::USAGE)
        }
    }
}

fn checked(
    file: &std::path::Path,
    policy: Option<&std::path::Path>,
    words: Option<&std::path::Path>,
    sms_parts: usize,
) -> Result<(usize, Checked)> {
    let templates = read_templates(file)?;
    let policy = match policy {
        Some(path) => read_policy(path)?,
        None => shipped()?,
    };
    let words = read_words(words)?;
    let checked = check(&templates, &Rules { policy: &policy, words: &words, sms_parts, branches: &[] });
    Ok((templates.all().count(), checked))
}

/// What a gateway of ours can do.
#[derive(Debug, Subcommand)]
pub enum GatewayCommand {
    /// Serve a gateway that sends nothing and shows what it was given; the last digit of a number says what happens to its messages.
    #[command(after_help = "\
Example:
  (printf 'whsec_'; openssl rand -base64 32) > gateway.secret
  tact gateway sandbox --secrets-file gateway.secret

It shows texts and numbers to whoever opens its page: give it no real ones.")]
    Sandbox {
        /// Where to listen.
        #[arg(long = "at", value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
        at: SocketAddr,
        /// A file with the secrets that it shares with the network, one a line.
        #[arg(long, value_name = "FILE")]
        secrets_file: PathBuf,
        /// Tell everything twice.
        #[arg(long)]
        twice: bool,
        /// Tell what happened last first.
        #[arg(long)]
        out_of_order: bool,
        /// Wait so many seconds before telling anything.
        #[arg(long, value_name = "SECONDS", default_value_t = 1)]
        late: u64,
    },
}

/// Serves the sandbox until it is ended.
///
/// # Errors
/// [`Usage`] for secrets that are none; or the address is taken.
pub async fn gateway(command: &GatewayCommand, clock: Clock) -> Result<()> {
    let GatewayCommand::Sandbox { at, secrets_file, twice, out_of_order, late } = command;
    let secrets =
        Secrets::read(&read_secret(secrets_file)?).map_err(|error| Usage(format!("{}: {error}", secrets_file.display())))?;
    let options = Options { twice: *twice, out_of_order: *out_of_order, late: Duration::from_secs(*late), ..Options::default() };
    let listener = TcpListener::bind(at).await.with_context(|| format!("{at} cannot be listened on"))?;
    eprintln!("The sandbox gateway listens on http://{}; open it to see what it was given.", listener.local_addr()?);
    let (_running, stop) = watch::channel(false);
    Ok(Sandbox::new(secrets, clock, options).serve(listener, stop).await?)
}
