//! `tact token`: access is given, listed and taken. Works on the database itself, so that the first token of a cluster can be made.

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use comfy_table::Table;
use tact_domain::{Branch, Time};
use tact_personal::Personal;
use tact_personal::access::Token;
use tact_personal::sign_in::{LinkPut, SignInLink};
use tact_service::access::{Role, new_token, token_hash};
use tact_service::clock::Clock;
use tact_service::fields;
use tact_service::ids::{fresh, random};
use tact_sign_in::link::{LONGEST_HOURS, VALID_HOURS, address};
use uuid::Uuid;

use crate::roles::{actor, databases, must_exist};
use crate::settings::{Settings, time};

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it, once.
    #[command(after_help = "\
Examples:
  tact token create --label \"Desk, north\" --as administrator --branch north
  tact token create --label telephony --as system --expires 2027-01-01T00:00:00Z

Roles: administrator (runs a branch's desk), clinician, network_manager, analyst (figures, never people), regulator \
(histories, never who the patient is), system (a program). The token goes to standard output, what it is to standard error.")]
    Create {
        /// What people call it: a person's or a program's name. A program's must be one word, since events name it.
        #[arg(long)]
        label: String,
        /// A role; several may be named.
        #[arg(long = "as", required = true, value_name = "ROLE")]
        roles: Vec<Role>,
        /// A branch that it holds for; several may be named; without any it holds for all.
        #[arg(long = "branch", value_name = "CODE")]
        branches: Vec<Branch>,
        /// The person or program that it stands for; a new one if absent.
        #[arg(long, value_name = "UUID")]
        actor: Option<Uuid>,
        /// When it expires; never if absent.
        #[arg(long, value_name = "TIME", value_parser = time)]
        expires: Option<Time>,
    },
    /// Make a link by which somebody signs in to the console, once, and print its address.
    #[command(after_help = "\
Examples:
  tact token link --label \"Anna\" --role administrator --branch north
  tact token link --label \"Head office\" --role network_manager --valid-hours 2

The address goes to standard output, what it is to standard error. It begins with `public_url`. Give it to nobody else: whoever opens it is in.")]
    Link {
        /// What people call whom it is for.
        #[arg(long)]
        label: String,
        /// A role; several may be named. Not `system`: programs have tokens.
        #[arg(long = "role", alias = "as", required = true, value_name = "ROLE")]
        roles: Vec<Role>,
        /// A branch that it holds for; several may be named; without any it holds for all.
        #[arg(long = "branch", value_name = "CODE")]
        branches: Vec<Branch>,
        /// The person, if they have been here before; somebody new if absent.
        #[arg(long, value_name = "UUID")]
        actor: Option<Uuid>,
        /// For how many hours it works.
        #[arg(long, value_name = "HOURS", default_value_t = VALID_HOURS, value_parser = clap::value_parser!(u32).range(1..=i64::from(LONGEST_HOURS)))]
        valid_hours: u32,
    },
    /// List all tokens; what is secret in them is not stored.
    #[command(after_help = "Example:\n  tact token list --data /var/lib/tact")]
    List,
    /// Take a token back; it holds for 30 s more at most.
    #[command(after_help = "Example:\n  tact token revoke 0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a11")]
    Revoke {
        /// The token's id, as listed.
        id: Uuid,
    },
}

/// Does it.
///
/// # Errors
/// A database that cannot be opened, or a token that is not there.
pub async fn run(settings: &Settings, clock: &Clock, command: TokenCommand) -> Result<()> {
    must_exist(settings)?;
    let personal = Personal::open(&databases(settings)?, settings.wait).await.context("the access tokens cannot be opened")?;
    match command {
        TokenCommand::Create { label, roles, branches, actor: given, expires } => {
            if roles == [Role::System] && fields::word("label", &label).is_err() {
                bail!(
                    "the label of a system's token stands in every event that the system records, so it must be one word of 1 to 64 of a-z, 0-9, `_` and `-`, such as `telephony`"
                );
            }
            let token = new_token();
            let now = clock.now();
            let entry = Token {
                id: fresh(now),
                actor: actor(given, clock),
                label,
                roles: roles.iter().map(|role| role.as_str().to_owned()).collect(),
                branches: (!branches.is_empty()).then(|| branches.iter().map(ToString::to_string).collect()),
                created_at: now,
                expires_at: expires,
                revoked_at: None,
            };
            if !personal.add_token(&entry, &token_hash(&token)).await? {
                bail!("a token by this id is there already; try again");
            }
            eprintln!("Token {} for {}; it is shown this once:", entry.id, entry.label);
            println!("{token}");
        }
        TokenCommand::Link { label, roles, branches, actor: given, valid_hours } => {
            if roles.contains(&Role::System) {
                bail!("`system` is the role of a program, which signs in with a token: `tact token create --as system`");
            }
            let secret = format!("tact_link_{}", hex::encode(random::<32>()));
            let link = SignInLink {
                id: fresh(clock.now()),
                command: 0,
                actor: actor(given, clock),
                label,
                roles: roles.iter().map(|role| role.as_str().to_owned()).collect(),
                branches: (!branches.is_empty()).then(|| branches.iter().map(ToString::to_string).collect()),
                ends_at: clock.now() + chrono::Duration::hours(valid_hours.into()),
                used_at: None,
            };
            if personal.add_link(&link, &token_hash(&secret)).await? != LinkPut::Made {
                bail!("a link by this id is there already; try again");
            }
            eprintln!("A link for {}, which works once within {valid_hours} h:", link.label);
            println!("{}", address(&settings.public_url(settings.listen), &secret));
        }
        TokenCommand::List => {
            let mut table = Table::new();
            table.set_header(["id", "label", "roles", "branches", "created", "expires", "revoked"]);
            for token in personal.tokens().await? {
                let day = |time: Option<Time>| time.map_or(String::new(), |time| time.format("%Y-%m-%d %H:%M").to_string());
                table.add_row([
                    token.id.to_string(),
                    token.label,
                    token.roles.join(", "),
                    token.branches.map_or_else(|| "all".to_owned(), |branches| branches.join(", ")),
                    day(Some(token.created_at)),
                    day(token.expires_at),
                    day(token.revoked_at),
                ]);
            }
            println!("{table}");
        }
        TokenCommand::Revoke { id } => {
            if !personal.revoke_token(id, clock.now()).await? {
                bail!("there is no token {id}; `tact token list` shows all");
            }
            eprintln!("Token {id} is revoked; services that have seen it believe it for 30 s more at most.");
        }
    }
    Ok(())
}
