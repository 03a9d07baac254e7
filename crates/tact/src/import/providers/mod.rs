//! `tact import providers`: directories of other institutions as CSV files, read whole and listed, each site once however often it is run.
//!
//! What a file does not say stays unknown, and what cannot be read is listed with its line: nothing is guessed. It must never remove a
//! provider that a file does not name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use csv::StringRecord;
use smol_str::SmolStr;
use tact_domain::control::{DirectoryEvent, Place, ProviderListed};
use tact_domain::{Actor, DailyHours, ServiceCode};
use tact_service::ids::fresh;
use tact_service::transact::Command;

use super::csv_text;
use super::encoding::Encoding;
use super::{Stores, slug};

mod hours;
pub mod mapping;

use hours::Day;
use mapping::{DAYS, Mapping};

/// How many remarks are printed; `--remarks` has them all.
const PRINTED: usize = 100;

/// A directory of providers.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  tact import providers vast.csv.gz clinical-services.csv.gz --mapping mappings/va-facilities.toml --dry-run
  tact import providers clinics.csv --mapping my-region.toml --remarks remarks.txt

All files are read before anything is listed. Running it again adds nothing, and lists anew what has changed. An embedded network must be stopped \
first. Exit codes: 0 read, and every row accounted for; 2 a file or the mapping cannot be read; others as in tact --help")]
pub struct Arguments {
    /// CSV files in UTF-8, packed with gzip or not: of sites, and of their services where those stand in a file of their own.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// What the columns mean: a TOML file such as mappings/va-facilities.toml.
    #[arg(long)]
    pub mapping: PathBuf,
    /// Say what would be listed, and list nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Write every remark to this file: rows that were refused, and what could not be read of others.
    #[arg(long, value_name = "FILE")]
    pub remarks: Option<PathBuf>,
}

/// Something that was not taken, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The file's name.
    pub file: String,
    /// The line on which the row begins, from 1.
    pub line: u64,
    /// The column at fault, if it is one.
    pub column: Option<String>,
    /// What is wrong, and what was done about it.
    pub reason: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.file, self.line)?;
        if let Some(column) = &self.column {
            write!(f, ", column `{column}`")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// What became of everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// Whether nothing was listed.
    pub dry_run: bool,
    /// Sites listed for the first time.
    pub new: usize,
    /// Sites listed anew because something has changed.
    pub changed: usize,
    /// Sites that were listed just so.
    pub there: usize,
    /// Sites that the mapping leaves out.
    pub left_out: usize,
    /// Sites that cannot be listed.
    pub refused: usize,
    /// Of the sites taken: those without any service, without a place, whose hours are not known, and whose hours have no known time zone.
    pub without_services: usize,
    /// See there.
    pub without_place: usize,
    /// See there.
    pub without_hours: usize,
    /// See there.
    pub without_zone: usize,
    /// Rows of services that were taken.
    pub services: usize,
    /// Rows of services of sites that no file has.
    pub services_of_nobody: usize,
    /// Rows of services whose name makes no code.
    pub services_refused: usize,
    /// Everything that was not taken.
    pub remarks: Vec<Remark>,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = if self.dry_run { "would be listed" } else { "listed" };
        let sites = self.new + self.changed + self.there + self.left_out + self.refused;
        writeln!(
            f,
            "{sites} sites: {} {listed}, {} changed, {} there already, {} left out by the mapping, {} refused",
            self.new, self.changed, self.there, self.left_out, self.refused
        )?;
        let Self { without_services, without_place, without_hours, without_zone, .. } = self;
        writeln!(
            f,
            "of those taken, {without_services} offer nothing that is known, {without_place} have no known place, of {without_hours} no hours are known, {without_zone} have hours in no known time zone"
        )?;
        let Self { services, services_of_nobody, services_refused, .. } = self;
        writeln!(
            f,
            "{} rows of services: {services} taken, {services_of_nobody} of sites that are not there, {services_refused} refused",
            services + services_of_nobody + services_refused
        )?;
        if self.dry_run { writeln!(f, "This was a dry run: nothing was listed.") } else { Ok(()) }
    }
}

/// What was read: sites by their id there, and the account so far.
#[derive(Debug, Clone, Default)]
pub struct Sites {
    listed: BTreeMap<String, Site>,
    account: Account,
}

#[derive(Debug, Clone)]
struct Site {
    name: String,
    services: BTreeSet<ServiceCode>,
    place: Option<Place>,
    address: Option<String>,
    phone: Option<String>,
    website: Option<String>,
    time_zone: Option<SmolStr>,
    hours: BTreeMap<SmolStr, DailyHours>,
    file: String,
    line: u64,
}

/// Reads the mapping.
///
/// # Errors
/// It cannot be read; every mistake is named.
pub fn read_mapping(path: &Path) -> anyhow::Result<Mapping> {
    let name = path.display();
    let text = std::fs::read(path).with_context(|| format!("{name} cannot be read"))?;
    mapping::parse(&text).map_err(|mistakes| {
        let mistakes: Vec<String> = mistakes.iter().map(|mistake| format!("{name}: {mistake}")).collect();
        anyhow::anyhow!("the mapping cannot be used\n{}", mistakes.join("\n"))
    })
}

/// Reads all files.
///
/// # Errors
/// A file that cannot be read to its end, or has not the columns that the mapping names. Rows that cannot be taken are in the account.
pub fn read_files(files: &[PathBuf], mapping: &Mapping) -> anyhow::Result<Sites> {
    let mut sites = Sites::default();
    let mut offered = Vec::new();
    for path in files {
        let name = path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy()).into_owned();
        let text = csv_text::open(path)?;
        read_file(text, &name, mapping, &mut sites, &mut offered)
            .with_context(|| format!("{} cannot be imported", path.display()))?;
    }
    let mut nobody: BTreeMap<String, (Remark, usize)> = BTreeMap::new();
    for (site, service, place) in offered {
        match sites.listed.get_mut(&site) {
            Some(site) => {
                site.services.insert(service);
                sites.account.services += 1;
            }
            None => {
                sites.account.services_of_nobody += 1;
                nobody.entry(site).or_insert((place, 0)).1 += 1;
            }
        }
    }
    for (site, (place, rows)) in nobody {
        let reason = format!("no site has the id `{site}` ({rows} rows of it); they were left out");
        sites.account.remarks.push(Remark { reason, ..place });
    }
    Ok(sites)
}

type Offered = Vec<(String, ServiceCode, Remark)>;

/// Reads one file, of sites or of services: its columns tell which.
fn read_file(text: impl Read, file: &str, mapping: &Mapping, sites: &mut Sites, offered: &mut Offered) -> anyhow::Result<()> {
    let (mut reader, header) = csv_text::rows(text, mapping.delimiter, Encoding::Utf8)?;
    let column = |name: &str| csv_text::column(&header, name);
    let own_file = mapping.services.site.as_ref().filter(|_| column(&mapping.site.name).is_err());
    let mut record = csv::ByteRecord::new();
    let named = |name: &str| column(name).map(|at| (at, name.to_owned()));
    let (id, service) = match own_file {
        Some(site) => (named(site)?, Some(named(&mapping.services.column)?)),
        None => (named(&mapping.site.id)?, None),
    };
    let wanted = if own_file.is_some() { None } else { Some(Columns::find(&header, mapping)?) };
    while reader.read_byte_record(&mut record)? {
        let line = record.position().map_or(0, csv::Position::line);
        let remark = |column: Option<&str>, reason: String| Remark {
            file: file.to_owned(),
            line,
            column: column.map(str::to_owned),
            reason,
        };
        let Ok(row) = StringRecord::from_byte_record(record.clone()) else {
            sites.account.remarks.push(remark(None, "it is not UTF-8; it was refused".to_owned()));
            match own_file {
                Some(_) => sites.account.services_refused += 1,
                None => sites.account.refused += 1,
            }
            continue;
        };
        let known = |at: usize| {
            let cell = row.get(at).unwrap_or_default().trim();
            (!cell.is_empty() && !mapping.nothing.contains(cell)).then_some(cell)
        };
        match (&service, &wanted) {
            (Some((at, name)), _) => {
                let codes = known(*at).map(|text| code(text, mapping));
                match (known(id.0), codes) {
                    (Some(site), Some(Some(code))) => offered.push((site.to_owned(), code, remark(Some(&id.1), String::new()))),
                    _ => {
                        sites.account.services_refused += 1;
                        sites.account.remarks.push(remark(
                            Some(name),
                            "it names no site, or no service that makes a code; it was refused".to_owned(),
                        ));
                    }
                }
            }
            (None, Some(columns)) => columns.take(&row, &known, &remark, mapping, sites),
            (None, None) => {}
        }
    }
    Ok(())
}

/// The network's code for a service's name there.
fn code(name: &str, mapping: &Mapping) -> Option<ServiceCode> {
    if let Some(code) = mapping.services.codes.get(name) {
        return Some(code.clone());
    }
    slug::code(name)?.as_str().replace('-', "_").parse().ok()
}

/// Where the columns of a site stand.
struct Columns {
    id: usize,
    name: usize,
    address: Vec<usize>,
    phone: Option<usize>,
    website: Option<usize>,
    place: Option<(usize, usize)>,
    leave_out: Option<usize>,
    hours: Option<[usize; 7]>,
    zones: Vec<usize>,
    services: Option<usize>,
}

impl Columns {
    fn find(header: &StringRecord, mapping: &Mapping) -> anyhow::Result<Self> {
        let column = |name: &str| csv_text::column(header, name);
        let site = &mapping.site;
        let hours = match &mapping.hours {
            Some(hours) => {
                let found: Vec<usize> = hours.columns.iter().map(|name| column(name)).collect::<anyhow::Result<_>>()?;
                found.try_into().ok()
            }
            None => None,
        };
        Ok(Self {
            id: column(&site.id)?,
            name: column(&site.name)?,
            address: site.address.iter().map(|name| column(name)).collect::<anyhow::Result<_>>()?,
            phone: site.phone.as_deref().map(column).transpose()?,
            website: site.website.as_deref().map(column).transpose()?,
            place: site.place.as_ref().map(|(lat, lon)| anyhow::Ok((column(lat)?, column(lon)?))).transpose()?,
            leave_out: site.leave_out.as_ref().map(|(name, _)| column(name)).transpose()?,
            hours,
            zones: mapping.zones.iter().map(|(name, _)| column(name)).collect::<anyhow::Result<_>>()?,
            services: match mapping.services.site {
                Some(_) => None,
                None => Some(column(&mapping.services.column)?),
            },
        })
    }

    fn take<'r>(
        &self,
        row: &'r StringRecord,
        known: &impl Fn(usize) -> Option<&'r str>,
        remark: &impl Fn(Option<&str>, String) -> Remark,
        mapping: &Mapping,
        sites: &mut Sites,
    ) {
        let account = &mut sites.account;
        let word = |at: usize| row.get(at).unwrap_or_default().trim();
        if let (Some(at), Some((_, words))) = (self.leave_out, &mapping.site.leave_out)
            && words.iter().any(|left| left == word(at))
        {
            account.left_out += 1;
            return;
        }
        let mut refuse = |column: &str, reason: &str| {
            account.refused += 1;
            account.remarks.push(remark(Some(column), format!("{reason}; the site was refused")));
        };
        let Some(id) = known(self.id) else { return refuse(&mapping.site.id, "the id is missing") };
        let Some(name) = known(self.name) else { return refuse(&mapping.site.name, "the name is missing") };
        if sites.listed.contains_key(id) {
            return refuse(&mapping.site.id, &format!("`{id}` stands here twice"));
        }
        let parts: Vec<&str> = self.address.iter().filter_map(|&at| known(at)).collect();
        let made = remark(None, String::new());
        let mut site = Site {
            name: name.to_owned(),
            services: BTreeSet::new(),
            place: None,
            address: (!parts.is_empty()).then(|| parts.join(", ")),
            phone: None,
            website: self.website.and_then(known).map(str::to_owned),
            time_zone: None,
            hours: BTreeMap::new(),
            file: made.file,
            line: made.line,
        };
        if let (Some((lat, lon)), Some((lat_name, _))) = (self.place, &mapping.site.place) {
            let degrees = |at: usize| known(at).and_then(|text| text.parse::<f64>().ok());
            let place = degrees(lat).zip(degrees(lon)).filter(|(lat, lon)| lat.abs() <= 90.0 && lon.abs() <= 180.0);
            // The sea off Africa is where those lie whose place nobody has written down.
            let place = place.filter(|place| *place != (0.0, 0.0));
            site.place = place.map(|(latitude, longitude)| Place { latitude, longitude });
            if site.place.is_none() {
                account.remarks.push(remark(Some(lat_name), "latitude and longitude are no place; it is not known".to_owned()));
            }
        }
        if let (Some(text), Some(name)) = (self.phone.and_then(known), &mapping.site.phone) {
            let (phone, reason) = phone(text);
            site.phone = phone;
            account.remarks.extend(reason.map(|reason| remark(Some(name), reason.to_owned())));
        }
        self.hours(known, remark, mapping, &mut site, account);
        let zone = self.zones.iter().zip(&mapping.zones).find_map(|(&at, (_, zones))| zones.get(word(at)));
        site.time_zone = zone.copied().flatten().map(|zone| zone.name().into());
        if let Some(at) = self.services {
            for name in
                known(at).unwrap_or_default().split(&mapping.services.separator).map(str::trim).filter(|name| !name.is_empty())
            {
                match code(name, mapping) {
                    Some(code) => {
                        site.services.insert(code);
                        account.services += 1;
                    }
                    None => {
                        account.services_refused += 1;
                        let reason = format!("`{name}` makes no code; give it one in the mapping's `codes`");
                        account.remarks.push(remark(Some(&mapping.services.column), reason));
                    }
                }
            }
        }
        sites.listed.insert(id.to_owned(), site);
    }

    /// The working hours. A day that cannot be read makes all of them unknown: an absent day would be a closed one.
    fn hours<'r>(
        &self,
        known: &impl Fn(usize) -> Option<&'r str>,
        remark: &impl Fn(Option<&str>, String) -> Remark,
        mapping: &Mapping,
        site: &mut Site,
        account: &mut Account,
    ) {
        let (Some(at), Some(columns)) = (&self.hours, &mapping.hours) else { return };
        let mut open = BTreeMap::new();
        for ((day, &at), name) in DAYS.iter().zip(at).zip(&columns.columns) {
            let read = known(at).ok_or("says nothing").and_then(|text| hours::read(text, columns));
            match read {
                Ok(Day::Closed) => {}
                Ok(Day::Open(hours)) => {
                    open.insert(SmolStr::from(*day), hours);
                }
                Err(wrong) => {
                    let text = known(at).unwrap_or_default();
                    account.remarks.push(remark(Some(name), format!("`{text}` {wrong}; the site's hours are not known")));
                    return;
                }
            }
        }
        site.hours = open;
    }
}

/// A number as the directory takes it, and what was left out of it.
fn phone(text: &str) -> (Option<String>, Option<&'static str>) {
    let (number, extension) = text.split_once(['x', 'X']).unwrap_or((text, ""));
    let number = number.trim();
    if tact_directory::is_published_number(number) {
        let reason = (!extension.trim().is_empty()).then_some("the extension was left out: the directory keeps numbers");
        return (Some(number.to_owned()), reason);
    }
    (None, Some("it is no telephone number; it was left out"))
}

/// Lists what was read and prints the account of it on the standard output.
///
/// # Errors
/// The log cannot do its part, or the list of remarks cannot be written. What was listed until then stays; a second run goes on from there.
pub async fn run(arguments: &Arguments, sites: Sites, mapping: &Mapping, stores: Stores<'_>) -> anyhow::Result<Account> {
    let account = list(sites, mapping, stores, arguments.dry_run).await?;
    let mut out = std::io::stdout().lock();
    for remark in account.remarks.iter().take(PRINTED) {
        writeln!(out, "{remark}")?;
    }
    if account.remarks.len() > PRINTED {
        writeln!(out, "... and {} more remarks; `--remarks FILE` lists them all", account.remarks.len() - PRINTED)?;
    }
    write!(out, "{account}")?;
    if let Some(path) = &arguments.remarks {
        let mut file = std::io::BufWriter::new(
            std::fs::File::create(path).with_context(|| format!("{} cannot be written", path.display()))?,
        );
        account.remarks.iter().try_for_each(|remark| writeln!(file, "{remark}"))?;
        file.flush()?;
    }
    Ok(account)
}

/// Lists what was read: whatever the directory has just so is left alone.
///
/// # Errors
/// The log cannot do its part.
pub async fn list(sites: Sites, mapping: &Mapping, stores: Stores<'_>, dry_run: bool) -> anyhow::Result<Account> {
    let Sites { listed, mut account } = sites;
    account.dry_run = dry_run;
    stores.control.refresh().await.context("the directory cannot be read")?;
    let directory = stores.control.directory();
    for (id, site) in listed {
        let provider = stores.keys.derive(&[b"provider", mapping.system.as_bytes(), id.as_bytes()]);
        let Site { name, services, place, address, phone, website, time_zone, hours, file, line } = site;
        let services: Vec<ServiceCode> = services.into_iter().collect();
        let listed = ProviderListed { provider, name, services, place, address, phone, website, time_zone, hours };
        if let Err(wrong) = tact_directory::check(&listed) {
            account.refused += 1;
            account.remarks.push(Remark {
                file,
                line,
                column: None,
                reason: format!("{}; the site was refused", wrong.detail()),
            });
            continue;
        }
        account.without_services += usize::from(listed.services.is_empty());
        account.without_place += usize::from(listed.place.is_none());
        account.without_hours += usize::from(listed.hours.is_empty());
        account.without_zone += usize::from(!listed.hours.is_empty() && listed.time_zone.is_none());
        match directory.providers.get(&provider) {
            Some(before) if *before == listed => {
                account.there += 1;
                continue;
            }
            Some(_) => account.changed += 1,
            None => account.new += 1,
        }
        if dry_run {
            continue;
        }
        let now = stores.transactor.clock().now();
        let actor = Actor::System("import".into());
        let command = Command { event: fresh(now), fingerprint: None, time: None, actor, branch: None, cause: None };
        let noted = stores.control.note(&command, DirectoryEvent::ProviderListed(listed)).await;
        noted.with_context(|| format!("the site `{id}` cannot be listed; what was listed until then stays"))?;
    }
    if account.new + account.changed + account.there == 0 && account.refused + account.left_out == 0 {
        bail!("no file has sites: one of them must have the columns that the mapping's `[site]` names");
    }
    Ok(account)
}
