//! `tact keys`: the keys by which the network signs. Public keys go to standard output; a private one never leaves its file.

use anyhow::{Context, Result};
use clap::Subcommand;
use tact_ledger::{Ledger, keys};
use tact_service::clock::Clock;
use tact_service::ids::random;

use crate::exit::Usage;
use crate::roles::{databases, must_exist, signing_key_file};
use crate::settings::Settings;

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key in a new file, and print its public part. The embedded mode does so by itself.
    #[command(after_help = "\
Example:
  tact keys make --network tact --signing-key-file /etc/tact/signing.key

The file is made for its owner only (mode 600); keep a copy where the network's other secrets are. One that is there is never overwritten.")]
    Make,
    /// Print the network's public keys with the time for which each holds: what `tact history verify --key` takes.
    #[command(after_help = "Example:\n  tact keys list --data /var/lib/tact > network.keys")]
    List,
    /// Put a new key in the place of the one in the file. Both sign that the one follows the other, so whoever trusts the old one can trust the new one.
    #[command(after_help = "\
Example:
  tact keys rotate --data /var/lib/tact

A notary that runs takes the new key up by itself. What the old key has signed stays valid; it signs nothing more, and is gone.")]
    Rotate,
}

/// Does it.
///
/// # Errors
/// A file or a database that cannot be used.
pub async fn run(settings: &Settings, clock: &Clock, command: KeysCommand) -> Result<()> {
    let file = || signing_key_file(settings).ok_or_else(|| Usage("name the key's file with `--signing-key-file`".to_owned()));
    match command {
        KeysCommand::Make => {
            let file = file()?;
            if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                std::fs::create_dir_all(folder).with_context(|| format!("the folder {} cannot be made", folder.display()))?;
            }
            let key = keys::make(&file, &settings.network, &random::<32>())?;
            eprintln!("The private key is in {}, for its owner only. The public key:", file.display());
            println!("{}", key.public());
        }
        KeysCommand::List => {
            let listed = ledger(settings).await?.keys().await?;
            if listed.is_empty() {
                eprintln!("Nothing has been signed yet: the network has no key.");
            }
            for (key, _) in listed {
                println!("{key}");
            }
        }
        KeysCommand::Rotate => {
            let file = file()?;
            let ledger = ledger(settings).await?;
            let key = keys::rotate(ledger.db(), &file, &settings.network, &random::<32>(), clock.now()).await?;
            eprintln!("From now on the network signs with the key in {}. The public key:", file.display());
            println!("{}", key.public());
        }
    }
    Ok(())
}

async fn ledger(settings: &Settings) -> Result<Ledger> {
    must_exist(settings)?;
    Ledger::open(&databases(settings)?, &settings.network, settings.wait).await.context("the ledger cannot be opened")
}
