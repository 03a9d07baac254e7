//! Whether the documents tell the truth: links lead somewhere, files that are named exist, commands work, versions have an entry.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{files, none, root, text};

fn documents() -> Vec<PathBuf> {
    files().into_iter().filter(|file| file.extension().is_some_and(|end| end == "md")).collect()
}

/// The text without its blocks of code, in which brackets mean something else.
fn prose(text: &str) -> String {
    let mut inside = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            prose.push_str(line);
        }
        prose.push('\n');
    }
    prose
}

/// The lines of the blocks of code that are marked as shell.
fn shell_lines(text: &str) -> Vec<String> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        match line.trim_start().strip_prefix("```") {
            Some(mark) => inside = !inside && mark.trim() == "sh",
            None if inside => lines.push(line.trim().to_owned()),
            None => {}
        }
    }
    lines
}

#[test]
fn links_lead_somewhere() {
    let mut found = Vec::new();
    let mut seen = 0;
    for document in documents() {
        let text = prose(&text(&document));
        for part in text.split("](").skip(1) {
            let Some((target, _)) = part.split_once(')') else { continue };
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            let folder = document.parent().unwrap_or(Path::new(""));
            let file = if path.is_empty() { root().join(&document) } else { root().join(folder).join(path) };
            if !file.exists() {
                found.push(format!("{}: {target}", document.display()));
            } else if !anchor.is_empty() && !anchors(&file).contains(&anchor.to_owned()) {
                found.push(format!("{}: {target}, no such heading", document.display()));
            }
        }
    }
    none("mend these links", &found);
    assert!(seen > 10, "only {seen} links were found");
}

/// The anchors of a document's headings, as the usual renderers make them.
fn anchors(document: &Path) -> Vec<String> {
    let text = prose(&std::fs::read_to_string(document).unwrap());
    let headings =
        text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim().to_lowercase());
    let anchor = |heading: String| {
        heading.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

/// Folders whose files the documents name by their path from the workspace.
const NAMED: &[&str] =
    &["crates/", "tests/", "docs/", "deploy/", "migrations/", "policies/", "scenarios/", "mappings/", ".ci/", ".cargo/"];

#[test]
fn files_that_are_named_exist() {
    let mut found = Vec::new();
    let mut seen = 0;
    for document in documents() {
        for part in prose(&text(&document)).split('`').skip(1).step_by(2) {
            let path = part.split([' ', ':', '#']).next().unwrap_or_default();
            if !NAMED.iter().any(|folder| path.starts_with(folder)) || path.contains(['*', '<', '{']) {
                continue;
            }
            seen += 1;
            if !root().join(path).exists() {
                found.push(format!("{}: {part}", document.display()));
            }
        }
    }
    none("these are named and do not exist", &found);
    assert!(seen > 20, "only {seen} names were found");
}

#[test]
fn the_map_shows_every_crate() {
    let map = text("docs/ARCHITECTURE.md");
    let crates = std::fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let missing: Vec<_> = crates.filter(|name| !map.contains(&format!("crates/{name}"))).collect();
    none("docs/ARCHITECTURE.md does not say what these are for", &missing);
}

#[test]
fn the_commands_of_the_readme_exist() {
    let readme = text("README.md");
    let lines = shell_lines(&readme);
    for wanted in ["cargo run --release -- demo", "cargo verify"] {
        assert!(lines.iter().any(|line| line.split(" #").next().unwrap().trim() == wanted), "README.md does not show `{wanted}`");
    }
    let manifest: toml::Table = text("Cargo.toml").parse().unwrap();
    assert_eq!(
        manifest["workspace"]["default-members"].as_array().unwrap(),
        &[toml::Value::from("crates/tact")],
        "`cargo run` must mean the one binary"
    );
    let config: toml::Table = text(".cargo/config.toml").parse().unwrap();
    let verify = config["alias"]["verify"].as_str().unwrap();
    assert!(verify.contains("--package xtask"), "{verify}");
    let ci = text(".ci/run");
    assert!(ci.lines().any(|line| line == "exec cargo verify"), ".ci/run must call the README's test command");
}

/// The subcommands of the binary, as its command line declares them.
fn subcommands() -> BTreeSet<String> {
    let main = text("crates/tact/src/main.rs");
    let commands = main.split("\nenum Cmd {\n").nth(1).and_then(|rest| rest.split("\n}\n").next());
    let commands = commands.expect("crates/tact/src/main.rs declares `enum Cmd`");
    let variants =
        commands.lines().filter_map(|line| line.strip_prefix("    ")).filter(|line| line.starts_with(char::is_uppercase));
    variants.map(|line| line.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_lowercase()).collect()
}

#[test]
fn the_commands_of_the_documents_exist() {
    let known = subcommands();
    assert!(known.contains("serve"), "{known:?}");
    let mut found = Vec::new();
    for document in documents() {
        let all = text(&document);
        let inline = prose(&all).split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        for line in shell_lines(&all).into_iter().chain(inline) {
            let after = ["tact ", "cargo run --release -- "].iter().find_map(|start| line.strip_prefix(start));
            let Some(command) = after.and_then(|rest| rest.split(' ').next()) else { continue };
            if command.starts_with(char::is_lowercase) && !known.contains(command) {
                found.push(format!("{}: {line}", document.display()));
            }
        }
    }
    none("there is no such command", &found);
}

#[test]
fn the_changelog_has_an_entry_for_this_version() {
    let changelog = text("CHANGELOG.md");
    let version = env!("CARGO_PKG_VERSION");
    let heading = changelog.lines().find(|line| line.starts_with(&format!("## [{version}]")));
    let heading = heading.unwrap_or_else(|| panic!("CHANGELOG.md has no entry `## [{version}]`"));
    let rest = changelog.split(heading).nth(1).unwrap();
    let entry = rest.split("\n## ").next().unwrap();
    assert!(entry.lines().any(|line| line.starts_with("- ")), "the entry of {version} says nothing");
}

/// The variables that the binary knows, as its settings name them.
pub(crate) fn variables() -> BTreeSet<String> {
    let settings = text("crates/tact/src/settings/names.rs");
    let quoted = settings.split('"').skip(1).step_by(2).filter(|word| word.starts_with("TACT_") && !word.ends_with('_'));
    quoted.filter(|word| word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')).map(str::to_owned).collect()
}

#[test]
fn every_setting_is_explained() {
    let operations = text("docs/OPERATIONS.md");
    // For the tests' own tools, and no setting of the product.
    let known: BTreeSet<String> = variables().into_iter().filter(|name| name != "TACT_TOOLS").collect();
    assert!(known.contains("TACT_LOG"), "the settings are read: {known:?}");
    let missing: Vec<_> = known.iter().filter(|name| !operations.contains(&format!("`{name}`"))).cloned().collect();
    none("docs/OPERATIONS.md does not explain these settings", &missing);
    let explained = operations.split('`').skip(1).step_by(2).filter(|word| word.starts_with("TACT_") && word.len() > 5);
    let unknown: Vec<_> = explained.filter(|word| !known.contains(*word)).map(str::to_owned).collect();
    none("docs/OPERATIONS.md explains what is no setting", &unknown);
}

#[test]
fn every_exit_code_is_explained() {
    let operations = text("docs/OPERATIONS.md");
    let exit = text("crates/tact/src/exit.rs");
    let codes = exit.lines().filter_map(|line| line.strip_prefix("pub const ")?.split_once(": u8 = ")?.1.strip_suffix(';'));
    let codes: Vec<_> = codes.collect();
    assert!(codes.len() > 3, "{codes:?}");
    let missing = codes.iter().filter(|code| !operations.contains(&format!("\n| {code} | "))).map(ToString::to_string);
    none("docs/OPERATIONS.md does not explain these exit codes", &missing.collect::<Vec<_>>());
}
