//! Debian's packages, fetched and unpacked without installing them: apt with lists, cache and sources of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::tools::run;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Where this machine gets Debian from.
#[derive(Debug, PartialEq, Eq)]
struct Mirror {
    uri: String,
    suite: String,
    keyring: Option<String>,
}

/// Fetches one package of a suite, and unpacks it below `root`.
pub(crate) fn unpack(package: &str, suite: &str, work: &Path, root: &Path) -> Result<()> {
    let apt = Apt::new(work, &mirror()?, suite)?;
    apt.download(&[package.to_owned()], root)
}

/// Fetches one package of this machine's own suite, and unpacks it below `root`.
pub(crate) fn unpack_here(package: &str, work: &Path, root: &Path) -> Result<()> {
    let mirror = mirror()?;
    Apt::new(work, &mirror, &mirror.suite)?.download(&[package.to_owned()], root)
}

/// Fetches a package of this machine's own suite and the libraries that it needs and the machine lacks, and unpacks them below `root`.
pub(crate) fn unpack_with_dependencies(package: &str, work: &Path, root: &Path) -> Result<()> {
    let mirror = mirror()?;
    let suite = mirror.suite.clone();
    let apt = Apt::new(work, &mirror, &suite)?;
    let plan = run(apt.command("apt-get").args(["--simulate", "--no-install-recommends", "install", package]))?;
    // "Inst libpq5 (15.12-0+deb12u2 Debian:12/stable [amd64])". Compilers of queries and the languages are not needed.
    let missing = plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next());
    let needed = missing.filter(|name| {
        let numbered =
            name.strip_prefix(package).and_then(|rest| rest.strip_prefix('-')).is_some_and(|rest| rest.parse::<u32>().is_ok());
        numbered
            || (name.starts_with("lib")
                && !["libllvm", "libperl", "libz3", "libjson-perl"].iter().any(|start| name.starts_with(start)))
    });
    let needed: Vec<String> = needed.map(str::to_owned).collect();
    if needed.is_empty() {
        bail!("apt would install nothing for {package}");
    }
    apt.download(&needed, root)
}

/// Fetches of some packages of this machine's own suite whatever apt would install for them and `keep` wants, and unpacks it below `root`.
pub(crate) fn unpack_what_is_needed(packages: &[&str], keep: impl Fn(&str) -> bool, work: &Path, root: &Path) -> Result<()> {
    let mirror = mirror()?;
    let apt = Apt::new(work, &mirror, &mirror.suite)?;
    let plan = run(apt.command("apt-get").args(["--simulate", "--no-install-recommends", "install"]).args(packages))?;
    let needed = plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next()).filter(|name| keep(name));
    let needed: Vec<String> = needed.map(str::to_owned).collect();
    if needed.is_empty() {
        bail!("apt would install nothing for {}", packages.join(", "));
    }
    apt.download(&needed, root)
}

struct Apt {
    work: PathBuf,
}

impl Apt {
    fn new(work: &Path, mirror: &Mirror, suite: &str) -> Result<Self> {
        for folder in ["lists/partial", "cache/archives/partial", "packages"] {
            std::fs::create_dir_all(work.join(folder))?;
        }
        let keyring = mirror.keyring.as_deref().unwrap_or(KEYRING);
        std::fs::write(work.join("sources.list"), format!("deb [signed-by={keyring}] {} {suite} main\n", mirror.uri))?;
        let apt = Self { work: work.to_owned() };
        run(apt.command("apt-get").arg("update"))?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let work = self.work.display();
        for option in [
            format!("Dir::State::Lists={work}/lists"),
            format!("Dir::Cache={work}/cache"),
            format!("Dir::Etc::SourceList={work}/sources.list"),
            "Dir::Etc::SourceParts=/dev/null".into(),
            "Dir::Etc::Preferences=/dev/null".into(),
            "Dir::Etc::PreferencesParts=/dev/null".into(),
            "Acquire::Languages=none".into(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".into(),
            "Acquire::Retries=3".into(),
            // As whoever runs the tests: the folder may be closed to apt's own user.
            format!("APT::Sandbox::User={}", std::env::var("USER").unwrap_or_else(|_| "root".into())),
            "Debug::NoLocking=1".into(),
        ] {
            command.args(["-o", &option]);
        }
        command.env("LC_ALL", "C");
        command
    }

    fn download(&self, packages: &[String], root: &Path) -> Result<()> {
        let folder = self.work.join("packages");
        run(self.command("apt-get").arg("download").args(packages).current_dir(&folder))?;
        std::fs::create_dir_all(root)?;
        for package in std::fs::read_dir(&folder)?.flatten() {
            run(Command::new("dpkg-deb").arg("-x").arg(package.path()).arg(root))?;
        }
        Ok(())
    }
}

fn mirror() -> Result<Mirror> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(parts) = std::fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(parts.flatten().map(|entry| entry.path()));
    }
    files.sort();
    let mirrors = files.iter().flat_map(|file| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if file.extension().is_some_and(|end| end == "sources") { paragraphs(&text) } else { lines(&text) }
    });
    let mut debian =
        mirrors.filter(|mirror| mirror.uri.trim_end_matches('/').ends_with("/debian") && !mirror.suite.contains('/'));
    debian.next().context("this machine's apt sources name no mirror of Debian")
}

/// The one-line format: `deb [signed-by=...] URI suite component...`.
fn lines(text: &str) -> Vec<Mirror> {
    let mut mirrors = Vec::new();
    for line in text.lines() {
        let Some(rest) = line.trim().strip_prefix("deb ") else { continue };
        let (options, rest) = match rest.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((options, rest)) => (options, rest),
            None => ("", rest),
        };
        let mut words = rest.split_whitespace();
        let (Some(uri), Some(suite)) = (words.next(), words.next()) else { continue };
        let keyring = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
        mirrors.push(Mirror { uri: uri.to_owned(), suite: suite.to_owned(), keyring: keyring.map(str::to_owned) });
    }
    mirrors
}

/// The format of paragraphs: `URIs:`, `Suites:`, `Signed-By:`.
fn paragraphs(text: &str) -> Vec<Mirror> {
    let mut mirrors = Vec::new();
    for paragraph in text.split("\n\n") {
        let field = |name: &str| {
            let line = paragraph.lines().find(|line| line.to_ascii_lowercase().starts_with(name));
            line.and_then(|line| line.get(name.len()..)).map(str::trim).filter(|value| !value.is_empty())
        };
        if field("types:").is_none_or(|types| !types.split_whitespace().any(|kind| kind == "deb")) {
            continue;
        }
        let (Some(uris), Some(suites)) = (field("uris:"), field("suites:")) else { continue };
        let (Some(uri), Some(suite)) = (uris.split_whitespace().next(), suites.split_whitespace().next()) else { continue };
        // A key may also stand in the file itself; then Debian's own keyring has to do.
        let keyring = field("signed-by:").filter(|path| path.starts_with('/'));
        mirrors.push(Mirror { uri: uri.to_owned(), suite: suite.to_owned(), keyring: keyring.map(str::to_owned) });
    }
    mirrors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_of_sources_are_read() {
        let expected = |keyring: Option<&str>| {
            vec![Mirror { uri: "http://mirror/debian".into(), suite: "bookworm".into(), keyring: keyring.map(str::to_owned) }]
        };
        assert_eq!(lines("# deb http://no/debian x main\ndeb http://mirror/debian bookworm main contrib\n"), expected(None));
        assert_eq!(lines("deb [arch=amd64 signed-by=/k.gpg] http://mirror/debian bookworm main"), expected(Some("/k.gpg")));
        let text = "Types: deb\n# a comment\nURIs: http://mirror/debian\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /k.gpg\n\nTypes: deb-src\nURIs: http://no\nSuites: x\n";
        assert_eq!(paragraphs(text), expected(Some("/k.gpg")));
    }
}
